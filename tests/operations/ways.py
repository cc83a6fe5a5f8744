"""Two ways to save the record and to bring it back: by the program on an operator's machine, and by the pods that the chart renders."""

import asyncio
import base64
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from chassis import urls
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric import ec
from devstack import postgres, processes
from quarantine.backup import keys
from release_processes import Release, ended

from tools.backup import commands
from tools.chart import rendering

LATEST = "latest"


@dataclass
class ByProgram:
    """`python -m tools.backup`; the vault outlives the catastrophe."""

    folder: Path

    async def save(self, server, database, vault):
        del vault
        url = urls.with_database(server.admin_url, database)
        await commands.save(commands.Database(url, postgres.binaries()), self.folder / "backup")

    async def lose(self, vault):
        """Nothing more is lost than Postgres and NATS."""

    async def restore(self, server, database):
        url = urls.with_database(server.admin_url, database)
        assert await commands.restore(commands.Database(url, postgres.binaries()), self.folder / "backup") == []


@dataclass
class ByPods:
    """The CronJobs and the restore's Job; the vault's lasting half is lost too and comes back from its sealed copy."""

    folder: Path
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    objects: list = field(default_factory=list)

    def __post_init__(self):
        public = self.key.public_key().public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
        recipient = "".join(f"      {line}\n" for line in public.decode().splitlines())
        backup = f"backup:\n  enabled: true\n  restore: {LATEST}\n  keys:\n    enabled: true\n    restoreSecret: copy\n    recipient: |\n{recipient}"
        self.objects = rendering.render(values=backup)
        for name in ("backups", "sealed"):
            (self.folder / name).mkdir(parents=True)

    def item(self, kind, name):
        named = [item for item in self.objects if item["kind"] == kind and item["metadata"]["name"].startswith(name)]
        return named[0]

    def release(self, port):
        """Its servers' ports; the programs of Postgres' image come before this machine's."""
        os.environ["PATH"] = f"{postgres.binaries()}:{os.environ['PATH']}"
        return Release(self.objects, self.folder / "pods", {"postgres": port, "nats": 0})

    def mount(self, release, item, **places):
        """A claim as a folder that outlives its pod."""
        root = release.folder / item["metadata"]["name"] / "var/lib/lilitong"
        root.mkdir(parents=True, exist_ok=True)
        for name, target in places.items():
            (root / name).unlink(missing_ok=True)
            (root / name).symlink_to(target)

    async def run(self, release, item, containers):
        """Containers side by side, once, as a pod that is not started again; what they said."""
        started = {one["name"]: release.spawn(item, one) for one in containers}
        try:
            logs = {}
            for name, (pid, log) in started.items():
                while (status := ended(pid)) is None:  # noqa: ASYNC110 - a process tells nobody that it has ended
                    await asyncio.sleep(0.05)
                logs[name] = (status, log.read_text())
            return logs
        finally:
            for pid, _ in started.values():
                processes.end(pid)

    async def save(self, server, database, vault):
        assert database == "lilitong"  # the chart's own
        release = self.release(server.port)
        dumping, sealing = self.item("CronJob", "lilitong-backup"), self.item("CronJob", "lilitong-backup-keys")
        self.mount(release, dumping, backups=self.folder / "backups")
        self.mount(release, sealing, backups=self.folder / "sealed", vault=vault)
        told = await self.run(release, dumping, rendering.containers(dumping))
        assert {name: status for name, (status, _) in told.items()} == {"count": 0, "dump": 0}, told
        told = await self.run(release, sealing, rendering.containers(sealing))
        assert told["seal"][0] == 0, told

    async def lose(self, vault):
        """All but the day keys, which are in no backup, and back from the copy that only its recipient can open."""
        for name in ("keys", "secrets"):
            shutil.rmtree(vault / name)
        (sealed,) = (self.folder / "sealed").iterdir()
        names = keys.unpack(sealed.read_bytes(), self.key, self.folder / "opened")
        assert {"quarantine-vault.tar", "event-trace-key/key", "venue-keys/venue-log.pem"} <= set(names)
        copy = base64.b64encode((self.folder / "opened" / keys.VAULT).read_bytes()).decode()
        self.objects.append({"kind": "Secret", "metadata": {"name": "copy"}, "data": {keys.VAULT: copy}})
        release, item = self.release(0), self.item("Job", "lilitong-restore-keys")
        self.mount(release, item, vault=vault)
        ((status, said),) = (await self.run(release, item, rendering.containers(item))).values()
        assert (status, said.split()[1:4]) == (0, ["keys", "and", "secrets"]), said

    async def restore(self, server, database):
        del database
        release, item = self.release(server.port), self.item("Job", f"lilitong-restore-{LATEST}")
        self.mount(release, item, backups=self.folder / "backups")
        for one in rendering.containers(item):
            ((status, said),) = (await self.run(release, item, [one])).values()
            assert status == 0, said
        assert "EQUAL. Every table" in said
