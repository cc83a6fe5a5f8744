"""`make images`: builds the five images with whatever engine is here, tells their sizes, runs the chart's pods on them.

BASE_IMAGE, BUILD_IMAGE   of the Dockerfile; by digest for a release. With buildah, debootstrap and root a base is made here
                          unless one is named.
ENGINE                    buildah, podman or docker; the first that works unless given
PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_CONFIG_FILE (or /etc/pip.conf), PIP_CERT   where packages come from; never baked in
VERSION, REVISION         labels;  PREFIX of the images' names, the chart's own, `lilitong/`, unless given
COMPRESSED=1              also how many bytes a registry keeps;  TRIAL=0 builds only, BUILD=0 starts only
"""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from devstack import processes
from devstack.processes import DevstackError

from tools.images.engines import Engine, EngineError, find
from tools.images.inspection import inspected
from tools.images.workspace import IMAGES, ROOT

GOAL = 250_000_000
BASE_FOLDER = ROOT / ".lilitong" / "images"
NO_ENGINE = (
    "no engine works here, so no image was built, measured or started; install buildah or podman, or start docker"
    " (Debian: apt-get install buildah debootstrap)"
)


def say(text: str) -> None:
    print(text, flush=True)


def base(engine: Engine) -> tuple[str, str]:
    """Names of the base and of the image to build in, made here where that is possible and none is named."""
    named, inside = os.environ.get("BASE_IMAGE", ""), os.environ.get("BUILD_IMAGE", "")
    if named:
        if "@sha256:" not in named:
            say(f"note: {named} is no digest; a release names its base by one")
        return named, inside
    if engine.name != "buildah" or os.geteuid() != 0 or shutil.which("debootstrap") is None:
        say("base: the Dockerfile's own, by tag; a release names it by digest (BASE_IMAGE)")
        return "", inside
    name = f"{engine.prefix}base"
    say(f"base: {name}, made here by debootstrap and Debian's Python")
    done = subprocess.run(
        [ROOT / "tools/images/base.sh", name, BASE_FOLDER], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise EngineError(f"the base could not be made: {done.stderr[-1000:]}")
    return name, inside or f"{name}-build"


def secrets() -> dict[str, Path]:
    """Settings of pip and the authority of its index, to be mounted."""
    found = {
        "pip": Path(os.environ.get("PIP_CONFIG_FILE", "/etc/pip.conf")),
        "ca": Path(os.environ.get("PIP_CERT", os.environ.get("SSL_CERT_FILE", "")) or "-"),
    }
    return {name: path for name, path in found.items() if path.is_file()}


def revision() -> str:
    """Of the sources, for the label."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], check=False, capture_output=True, text=True, cwd=ROOT)
    return done.stdout.strip() or "unknown"


def megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"


def build(engine: Engine) -> None:
    """Builds all and prints a line for each."""
    base_image, build_image = base(engine)
    arguments = {
        "BASE_IMAGE": base_image,
        "BUILD_IMAGE": build_image,
        "VERSION": os.environ.get("VERSION", ""),
        "REVISION": os.environ.get("REVISION", "") or revision(),
        "PIP_INDEX_URL": os.environ.get("PIP_INDEX_URL", ""),
        "PIP_EXTRA_INDEX_URL": os.environ.get("PIP_EXTRA_INDEX_URL", ""),
    }
    for image in IMAGES:
        began = time.monotonic()
        engine.build(image, arguments, secrets())
        whole = engine.size(engine.tag(image))
        sent = engine.compressed(engine.tag(image)) if os.environ.get("COMPRESSED") else None
        packed = f", {megabytes(sent)} compressed" if sent else ""
        over = f"; {megabytes(whole - GOAL)} over {megabytes(GOAL)}" if whole > GOAL else ""
        say(f"built    {image:<11} {megabytes(whole)}{packed}{over}  [{time.monotonic() - began:.0f} s]")
    shared(engine)


def shared(engine: Engine) -> None:
    """Prints which images have their lowest layer, the runtime, from each other."""
    lowest = {image: engine.layers(image)[0] for image in IMAGES}
    most = max(lowest.values(), key=list(lowest.values()).count)
    say(f"shared   the runtime is one layer of {', '.join(image for image in IMAGES if lowest[image] == most)}")


def lacking() -> str:
    """What running pods would take and is not here; "" when all is."""
    if os.geteuid() != 0:
        return "root"
    missing = [name for name in ("unshare", "nsenter", "ip", "mount") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} (Linux: util-linux, iproute2)"
    made = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], check=False, capture_output=True)
    return "the right to make namespaces (CAP_SYS_ADMIN)" if made.returncode else ""


def start(engine: Engine) -> None:
    """Runs what the chart renders on the images, in a network of its own; what was seen is printed. Raises EngineError."""
    command = processes.tied(["unshare", "--net", sys.executable, "-m", "tools.images.trial"])
    done = subprocess.run(command, check=False, cwd=ROOT, env=os.environ | {"ENGINE": engine.name})
    if done.returncode:
        raise EngineError("not all went well on the images, see above")


async def once(engine: Engine, image: str, arguments: Sequence[str], program: str, code: int) -> str:
    """Runs an image alone by its engine, where we are not root; what it said. Raises EngineError when it ends otherwise."""
    command = engine.command(image, arguments, program)
    run = partial(subprocess.run, command, capture_output=True, text=True, check=False, timeout=60)
    done = await asyncio.to_thread(run)
    if done.returncode != code:
        raise EngineError(
            f"{image} ended with {done.returncode}, {code} was due:\n{(done.stderr or done.stdout)[-1500:]}"
        )
    return done.stdout if code == 0 else done.stderr


def run() -> None:
    """All of it. Raises EngineError when something failed or nothing could be done."""
    engine = find(os.environ.get("PREFIX", ""))
    if engine is None:
        raise EngineError(NO_ENGINE)
    say(f"engine: {engine.name}")
    if os.environ.get("BUILD") == "0":
        say("not run: nothing was built, the images are those of before (BUILD=0)")
    else:
        build(engine)
    if os.environ.get("TRIAL") == "0":
        say("not run: the images were built and not started (TRIAL=0)")
        return
    wanting = lacking()
    if not wanting:
        start(engine)
    elif engine.name == "buildah":
        raise EngineError(f"the images were built and not started: with buildah alone that takes {wanting}")
    else:
        asyncio.run(inspected(partial(once, engine), say))
        say(
            f"not run: the chart's pods on the images; with {engine.name} too their namespaces and volumes take {wanting}"
        )


def main() -> int:
    """Exit code: 0 all was done, 1 not."""
    try:
        run()
    except (EngineError, DevstackError) as error:
        sys.stderr.write(f"images: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
