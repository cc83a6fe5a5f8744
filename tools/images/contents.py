"""What is in an image, asked from inside."""

from dataclasses import dataclass

from tools.images.workspace import LAUNCHED, locked, needs

CODE = """
import errno, hashlib, json, os, shutil, sys
from base64 import urlsafe_b64encode
from importlib import metadata, util

PLACES = "/", "/opt/lilitong", sys.prefix, "/etc", "/var", "/home", "/tmp"
PROGRAMS = (
    "bash", "perl", "ls", "cat", "tar", "apt-get", "dpkg", "pip", "pip3", "gcc", "cc", "c++", "ld", "as", "make", "curl", "wget",
    "git",
)
MODULES = "pip", "setuptools", "wheel", "ensurepip", "pytest", "mypy"

def writable(path):
    try:
        open(path + "/x", "w").close()
    except OSError as error:
        return errno.errorcode[error.errno] not in ("EROFS", "EACCES", "ENOENT")
    return True

def altered(one):
    for path in one.files or []:
        place = path.locate()
        if path.hash and place.exists() and ".so" not in path.suffixes:
            if urlsafe_b64encode(hashlib.sha256(place.read_bytes()).digest()).rstrip(b"=").decode() != path.hash.value:
                yield str(path)

own = [path for path in sys.path if path.startswith(sys.prefix)]
print(json.dumps({
    "uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups(),
    "capabilities": next(line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")),
    "read_only": bool(os.statvfs("/").f_flag & os.ST_RDONLY),
    "writable": [path for path in PLACES if writable(path)],
    "programs": [name for name in PROGRAMS if shutil.which(name)],
    "modules": [name for name in MODULES if util.find_spec(name)],
    "distributions": sorted(one.metadata["Name"].lower().replace("_", "-") for one in metadata.distributions(path=own)),
    "altered": sorted(path for one in metadata.distributions(path=own) for path in altered(one)),
    "launched": sorted(name for name in os.listdir(sys.prefix + "/bin") if not name.startswith("python")),
}))
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """The answer of CODE."""

    uid: int
    gid: int
    groups: list[int]
    capabilities: str
    read_only: bool
    writable: list[str]
    programs: list[str]
    modules: list[str]
    distributions: list[str]
    altered: list[str]
    launched: list[str]

    def complaint(self, image: str) -> str:
        """What is wrong; "" when nothing is."""
        held = set(self.distributions)
        allowed = set(locked(image)) | {member.name for member in needs(image)[0]}
        findings = {
            "runs as root": self.uid == 0 or self.gid == 0 or 0 in self.groups,
            f"has capabilities {self.capabilities}": int(self.capabilities, 16),
            "has a writable root": not self.read_only,
            f"may write in {self.writable}": self.writable != ["/tmp"],  # noqa: S108
            f"has the programs {self.programs}": self.programs,
            f"has the modules {self.modules}": self.modules,
            f"holds {sorted(held - allowed)}, which is not its own": held - allowed,
            f"has files that are not those of its packages: {self.altered[:5]}": self.altered,
            f"launches {self.launched}": set(self.launched) - LAUNCHED,
        }
        return "; ".join(text for text, bad in findings.items() if bad)
