"""A rendered release as processes of this machine: each pod's containers with exactly the variables, files and commands that the
chart gives them, only names and ports of the cluster and places of mounts changed to this machine's.
"""

import asyncio
import base64
import os
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from devstack import processes

from tools.chart import rendering
from tools.chart.rules import component

PORTS = {50051: "grpc", 50052: "health", 8080: "grpc", 9464: "metrics"}
BIN = Path(sys.executable).parent
ADDRESS = re.compile(r"(?:dns:///)?lilitong-([a-z]+)(?:\.lilitong\.svc\.cluster\.local)?:(\d+)")
PLACES = re.compile(r"^(/etc/lilitong|/var/lib/lilitong|/data|/tmp)\b")


def ended(pid):
    """Exit status of a child that has ended; None while it runs."""
    gone, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if gone else None


@dataclass
class Release:
    """`objects` as processes below `folder`; `servers`: ports of Postgres and NATS by component."""

    objects: list
    folder: Path
    servers: dict
    ports: dict = field(default_factory=dict)
    pids: dict = field(default_factory=dict)
    restarts: dict = field(default_factory=dict)
    scheme: str = "http"

    def port(self, name, number):
        """Port of this machine that stands for a component's."""
        if name in self.servers:
            return self.servers[name]
        return self.ports.setdefault((name, number), processes.free_port())

    def secret(self, name, key):
        data = next(item["data"] for item in self.objects if rendering.named(item) == f"Secret/{name}")
        return base64.b64decode(data[key])

    def pod(self, name):
        """The object that makes a pod, by the end of its name or its beginning."""
        makers = [item for item in self.objects if rendering.pod_spec(item) is not None]
        return next(item for item in makers if item["metadata"]["name"].startswith(f"lilitong-{name}"))

    def place(self, item):
        """Mounts as folders; returns where they lie."""
        spec, root = rendering.pod_spec(item), self.folder / item["metadata"]["name"]
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        for one in rendering.containers(item):
            for mount in one.get("volumeMounts", []):
                where = root / mount["mountPath"].lstrip("/")
                where.mkdir(parents=True, exist_ok=True)
                volume = volumes.get(mount["name"], {})
                sources = [source["secret"] for source in volume.get("projected", {}).get("sources", [])]
                sources += [volume["secret"]] if "secret" in volume else []
                for source in sources:
                    name = source.get("secretName") or source["name"]
                    keys = next(o["data"] for o in self.objects if rendering.named(o) == f"Secret/{name}")
                    for chosen in source.get("items") or [{"key": key, "path": key} for key in keys]:
                        (where / chosen["path"]).write_bytes(self.secret(name, chosen["key"]))
        return root

    def env(self, item, one, root):
        """A container's variables; nothing of ours goes along but the path."""
        found = {"PATH": f"{BIN}:{os.environ['PATH']}"}
        for entry in one["env"]:
            if "value" in entry:
                found[entry["name"]] = self.moved(component(item), entry["value"], root)
            else:
                chosen = entry["valueFrom"]["secretKeyRef"]
                found[entry["name"]] = self.secret(chosen["name"], chosen["key"]).decode()
        return found

    def moved(self, name, value, root):
        if value.startswith("0.0.0.0:"):
            return f"127.0.0.1:{self.port(name, int(value.split(':')[1]))}"
        value = ADDRESS.sub(lambda match: f"127.0.0.1:{self.port(match[1], int(match[2]))}", value)
        return PLACES.sub(lambda match: f"{root}{match[1]}", value)

    def spawn(self, item, one):
        """A container's process."""
        root = self.place(item)
        image = one["image"].rsplit("/", 1)[-1].split(":")[0]
        words = one.get("command") or [str(BIN / "python"), "-m", image]
        command = [str(BIN / "python") if word == "python" else word for word in (*words, *one.get("args", []))]
        log = self.folder / f"{item['metadata']['name']}-{one['name']}.log"
        return processes.spawn(processes.tied(command), log=log, env=self.env(item, one, root), cwd=root), log

    async def complete(self, item, one, seconds=60.0):
        """A container that ends, run again as the kubelet does until it ends well."""
        until = time.monotonic() + seconds
        while True:
            pid, log = self.spawn(item, one)
            self.pids[item["metadata"]["name"], one["name"]] = pid
            while (status := ended(pid)) is None:
                assert time.monotonic() < until, f"{log.name}: {processes.tail(log)}"
                await asyncio.sleep(0.05)
            if status == 0:
                return log
            self.restarts[log.name] = self.restarts.get(log.name, 0) + 1
            assert time.monotonic() < until, f"{log.name}: {processes.tail(log, 20)}"
            await asyncio.sleep(0.5)

    async def live(self, item):
        """A pod of a Deployment: what comes first, then the service."""
        for one in rendering.pod_spec(item).get("initContainers", []):
            await self.complete(item, one)
        (one,) = rendering.pod_spec(item)["containers"]
        self.pids[item["metadata"]["name"], one["name"]], _ = self.spawn(item, one)

    async def start(self):
        """Everything at once, as helm applies it."""
        jobs = [item for item in self.objects if item["kind"] == "Job"]
        deployments = [item for item in self.objects if item["kind"] == "Deployment"]
        await asyncio.gather(
            *(self.complete(item, rendering.containers(item)[0]) for item in jobs), *map(self.live, deployments)
        )

    def end(self):
        for pid in reversed(self.pids.values()):
            processes.end(pid)
