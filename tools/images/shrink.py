"""Two ways in which an image becomes smaller and nothing of it changes. Needs Python 3.11 and nothing else.

python3 shrink.py cut FOLDER               cuts off shared objects what only debuggers and linkers read
python3 shrink.py bytecode FOLDER PACKAGE  imports a package whole; bytecode of all that this takes, below FOLDER
"""

import importlib.util
import os
import pkgutil
import py_compile
import struct
import sys
from pathlib import Path

MAGIC = b"\x7fELF\x02\x01"  # 64 bits, little-endian: all platforms that the images are for
HEADER = struct.Struct("<QQIHHHHHH")  # from byte 32: offsets of segments and sections, flags, sizes and counts
SEGMENT = struct.Struct("<IIQQQQQQ")


def cut(path: Path) -> int:
    """Bytes taken off a shared object: what lies behind its last segment, which the loader never maps.

    That is symbols, debug information and the table of sections, so the header says that there is no such table. Where a tool
    put segments behind them nothing is taken.
    """
    data = path.read_bytes()
    if data[:6] != MAGIC:
        return 0
    segments, _, flags, size, each, count, *_ = HEADER.unpack_from(data, 32)
    end: int = segments + each * count
    for number in range(count):
        _, _, offset, _, _, length, _, _ = SEGMENT.unpack_from(data, segments + number * each)
        end = max(end, offset + length)
    header = data[:32] + HEADER.pack(segments, 0, flags, size, each, count, 0, 0, 0)
    path.write_bytes(header + data[len(header) : end])
    return len(data) - end


def cut_all(folder: Path) -> None:
    """All shared objects below a folder."""
    taken = sum(cut(path) for path in folder.rglob("*.so*") if path.is_file() and not path.is_symlink())
    print(f"cut {taken / 1e6:.1f} MB off shared objects")


def import_whole(name: str) -> None:
    """A package with all of its modules."""
    found = importlib.import_module(name)
    for module in pkgutil.walk_packages(getattr(found, "__path__", []), f"{name}."):
        importlib.import_module(module.name)


def bytecode(folder: Path, package: str) -> None:
    """Compiles whatever was imported, trusted by its place: nothing there ever changes again.

    What is imported only later, if at all, is compiled then, in memory.
    """
    sys.dont_write_bytecode = True  # not beside the sources
    for name in ("runpy", package):
        import_whole(name)
    sys.pycache_prefix = str(folder)
    for module in list(sys.modules.values()):
        source = getattr(module, "__file__", None)
        if source and source.endswith(".py"):
            py_compile.compile(
                source,
                cfile=importlib.util.cache_from_source(source),
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )


if __name__ == "__main__":
    if sys.argv[1] == "cut":
        cut_all(Path(sys.argv[2]))
    else:
        bytecode(Path(sys.argv[2]), os.environ["SERVICE"])
