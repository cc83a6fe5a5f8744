"""Engines that build and run images: buildah, podman, docker, whichever works here."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.images.workspace import ROOT

DOCKERFILE = "deploy/images/Dockerfile"
CONFINED = Path(__file__).with_name("confined.sh")
ENGINES = ("buildah", "podman", "docker")
VERSION = "0.1.0"
"""Tag of the images unless VERSION says another; the chart's appVersion."""
STATE = "/tmp/state"  # noqa: S108 - inside the container, whose /tmp is its own


class EngineError(Exception):
    """One sentence: what failed and what to do."""


def out(*command: str, env: Mapping[str, str] | None = None) -> str:
    """What a program prints. Raises EngineError with the end of its complaint."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=env)
    if done.returncode:
        raise EngineError(f"`{' '.join(command[:3])} …` failed:\n{(done.stderr or done.stdout)[-2000:]}")
    return done.stdout.strip()


def works(name: str) -> bool:
    """Whether the engine is here and answers (docker may be a client without a daemon)."""
    if shutil.which(name) is None:
        return False
    return subprocess.run([name, "info"], check=False, capture_output=True, timeout=60).returncode == 0


@dataclass(frozen=True, slots=True)
class Run:
    """One start of an image. `state`: seen there as STATE; `limit`: bytes of memory, held by `group` where the engine is
    buildah; `program`: instead of the image's own.
    """

    image: str
    state: Path
    env: dict[str, str]
    limit: int
    arguments: Sequence[str] = ()
    group: Path | None = None
    program: str = ""


@dataclass(slots=True)
class Engine:
    """One of them. `prefix` of the images' names; `isolation`: how buildah runs build steps."""

    name: str
    prefix: str
    isolation: str = "chroot"
    _mounted: dict[str, str] = field(default_factory=dict)

    def tag(self, image: str) -> str:
        """The image's name, with the version that the chart asks for."""
        return f"{self.prefix}{image}:{os.environ.get('VERSION') or VERSION}"

    def build(self, image: str, arguments: Mapping[str, str], secrets: Mapping[str, Path]) -> None:
        """Builds an image. `secrets` (pip, ca) are mounted while packages are fetched and stay in no layer."""
        given = {"SERVICE": image} | {key: value for key, value in arguments.items() if value}
        options = [part for key, value in given.items() for part in ("--build-arg", f"{key}={value}")]
        options += [part for key, path in secrets.items() for part in ("--secret", f"id={key},src={path}")]
        start = [self.name, "build"]
        if self.name == "buildah":
            start = ["buildah", "bud", "--isolation", self.isolation, "--format", "docker", "--layers=false"]
        out(
            *start,
            "--file",
            DOCKERFILE,
            *options,
            "--tag",
            self.tag(image),
            ".",
            env=os.environ | {"DOCKER_BUILDKIT": "1"},
        )

    def size(self, tag: str) -> int:
        """Bytes unpacked."""
        if self.name == "buildah":
            return _bytes(out("buildah", "images", "--format", "{{.Size}}", tag))
        return int(out(self.name, "image", "inspect", "--format", "{{.Size}}", tag))

    def compressed(self, tag: str) -> int | None:
        """Bytes as a registry keeps and sends them; None where the engine does not tell."""
        if self.name == "docker":
            return None
        with tempfile.TemporaryDirectory() as folder:
            out(
                self.name,
                "push",
                "--quiet",
                "--format",
                "oci",
                "--compression-format",
                "gzip",
                tag,
                f"dir:{folder}/image",
            )
            return sum(path.stat().st_size for path in Path(folder, "image").iterdir())

    def command(self, run: "Run") -> tuple[list[str], dict[str, str]]:
        """Program and environment that run an image read-only, as its own user."""
        if self.name != "buildah":
            variables = [part for key, value in run.env.items() for part in ("--env", f"{key}={value}")]
            entry = ["--entrypoint", run.program] if run.program else []
            return [
                self.name, "run", "--rm", "--read-only", "--network=host", "--cap-drop=ALL",
                "--security-opt=no-new-privileges", f"--memory={run.limit}", "--tmpfs=/tmp:mode=1777",
                f"--volume={run.state}:{STATE}", *entry, *variables, self.tag(run.image), *run.arguments,
            ], dict(os.environ)  # fmt: skip
        config = json.loads(out("buildah", "inspect", "--type", "image", self.tag(run.image)))["OCIv1"]["config"]
        own = dict(line.split("=", 1) for line in config["Env"])
        program = [run.program] if run.program else config["Entrypoint"]
        group = str(run.group or "")
        return [str(CONFINED), self.root(run.image), str(run.state), group, *program, *run.arguments], own | run.env

    def root(self, image: str) -> str:
        """The image's root file system, mounted until `close`."""
        if image not in self._mounted:
            container = out("buildah", "from", "--pull=never", self.tag(image))
            self._mounted[image] = container
        return out("buildah", "mount", self._mounted[image])

    def close(self) -> None:
        """Takes away the containers that `root` made."""
        for container in self._mounted.values():
            out("buildah", "rm", container)
        self._mounted.clear()


def find(prefix: str) -> Engine | None:
    """ENGINE's, else the first that works: as root buildah, which starts images too; else one that has rights of its own.

    `prefix` "" is the chart's own, `lilitong/`; engines other than docker keep what is no registry's below `localhost/`.
    Raises EngineError when ENGINE names one that does not work.
    """
    if wanted := os.environ.get("ENGINE", ""):
        if wanted not in ENGINES or not works(wanted):
            raise EngineError(f"ENGINE={wanted} does not work here; one of {', '.join(ENGINES)} is needed")
        return Engine(wanted, prefix or own_prefix(wanted))
    order = ENGINES if os.geteuid() == 0 else (*ENGINES[1:], ENGINES[0])
    return next((Engine(name, prefix or own_prefix(name)) for name in order if works(name)), None)


def own_prefix(engine: str) -> str:
    """What names of images begin with when nobody says."""
    return "lilitong/" if engine == "docker" else "localhost/lilitong/"


def _bytes(text: str) -> int:
    """`230 MB` as a number."""
    number, unit = text.split()[:2]
    return round(float(number) * {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[unit.upper()])
