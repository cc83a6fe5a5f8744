"""Engines that build and run images: buildah, podman, docker, whichever works here."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.images.workspace import ROOT

DOCKERFILE = "deploy/images/Dockerfile"
ENGINES = ("buildah", "podman", "docker")
VERSION = "0.1.0"
"""Tag of the images unless VERSION says another; the chart's appVersion."""
SMALL = 256 << 20
"""Bytes of memory for what looks at an image."""


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


@dataclass(slots=True)
class Engine:
    """One of them. `prefix` of the images' names; `isolation`: how buildah runs build steps."""

    name: str
    prefix: str
    isolation: str = "chroot"
    _roots: dict[str, tuple[str, str]] = field(default_factory=dict)

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
            start = ["buildah", "bud", "--isolation", self.isolation, "--format", "docker", "--layers"]
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

    def layers(self, image: str) -> list[str]:
        """Digests of what it is made of, the lowest first."""
        if self.name == "buildah":
            inspected = json.loads(out("buildah", "inspect", "--type", "image", self.tag(image)))
            return list(inspected["OCIv1"]["rootfs"]["diff_ids"])
        return list(
            json.loads(out(self.name, "image", "inspect", "--format", "{{json .RootFS.Layers}}", self.tag(image)))
        )

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

    def command(self, image: str, arguments: Sequence[str], program: str) -> list[str]:
        """What starts an image alone, read-only and without rights, with an engine that can; `program`: instead of its own."""
        entry = ["--entrypoint", program] if program else []
        return [
            self.name, "run", "--rm", "--read-only", "--network=none", "--cap-drop=ALL",
            "--security-opt=no-new-privileges", f"--memory={SMALL}", "--tmpfs=/tmp:mode=1777", *entry,
            self.tag(image), *arguments,
        ]  # fmt: skip

    def config(self, image: str) -> dict[str, Any]:
        """What the image says of its program and variables: OCI's config."""
        if self.name == "buildah":
            said = out("buildah", "inspect", "--type", "image", self.tag(image))
            return dict(json.loads(said)["OCIv1"]["config"])
        return dict(json.loads(out(self.name, "image", "inspect", "--format", "{{json .Config}}", self.tag(image))))

    def root(self, image: str) -> str:
        """The image's root file system, there until `close`; needs root."""
        if image not in self._roots:
            self._roots[image] = self._unpack(self.tag(image))
        return self._roots[image][1]

    def _unpack(self, tag: str) -> tuple[str, str]:
        """A container, or an image, and where its root is."""
        if self.name == "buildah":
            container = out("buildah", "from", "--pull=never", tag)
            return container, out("buildah", "mount", container)
        container = out(self.name, "create", tag)
        if self.name == "podman":
            return container, out("podman", "mount", container)
        folder = tempfile.mkdtemp(prefix="lilitong-root-")
        Path(folder).chmod(0o755)
        with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as exported:
            unpacked = subprocess.run(
                ["tar", "-x", "--numeric-owner", "-C", folder], stdin=exported.stdout, check=False, capture_output=True
            )
        if unpacked.returncode or exported.returncode:
            raise EngineError(f"{tag} could not be unpacked: {unpacked.stderr.decode(errors='replace')[-500:]}")
        return container, folder

    def close(self) -> None:
        """Takes away what `root` made."""
        for container, folder in self._roots.values():
            out(self.name, "rm", container)
            if self.name == "docker":
                shutil.rmtree(folder)
        self._roots.clear()


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
