"""Runs what the chart renders on what was built: every pod of ours exactly as its manifest says, then the test pod.

    python -m tools.images.trial [PROFILE…]      as root, in a network of its own: `unshare --net`; the images are there

Profiles: quickstart, as the chart comes; existing, mutual TLS and every Secret brought along.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml
from devstack.processes import DevstackError

from tools.chart import rendering, rules
from tools.images import alone, inspection, names, pods, provided, sandbox, servers
from tools.images.engines import Engine, EngineError, find
from tools.images.kubelet import Kubelet, Running
from tools.images.pods import Image
from tools.images.sandbox import Root
from tools.images.volumes import Object, PodError, Store
from tools.images.workspace import IMAGES

MIB: Final = 1 << 20
SETTLE_SECONDS: Final = 3.0
PROFILES: Final = ("quickstart", "existing")
NOT_RUN: Final = (
    "not run: the images of Postgres and NATS are not ours. Postgres is the development environment's, outside of pods, with the"
    " rendered parameters and password; NATS its program in the rendered pod. Seccomp profiles, network policies, accounts and"
    " the scheduler take a cluster. Of the chart's other ways: external servers, CloudNativePG, hooks, CronJobs"
)


def say(text: str) -> None:
    print(text, flush=True)


@dataclass(frozen=True, slots=True)
class Profile:
    """`objects`: what a namespace holds once the chart is applied."""

    name: str
    objects: Sequence[Object]

    @classmethod
    def of(cls, name: str, engine: Engine, folder: Path) -> "Profile":
        """Renders it for the images that were built. Raises HelmError."""
        registry, _, tag = engine.tag("x").rpartition(":")
        values: dict[str, Any] = {"images": {"registry": registry.removesuffix("/x"), "tag": tag}}
        brought = provided.made(folder) if name == "existing" else []
        if brought:
            values |= provided.values()
        return cls(name, [*brought, *rendering.render(values=yaml.safe_dump(values))])

    def of_kind(self, *kinds: str) -> list[Object]:
        """Objects that make pods, without those that only a hook makes."""
        hooks = "helm.sh/hook"
        return [
            item
            for item in self.objects
            if item["kind"] in kinds and hooks not in item["metadata"].get("annotations", {})
        ]


def roots(engine: Engine, folder: Path) -> Callable[[str], Root]:
    """Images by the names that pods give them. Raises PodError for one that nobody built."""
    built = {engine.tag(image): image for image in IMAGES}
    images = {image: Image.of(engine.config(image)) for image in IMAGES}

    def root(name: str) -> Root:
        if name in built:
            return Root(engine.root(built[name]), images[built[name]])
        if name.partition(":")[0].rpartition("/")[2] == "nats":
            return servers.nats_root(folder)
        raise PodError(f"{name} is not built here")

    return root


class Trial:
    """A profile's pods on the images. Everything lies in `folder`."""

    def __init__(self, profile: Profile, root: Callable[[str], Root], folder: Path) -> None:
        folder.mkdir()
        self._profile, self._store, self._folder = profile, Store(profile.objects), folder
        self._kubelet = Kubelet(folder, root, names.services(profile.objects), [])
        makers = [*profile.of_kind("Deployment", "StatefulSet", "Job"), servers.only(profile.objects, "rehearsal")]
        self._makers = [item for item in makers if rules.component(item) != "postgres"]
        places = {item["metadata"]["name"]: sandbox.address() for item in self._makers}
        self._places = places
        members = [names.Member(name, pods.template(item)["metadata"]["labels"], places[name])
                   for item in self._makers for name in [item["metadata"]["name"]]]  # fmt: skip
        self._links = names.links(self._kubelet.services, members)

    def _admit(self, item: Object) -> Running:
        place = self._places[item["metadata"]["name"]]
        return self._kubelet.admit(pods.pod(item, self._store, self._links, place), place)

    async def play(self) -> None:
        """All of it; prints what was seen. Raises PodError, DevstackError."""
        item = servers.only(self._profile.objects, "postgres")
        database, member = await servers.start_postgres(item, self._store, self._folder / "postgres")
        self._kubelet.outside.append(member)
        try:
            await self._release()
        finally:
            await self._kubelet.close()
            database.stop()

    async def _release(self) -> None:
        """As helm does it: everything at once, then the test, then everything away."""
        kubelet, began = self._kubelet, time.monotonic()
        running = [self._admit(item) for item in self._makers if item["kind"] != "Pod"]
        steps = [one for one in running if one.pod.restart != "Always"]
        await _all(
            *(kubelet.live(one) for one in running if one not in steps),
            *(kubelet.complete(one, one.pod.containers[0]) for one in steps),
        )
        say(
            f"ready    {self._profile.name:<11} {len(running)} pods, all ready or done after {time.monotonic() - began:.1f} s"
        )
        await asyncio.sleep(SETTLE_SECONDS)
        kubelet.measure("idle")
        test = self._admit(servers.only(self._profile.objects, "rehearsal"))
        async with asyncio.timeout(test.pod.deadline or None):
            said = await kubelet.complete(test, test.pod.containers[0])
        kubelet.measure("after")
        result = json.loads(said.strip().splitlines()[-1])
        # Steps may run any number of times, those that come before a service too.
        again = [(one, first) for one in running for first in one.pod.first]
        await _all(
            *(kubelet.complete(one, first) for one, first in (*again, *((one, one.pod.containers[0]) for one in steps)))
        )
        kubelet.check()
        await kubelet.end()
        kubelet.check()
        for one in (*running, test):
            say(described(one))
        say(f"loop     {self._profile.name:<11} closed on the images: {result}")


def described(one: Running) -> str:
    """A pod's line."""
    parts = []
    for name, seen in one.seen.items():
        held = f"limit {seen.limit // MIB} MiB" if seen.limit else "no limit"
        held += (
            f", at most {seen.peak // MIB} MiB of its own"
            if seen.peak
            else ", NOT HELD: no control group can be made here"
        )
        again = f", started {seen.restarts + 1} times" if seen.restarts else ""
        if one.process is None or name != one.pod.containers[0].name:
            parts.append(f"{name} done after {seen.seconds:.1f} s{again} ({held})")
            continue
        lost = f"; NOT READY {one.unready} times meanwhile" if one.unready else ""
        memory = f"{seen.idle // MIB} MiB idle, {seen.after // MIB} MiB after the loop; {held}"
        parts.append(f"ready after {seen.seconds:.1f} s{again}; {memory}; left with 0 in {seen.left:.1f} s{lost}")
    return f"pod      {one.pod.name:<34} {'; '.join(parts)}"


async def _all(*work: Any) -> None:
    """Everything at once; the first that fails ends the others."""
    async with asyncio.TaskGroup() as group:
        for one in work:
            group.create_task(one)


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder that other users may pass through, as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="lilitong-images-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


async def run(engine: Engine, profiles: Sequence[str]) -> None:
    """Raises EngineError, PodError, DevstackError."""
    sandbox.open_network()
    with workplace() as folder:
        root = roots(engine, folder / "nats-root")
        await inspection.inspected(partial(alone.once, engine, root, folder), say)
        for one in profiles:
            profile = Profile.of(one, engine, folder / f"{one}-secrets")
            await Trial(profile, root, folder / one).play()
    say(NOT_RUN)


def stop(number: int, _: object) -> NoReturn:
    """Ends as a shell tells it of a signal, once everything that was made is taken away."""
    signal.signal(number, signal.SIG_IGN)  # a second one would break that off
    raise SystemExit(128 + number)


def main() -> int:
    """Exit code: 0 all was well, 1 not."""
    engine = find(os.environ.get("PREFIX", ""))
    if engine is None:
        sys.stderr.write("images: no engine works here\n")
        return 1
    failures: Sequence[BaseException] = ()
    signal.signal(signal.SIGTERM, stop)
    try:
        asyncio.run(run(engine, sys.argv[1:] or PROFILES))
    except* (EngineError, PodError, DevstackError, rendering.HelmError, TimeoutError) as group:
        failures = group.exceptions
    finally:
        engine.close()
    sys.stderr.writelines(f"images: {error}\n" for error in failures)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
