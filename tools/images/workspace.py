"""Which of the workspace's packages an image holds, and what they need from outside.

python3 tools/images/workspace.py folders venue         the packages' folders, one a line
python3 tools/images/workspace.py requirements venue    third-party requirements, for the lock
python3 tools/images/workspace.py share venue TARGET    copies the migrations that its schema is made of below TARGET

Runs inside the build too, so it needs Python 3.11 and nothing else.
"""

import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ("venue", "checkpoint", "quarantine", "gateway", "rehearsal")
PATTERNS = ("proto", "libs/*", "services/*", "clients/*", "tools/*", "bench")
OWN = "lilitong-"
LAUNCHED = {"service", "dbmate"}
"""Programs in an image's environment, beside Python."""
PIN = re.compile(r"^([a-z0-9-]+)==([^\s;]+)", re.MULTILINE)
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[(?P<extras>[^]]+)\])?(?P<bounds>.*)")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line of a package's dependencies; `bounds` as written, e.g. `>=1.8,<2`."""

    name: str
    extras: frozenset[str]
    bounds: str

    @classmethod
    def parse(cls, text: str) -> "Requirement":
        """Raises ValueError when it is none that this workspace writes."""
        found = REQUIREMENT.fullmatch(text.replace(" ", ""))
        if found is None:
            raise ValueError(f"not a requirement: {text!r}")
        extras = (found["extras"] or "").split(",")
        return cls(found["name"].lower().replace("_", "-"), frozenset(filter(None, extras)), found["bounds"])

    def __str__(self) -> str:
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        return f"{self.name}{extras}{self.bounds}"


@dataclass(frozen=True, slots=True)
class Package:
    """One member of the workspace. `folder`: relative to the root; `extras`: what each of its extras adds."""

    name: str
    folder: str
    requires: tuple[Requirement, ...]
    extras: dict[str, tuple[Requirement, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, root: Path) -> "Package":
        """From its pyproject.toml."""
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        extras = {name: _parsed(texts) for name, texts in project.get("optional-dependencies", {}).items()}
        return cls(project["name"], str(folder.relative_to(root)), _parsed(project.get("dependencies", [])), extras)


def _parsed(texts: list[str]) -> tuple[Requirement, ...]:
    return tuple(map(Requirement.parse, texts))


def packages(root: Path = ROOT) -> dict[str, Package]:
    """Every member by name."""
    folders = (path.parent for pattern in PATTERNS for path in sorted(root.glob(f"{pattern}/pyproject.toml")))
    return {package.name: package for package in (Package.read(folder, root) for folder in folders)}


def needs(image: str, root: Path = ROOT) -> tuple[list[Package], list[Requirement]]:
    """The members in an image, its own first, and the third-party requirements of all of them. KeyError: no such member."""
    members = packages(root)
    own: dict[str, Package] = {}
    others: dict[str, Requirement] = {}
    seen: set[Requirement] = set()
    queue = [Requirement(OWN + image, frozenset(), "")]
    for wanted in queue:  # grows while it is walked
        if wanted in seen:
            continue
        seen.add(wanted)
        if not wanted.name.startswith(OWN):
            others[str(wanted)] = wanted
            continue
        member = members[wanted.name]
        own[member.name] = member
        queue += [*member.requires, *(one for extra in sorted(wanted.extras) for one in member.extras[extra])]
    return list(own.values()), [others[text] for text in sorted(others)]


def locked(name: str, root: Path = ROOT) -> dict[str, str]:
    """Distribution → version of a lock below requirements/."""
    return dict(PIN.findall((root / "requirements" / f"{name}.txt").read_text()))


def share(image: str, target: Path, root: Path = ROOT) -> list[Path]:
    """Copies the SQL below `target`, at the same relative paths as in the repository; nothing for an image without a schema."""
    if not (root / "services" / image / "migrations").is_dir():
        return []
    copied = []
    for member in needs(image, root)[0]:
        source = root / member.folder / "migrations"
        if source.is_dir():
            copied.append(Path(shutil.copytree(source, target / member.folder / "migrations")))
    return copied


def _lines(arguments: list[str]) -> Iterator[str]:
    match arguments:
        case ["folders", image]:
            yield from (member.folder for member in needs(image)[0])
        case ["requirements", image]:
            yield from map(str, needs(image)[1])
        case ["share", image, target]:
            yield from map(str, share(image, Path(target)))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    sys.stdout.writelines(line + "\n" for line in _lines(sys.argv[1:]))
