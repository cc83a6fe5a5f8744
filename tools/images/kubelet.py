"""Runs pods: what comes first in order, then the service, its probes, its restarts, its end."""

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from devstack import processes

from tools.images import health, names
from tools.images.pods import Container, Pod, Probe
from tools.images.sandbox import Process, Root, Sandbox
from tools.images.volumes import PodError

PATIENCE: Final = 150.0
"""Seconds that a pod may take to become ready, or a step to be done: it may wait for what starts beside it."""
BACKOFF: Final = 1.0  # a kubelet waits ten seconds and more


@dataclass(slots=True)
class Seen:
    """What was seen of a container. Bytes and seconds."""

    limit: int
    seconds: float = 0.0
    idle: int = 0
    after: int = 0
    peak: int = 0
    restarts: int = 0
    left: float = 0.0


@dataclass(slots=True)
class Running:
    """A pod that was started. `unready`: how often it ceased to be ready before it was told to end."""

    sandbox: Sandbox
    member: names.Member
    seen: dict[str, Seen] = field(default_factory=dict)
    process: Process | None = None
    watch: "asyncio.Task[None] | None" = None
    unready: int = 0

    @property
    def pod(self) -> Pod:
        return self.sandbox.pod


@dataclass(slots=True)
class Kubelet:
    """`roots`: an image's root by its name; `outside`: members of Services that are no pods here."""

    folder: Path
    roots: Callable[[str], Root]
    services: list[names.Service]
    outside: list[names.Member]
    pods: list[Running] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def admit(self, pod: Pod, address: str) -> Running:
        """Makes the pod's place. Raises PodError."""
        sandbox = Sandbox(pod, self.folder / pod.name, self.folder / "claims", address)
        (self.folder / "claims").mkdir(exist_ok=True)
        running = Running(sandbox, names.Member(pod.name, pod.labels, address))
        self.pods.append(running)
        sandbox.open()
        self._tell()
        return running

    def _tell(self) -> None:
        """Writes everybody's hosts anew: a pod that is not ready has no name."""
        members = [*self.outside, *(one.member for one in self.pods)]
        for one in self.pods:
            one.sandbox.write_hosts(names.hosts(self.services, members, one.member))

    def _mark(self, running: Running, *, ready: bool) -> None:
        if running.member.ready != ready:
            running.member = replace(running.member, ready=ready)
            self._tell()

    async def complete(self, running: Running, one: Container, *, code: int = 0) -> str:
        """Runs a container until it ends with `code`, again as often as the pod's policy lets it; what it said.

        Raises PodError when it does not, or is killed, or takes too long.
        """
        began = time.monotonic()
        seen = running.seen.setdefault(one.name, Seen(one.limit))
        while True:
            process = await running.sandbox.start(one, self.roots(one.image))
            try:
                ended = await asyncio.wait_for(process.process.wait(), PATIENCE - (time.monotonic() - began))
            except TimeoutError:
                raise PodError(self._said(running, process, f"was not done after {PATIENCE:.0f} s")) from None
            finally:
                seen.peak, killed = max(seen.peak, process.peak()), process.killed()
                await _ended(process)
            if killed:
                raise PodError(self._said(running, process, "was killed for want of memory"))
            if ended == code:
                seen.seconds = seen.seconds or time.monotonic() - began
                return process.log.read_text(errors="replace")
            if running.pod.restart == "Never":
                raise PodError(self._said(running, process, f"ended with {ended}"))
            seen.restarts += 1
            await asyncio.sleep(BACKOFF)

    async def live(self, running: Running) -> None:
        """Runs a service's pod until it is ready, and watches it from then on. Raises PodError."""
        for one in running.pod.first:
            await self.complete(running, one)
        (one,) = running.pod.containers
        seen = running.seen.setdefault(one.name, Seen(one.limit))
        running.process = await running.sandbox.start(one, self.roots(one.image))
        began = time.monotonic()
        for probe in (one.startup, one.readiness):
            if probe is not None:
                await self._until(running, probe, starting=probe is one.startup)
        seen.seconds = time.monotonic() - began
        self._mark(running, ready=True)
        running.watch = asyncio.create_task(self._watch(running, one))

    async def _until(self, running: Running, probe: Probe, *, starting: bool) -> None:
        """Asks until the answer is right; a startup probe that fails too often would have the container killed."""
        assert running.process is not None  # noqa: S101 - live started it
        await asyncio.sleep(probe.delay)
        failures, deadline = 0, time.monotonic() + PATIENCE
        while answer := await health.answers(probe, running.member.address):
            failures += 1
            if running.process.process.returncode is not None:
                raise PodError(self._said(running, running.process, "ended while it started"))
            if (starting and failures >= probe.failures) or time.monotonic() > deadline:
                raise PodError(
                    self._said(running, running.process, f"answers its probe {failures} times with {answer}")
                )
            await asyncio.sleep(probe.every)

    async def _watch(self, running: Running, one: Container) -> None:
        """Asks on: liveness and readiness at their own pace. A container that ends or must be killed is a failure."""
        assert running.process is not None  # noqa: S101
        probes = {probe: 0 for probe in (one.liveness, one.readiness) if probe is not None}
        due = {probe: time.monotonic() + probe.every for probe in probes}
        while running.process.process.returncode is None:
            await asyncio.sleep(max(0.0, min(due.values(), default=0.0) - time.monotonic()) or 0.1)
            for probe in [probe for probe, when in due.items() if when <= time.monotonic()]:
                due[probe] = time.monotonic() + probe.every
                answer = await health.answers(probe, running.member.address)
                probes[probe] = probes[probe] + 1 if answer else 0
                if probes[probe] >= probe.failures and probe is one.liveness:
                    self.failures.append(self._said(running, running.process, f"does not live: {answer}"))
                    return
                if probes[probe] == probe.failures:
                    running.unready += 1
                if probe is one.readiness and (not answer or probes[probe] >= probe.failures):
                    self._mark(running, ready=not answer)
        self.failures.append(self._said(running, running.process, "ended by itself"))

    def measure(self, name: str) -> None:
        """Memory of every service as it is now, as `idle` or `after`."""
        for running in self.pods:
            if running.process is not None:
                seen = running.seen[running.pod.containers[0].name]
                setattr(seen, name, running.process.resident())
                seen.peak = running.process.peak()

    def check(self) -> None:
        """Raises PodError when something failed since the start."""
        for running in self.pods:
            self.failures += [
                f"{running.pod.name} would be evicted: {name} holds more than it may"
                for name in running.sandbox.evictions()
            ]
            if running.process is not None and running.process.killed():
                self.failures.append(self._said(running, running.process, "was killed for want of memory"))
        if self.failures:
            raise PodError("; ".join(self.failures))

    async def end(self) -> None:
        """Takes all services down at once, as `helm uninstall` does. Raises PodError for whoever does not leave well in time."""
        done = await asyncio.gather(
            *(self._end(one) for one in self.pods if one.process is not None), return_exceptions=True
        )
        if errors := [one for one in done if one is not None]:
            raise PodError("; ".join(map(str, errors)))

    async def _end(self, running: Running) -> None:
        (one,), process = running.pod.containers, running.process
        assert process is not None  # noqa: S101
        if running.watch is not None:
            running.watch.cancel()
        self._mark(running, ready=False)
        await asyncio.sleep(one.rest)
        began, seen = time.monotonic(), running.seen[one.name]
        process.signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(process.process.wait(), running.pod.grace - one.rest)
        except TimeoutError:
            raise PodError(self._said(running, process, f"is there after {running.pod.grace:.0f} s of grace")) from None
        seen.left = time.monotonic() - began
        if code != 0:
            raise PodError(self._said(running, process, f"ended with {code} on SIGTERM"))

    async def close(self) -> None:
        """Whatever is left goes."""
        for running in self.pods:
            if running.watch is not None:
                running.watch.cancel()
            if running.process is not None:
                await _ended(running.process)
            running.sandbox.close()

    def _said(self, running: Running, process: Process, what: str) -> str:
        return f"{running.pod.name} {process.log.stem} {what}; the end of its log:\n{processes.tail(process.log, 20)}"


async def _ended(process: Process) -> None:
    """Kills a container that is still there, and takes its control group away."""
    if process.process.returncode is None:
        process.signal(signal.SIGKILL)  # itself: the one that waits for it would leave it behind
        process.process.kill()
        await process.process.wait()
    await process.forget()
