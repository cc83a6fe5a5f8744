"""Generates, lints and compares the contracts in proto/.

python tools/proto/generate.py generate   write the generated modules beside their .proto files
python tools/proto/generate.py check      lint, format, breaking changes, and whether the committed modules are current
python tools/proto/generate.py baseline   accept the present contracts as the baseline for breaking changes
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from buf.validate import validate_pb2
from google.protobuf import descriptor_pb2

PROTO = Path(__file__).parents[2] / "proto"
BASELINE = PROTO / "baseline.binpb"
BUF = Path(sys.executable).with_name("buf")
GENERATED = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")


def sources() -> list[str]:
    """Paths of our .proto files, relative to proto/."""
    return sorted(str(path.relative_to(PROTO)) for path in (PROTO / "lilitong").rglob("*.proto"))


def rules_image(folder: Path) -> Path:
    """Writes the descriptors of buf/validate and what it imports; protoc resolves the import from them."""
    image = descriptor_pb2.FileDescriptorSet()
    for module in validate_pb2.DEPENDENCIES:
        image.file.add().ParseFromString(module.DESCRIPTOR.serialized_pb)
    image.file.add().ParseFromString(validate_pb2.SERIALIZED)
    path = folder / "rules.binpb"
    path.write_bytes(image.SerializeToString())
    return path


def protoc(folder: Path, *options: str) -> None:
    """Runs protoc over all our contracts."""
    import grpc_tools

    well_known = Path(grpc_tools.__file__).parent / "_proto"
    apis = Path(descriptor_pb2.__file__).parents[2]  # googleapis-common-protos installs its .proto files here
    rules = rules_image(folder)
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"--descriptor_set_in={rules}",
        f"-I{PROTO}",
        f"-I{well_known}",
        f"-I{apis}",
    ]
    subprocess.run([*command, *options, *sources()], check=True)


def generate(target: Path) -> None:
    """Writes the generated modules below target."""
    with tempfile.TemporaryDirectory() as scratch:
        binaries = Path(sys.executable).parent
        protoc(
            Path(scratch),
            f"--plugin=protoc-gen-mypy={binaries / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={binaries / 'protoc-gen-mypy_grpc'}",
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            f"--mypy_out=quiet:{target}",
            f"--mypy_grpc_out=quiet:{target}",
        )


def image(folder: Path) -> Path:
    """Writes the descriptor image of all contracts, imports included, which buf reads."""
    path = folder / "image.binpb"
    protoc(folder, f"--descriptor_set_out={path}", "--include_imports", "--include_source_info")
    return path


def ours(built: Path) -> descriptor_pb2.FileDescriptorSet:
    """Our own files of an image, without comments: what the baseline keeps."""
    image_set = descriptor_pb2.FileDescriptorSet.FromString(built.read_bytes())
    kept = descriptor_pb2.FileDescriptorSet(file=[file for file in image_set.file if file.name.startswith("lilitong/")])
    for file in kept.file:
        file.ClearField("source_code_info")
    return kept


def former(built: Path, folder: Path) -> Path:
    """The baseline as a whole image: our committed files together with the present imports."""
    whole = descriptor_pb2.FileDescriptorSet.FromString(built.read_bytes())
    imports = [file for file in whole.file if not file.name.startswith("lilitong/")]
    baseline = descriptor_pb2.FileDescriptorSet.FromString(BASELINE.read_bytes())
    path = folder / "former.binpb"
    path.write_bytes(descriptor_pb2.FileDescriptorSet(file=[*imports, *baseline.file]).SerializeToString())
    return path


def stale() -> list[str]:
    """Generated modules that differ from what the contracts would give now, or are missing or orphaned."""
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        fresh = {str(p.relative_to(scratch)): p.read_bytes() for p in Path(scratch).rglob("*") if p.is_file()}
    committed = {
        str(p.relative_to(PROTO)): p.read_bytes()
        for p in (PROTO / "lilitong").rglob("*_pb2*")
        if p.name.endswith(GENERATED)
    }
    return sorted(name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name))


def check() -> int:
    """Prints every complaint; 0 when there is none."""
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        built = image(Path(scratch))
        config = str(PROTO / "buf.yaml")
        for arguments in (
            ["lint", str(built), "--config", config],
            ["breaking", str(built), "--against", str(former(built, Path(scratch))), "--config", config],
            ["format", str(PROTO), "--diff", "--exit-code"],
        ):
            failed |= subprocess.run([str(BUF), *arguments], check=False, cwd=scratch).returncode
    for name in stale():
        failed = 1
        print(f"proto/{name} is not what the contracts generate: run `make proto`")
    return 1 if failed else 0


def main() -> int:
    action = sys.argv[1] if len(sys.argv) > 1 else ""
    if action == "generate":
        generate(PROTO)
        return 0
    if action == "check":
        return check()
    if action == "baseline":
        with tempfile.TemporaryDirectory() as scratch:
            BASELINE.write_bytes(ours(image(Path(scratch))).SerializeToString(deterministic=True))
        return 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main())
