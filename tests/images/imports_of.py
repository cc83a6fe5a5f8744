"""What Python files import, as names of distributions."""

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

# Import names that several distributions share, longest first, and which of them brings what.
SHARED = {
    "opentelemetry.exporter.otlp": "opentelemetry-exporter-otlp-proto-grpc",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry": "opentelemetry-api",
    "google.protobuf": "protobuf",
    "google.rpc": "googleapis-common-protos",
    "lilitong": "lilitong-proto",
    "buf": "lilitong-proto",
}


def sources(folder: Path) -> list[Path]:
    """A package's own modules, without its tests."""
    inner = folder / "src" if (folder / "src").is_dir() else folder
    return sorted(path for path in inner.rglob("*.py") if "tests" not in path.relative_to(folder).parts)


def names(tree: ast.AST) -> Iterator[str]:
    """Dotted names of absolute imports, wherever in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in {"find_spec", "import_module"}:
            yield from (str(one.value) for one in node.args[:1] if isinstance(one, ast.Constant))


def distribution(name: str, own: dict[str, str]) -> str:
    """Which distribution brings a dotted name; "" for the standard library.

    Args:
        name: as imported.
        own: import name → distribution, of the workspace.

    Raises:
        LookupError: none is installed here, or several are and SHARED does not say which is meant.

    """
    for prefix, found in SHARED.items():
        if f"{name}.".startswith(f"{prefix}."):
            return found
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return ""
    if top in own:
        return own[top]
    candidates = set(_installed().get(top, []))
    if len(candidates) != 1:
        raise LookupError(f"{name} comes from {sorted(candidates) or 'nowhere'}; tell tests/images/imports_of.py")
    return candidates.pop().lower().replace("_", "-")


@cache
def _installed() -> Mapping[str, list[str]]:
    """Import name → distributions, which takes a while to gather."""
    return packages_distributions()
