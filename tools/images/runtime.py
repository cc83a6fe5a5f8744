"""Gathers what runs a Python below a folder, and nothing else of its image: no package manager, no Perl, no tools.

    python3 runtime.py TARGET IMAGE        in the base image, as root; the last stage is TARGET on an empty root

The interpreter, its library without what only developers and desktops use, a plain shell, in which runbooks and Jobs put commands
together, their shared libraries and those that wheels may expect (PEP 599), certificates, two time zones. Scanners still find the
Debian packages: each has its entry where they look in images without dpkg, and its copyright. Times are fixed, so that images of
one base share the layer.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

# What nobody serves with: what developers and desktops use, what Python itself gave up since (PEP 594), old encodings of
# languages that nothing here is written in. Each build imports its packages without them, and tests/images compares.
UNUSED = {
    "_pydecimal", "_pyio", "aifc", "antigravity", "asynchat", "asyncore", "cgi", "cgitb", "chunk", "crypt", "curses", "dbm",
    "distutils", "doctest", "ensurepip", "ftplib", "idlelib", "imaplib", "imghdr", "imp", "lib2to3", "mailbox", "mailcap",
    "modulefinder", "nntplib", "pickletools", "pipes", "poplib", "pyclbr", "pydoc", "pydoc_data", "smtpd", "smtplib", "sndhdr",
    "sqlite3", "sunau", "tabnanny", "telnetlib", "test", "this", "tkinter", "turtle", "turtledemo", "unittest", "uu", "venv",
    "wave", "xdrlib", "xmlrpc",
}  # fmt: skip
UNUSED_EXTENSIONS = {
    "_codecs_hk", "_codecs_iso2022", "_codecs_jp", "_codecs_kr", "_codecs_tw", "_crypt", "_ctypes_test", "_curses",
    "_curses_panel", "_dbm", "_gdbm", "_lsprof", "_sqlite3", "_tkinter", "_xxsubinterpreters", "_xxtestfuzz", "audioop",
    "nis", "ossaudiodev", "readline",
}  # fmt: skip
USED = {"rehearsal": {"sqlite3", "_sqlite3"}}
"""Image → what only it needs of those: the scanner keeps its lists in SQLite."""
NO_SOURCES = {"__pycache__", "site-packages", "dist-packages"}
WHEELS_EXPECT = {
    "libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "libutil.so.1", "libresolv.so.2", "libgcc_s.so.1",
    "libstdc++.so.6", "libnss_dns.so.2", "libnss_files.so.2",
}  # fmt: skip
FILES = (
    "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/os-release",
    "/etc/debian_version", "/etc/localtime", "/etc/ld.so.conf", "/etc/protocols", "/etc/services",
    # Of time zones those that people here live by; others come from the package tzdata.
    "/usr/share/zoneinfo/Asia/Shanghai", "/usr/share/zoneinfo/Etc/UTC", "/usr/share/zoneinfo/UTC",
)  # fmt: skip
TREES = (
    "/etc/ld.so.conf.d", "/etc/ssl/certs", "/usr/lib/ssl", "/usr/share/ca-certificates", "/usr/lib/locale/C.utf8",
)  # fmt: skip
EMPTY = {"dev": 0o755, "proc": 0o755, "sys": 0o755, "run": 0o755, "etc": 0o755, "tmp": 0o1777, "var/tmp": 0o1777}
SHELL = "/bin/sh"
DPKG = Path("/var/lib/dpkg")
LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")


class Gathering:
    """Copies paths of this root, links and all, below `target`."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.files: set[str] = set()

    def bring(self, path: str) -> None:
        """A file, and every link on the way to it; nothing where there is none."""
        if not Path(path).exists():
            return
        here = Path("/")
        parts = Path(path).parts[1:]
        for number, part in enumerate(parts):
            here /= part
            copy = self.target / here.relative_to("/")
            if here.is_symlink():
                if not copy.is_symlink():
                    copy.symlink_to(here.readlink())
                aim = os.path.normpath(here.parent / here.readlink())
                self.bring(str(Path(aim, *parts[number + 1 :])))
                return
            if here.is_dir():
                copy.mkdir(mode=here.stat().st_mode & 0o7777, exist_ok=True)
        if here.is_file() and str(here) not in self.files:
            shutil.copy2(here, self.target / here.relative_to("/"))
            self.files.add(str(here))

    def bring_all(self, paths: Iterable[str]) -> None:
        for path in paths:
            self.bring(path)


def tree(top: str) -> Iterator[str]:
    """All files below a folder."""
    for folder, _, names in os.walk(top):
        yield from (str(Path(folder, name)) for name in names)


def library(top: str, image: str) -> Iterator[str]:
    """Sources and extension modules of the standard library that an image may need."""
    unused = (UNUSED | UNUSED_EXTENSIONS) - USED.get(image, set())
    for folder, inner, names in os.walk(top):
        inner[:] = [
            name
            for name in inner
            if name not in NO_SOURCES and not (folder == top and (name in unused or name.startswith("config-")))
        ]
        extensions = Path(folder).name == "lib-dynload"
        for name in names:
            module = name.split(".")[0]
            if (folder == top or extensions) and (module in unused or module.startswith(("_test", "xxlimited"))):
                continue
            if not name.endswith((".a", ".pyc")):
                yield str(Path(folder, name))


def needed(binaries: Iterable[str]) -> set[str]:
    """Shared libraries that programs and extension modules are linked with, the loader among them."""
    done = subprocess.run(["ldd", *binaries], check=False, capture_output=True, text=True)
    return set(LIBRARY.findall(done.stdout))


def expected() -> set[str]:
    """Libraries that a wheel may take for granted."""
    said = subprocess.run(["/sbin/ldconfig", "-p"], check=True, capture_output=True, text=True).stdout
    found = (line.split() for line in said.splitlines() if " => " in line)
    return {words[-1] for words in found if words[0] in WHEELS_EXPECT}


def owners(files: set[str]) -> set[str]:
    """Debian packages that the files came with."""
    found = set()
    for listing in (DPKG / "info").glob("*.list"):
        paths = {os.path.realpath(line) for line in listing.read_text().splitlines()}
        if paths & files:
            found.add(listing.stem.partition(":")[0])
    return found


def describe(gathering: Gathering) -> None:
    """Package entries and copyrights."""
    kept = owners(gathering.files)
    folder = gathering.target / "var/lib/dpkg/status.d"
    folder.mkdir(parents=True)
    for stanza in (DPKG / "status").read_text().split("\n\n"):
        found = re.match(r"Package: (\S+)", stanza)
        if found and found[1] in kept:
            (folder / found[1]).write_text(stanza.strip() + "\n")
            gathering.bring(f"/usr/share/doc/{found[1]}/copyright")


def fix_times(top: Path) -> None:
    """The same times in every build: those of the files stay, folders and what was made here get none."""
    for folder, inner, names in os.walk(top, topdown=False):
        for path in (Path(folder, name) for name in (*inner, *names)):
            if path.is_symlink() or path.is_dir() or path.parent.name == "status.d" or path.name == "ld.so.cache":
                os.utime(path, (0, 0), follow_symlinks=False)
    os.utime(top, (0, 0))


def main(target: Path, image: str) -> None:
    target.mkdir(parents=True)
    gathering = Gathering(target)
    for name, mode in EMPTY.items():
        (target / name).mkdir(parents=True, exist_ok=True)
        (target / name).chmod(mode)
    python = shutil.which("python3") or sys.executable
    gathering.bring_all([python, SHELL, *library(sysconfig.get_path("stdlib"), image)])
    binaries = [python, SHELL, *(path for path in gathering.files if re.search(r"\.so(\.|$)", path))]
    libraries = needed(binaries) | expected()
    gathering.bring_all(sorted(libraries | needed(sorted(libraries))))
    gathering.bring_all(FILES)
    for top in TREES:
        gathering.bring_all(tree(top))
    describe(gathering)
    subprocess.run(["/sbin/ldconfig", "-r", str(target)], check=True)
    shutil.rmtree(target / "var/cache/ldconfig", ignore_errors=True)
    fix_times(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
