"""What a kubelet lays out for a pod's volumes: contents, links, modes and groups, as it is documented and as its code does it.

A Secret, a ConfigMap or a projected volume is a dated folder, `..data` that points to it, and a link for each file, so that all
of them change at once. With an fsGroup everything becomes that group's: readable where the volume is read-only, else writable.
"""

import base64
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

Object = dict[str, Any]
Kind = Literal["provided", "scratch", "claim"]
DATED: Final = "..2026_01_01_00_00_00.1"
USUAL_MODE: Final = 0o644
READ_ONLY, READ_WRITE, FOLDERS = 0o440, 0o660, 0o110
"""What an fsGroup adds to modes (kubelet, pkg/volume/volume_linux.go); folders get the setgid bit too."""
UNITS: Final = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "k": 10**3, "M": 10**6, "G": 10**9}


class PodError(Exception):
    """One sentence: what a manifest asks for that cannot be had, or that is not understood here."""


def quantity(text: str) -> int:
    """`512Mi` in bytes."""
    unit = next((name for name in UNITS if text.endswith(name)), "")
    return int(text.removesuffix(unit)) * UNITS.get(unit, 1)


@dataclass(frozen=True, slots=True)
class Store:
    """The Secrets, ConfigMaps and claims of a namespace."""

    objects: Sequence[Object]

    def _find(self, kind: str, name: str) -> Object | None:
        return next((one for one in self.objects if one["kind"] == kind and one["metadata"]["name"] == name), None)

    def data(self, kind: str, name: str, *, optional: bool = False) -> dict[str, bytes]:
        """What a Secret or ConfigMap holds. Raises PodError when it is not there: such a pod would never start."""
        found = self._find(kind, name)
        if found is None:
            if optional:
                return {}
            raise PodError(f"there is no {kind} {name}")
        encoded = found if kind == "Secret" else {"data": found.get("binaryData")}
        plain = found.get("stringData" if kind == "Secret" else "data") or {}
        bytes_of = {key: base64.b64decode(value) for key, value in (encoded.get("data") or {}).items()}
        return bytes_of | {key: str(value).encode() for key, value in plain.items()}

    def require_claim(self, name: str) -> None:
        """Raises PodError when a pod would wait for a claim that nobody makes."""
        if self._find("PersistentVolumeClaim", name) is None:
            raise PodError(f"there is no PersistentVolumeClaim {name}")


@dataclass(frozen=True, slots=True)
class Volume:
    """`files`: name → contents and mode, of what is provided; `limit`: bytes a scratch one may hold; `claim`: its name."""

    name: str
    kind: Kind
    files: Mapping[str, tuple[bytes, int]] = field(default_factory=dict, repr=False)
    limit: int = 0
    claim: str = ""


def volume(spec: Object, store: Store) -> Volume:
    """Of a pod's `volumes` one. Raises PodError for a kind that is not known here and for what is not there."""
    (kind,) = set(spec) - {"name"}
    name, source = spec["name"], spec[kind]
    match kind:
        case "secret" | "configMap" | "projected":
            return Volume(name, "provided", dict(_files(kind, source, store, source.get("defaultMode", USUAL_MODE))))
        case "emptyDir":
            if source.get("medium"):
                raise PodError(f"volume {name}: a medium of its own is not known here")
            return Volume(name, "scratch", limit=quantity(source.get("sizeLimit", "0")))
        case "persistentVolumeClaim":
            store.require_claim(source["claimName"])
            return Volume(name, "claim", claim=source["claimName"])
        case _:
            raise PodError(f"volume {name}: {kind} is not known here")


def _files(kind: str, source: Object, store: Store, mode: int) -> Iterator[tuple[str, tuple[bytes, int]]]:
    """Name → contents and mode, in the order in which later ones win."""
    if kind == "projected":
        for part in source["sources"]:
            ((inner, chosen),) = part.items()
            if inner not in {"secret", "configMap"}:
                raise PodError(f"a projected {inner} is not known here")
            yield from _files(inner, chosen, store, mode)
        return
    title = "Secret" if kind == "secret" else "ConfigMap"
    wanted = source.get("secretName") or source["name"]
    data = store.data(title, wanted, optional=source.get("optional", False))
    for item in source.get("items") or [{"key": key, "path": key} for key in data]:
        if item["key"] not in data:
            raise PodError(f"{title} {wanted} has no {item['key']}")
        if "/" in item["path"]:
            raise PodError(f"{title} {wanted}: folders within a volume are not known here")
        yield item["path"], (data[item["key"]], item.get("mode", mode))


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder or link of a volume, root's. `path`: "" is the volume itself; `group`: whose; `mode`: 0 for links."""

    path: str
    mode: int
    group: int
    content: bytes | None = field(default=None, repr=False)
    link: str = ""


def entries(one: Volume, group: int | None) -> Iterator[Entry]:
    """What the kubelet makes before the pod starts; `group` is the pod's fsGroup."""
    added = READ_ONLY if one.kind == "provided" else READ_WRITE
    owner = group or 0

    def folder(path: str, mode: int) -> Entry:
        return Entry(path, mode if group is None else mode | added | FOLDERS | stat.S_ISGID, owner)

    if one.kind == "scratch":
        yield folder("", 0o777)
    elif one.kind == "claim":
        # A new file system's root is root's; 0700 as the strictest provisioners leave it, and ext4 brings a folder of its own.
        yield folder("", 0o700)
        yield folder("lost+found", 0o700)
    else:
        yield folder("", 0o1777)
        yield folder(DATED, 0o755)
        for name, (content, mode) in one.files.items():
            yield Entry(f"{DATED}/{name}", mode if group is None else mode | added, owner, content)
        yield Entry("..data", 0, owner, link=DATED)
        yield from (Entry(name, 0, owner, link=f"..data/{name}") for name in one.files)


def lay(one: Volume, group: int | None, place: Path) -> None:
    """Makes a volume at `place`; needs root. A claim that was laid before keeps what pods have left on it."""
    if one.kind == "claim" and place.exists():
        return
    for entry in entries(one, group):
        path = place / entry.path if entry.path else place
        if entry.link:
            path.symlink_to(entry.link)
        elif entry.content is None:
            path.mkdir(parents=not entry.path)
        else:
            path.write_bytes(entry.content)
        os.chown(path, 0, entry.group, follow_symlinks=False)
        if not entry.link:
            path.chmod(entry.mode)  # last: a change of the owner takes special bits away


def held(place: Path) -> int:
    """Bytes in a folder, as a kubelet counts them before it evicts."""
    return sum(path.lstat().st_blocks * 512 for path in place.rglob("*"))
