"""The two servers whose images are not ours and cannot always be fetched: the same programs from the development environment.

NATS runs as the pod that the chart renders, the server's program beside a shell and what else this machine has. Postgres is
devstack's, outside of pods, with the parameters and the password that the chart gives it, and lets nobody in without one.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg
from devstack import postgres

from tools.chart import rendering, rules
from tools.images.names import Member
from tools.images.pods import Image, template, variables
from tools.images.sandbox import NODE, Root
from tools.images.volumes import Object, PodError, Store

POSTGRES_PORT: Final = 5432
NATS_PROGRAM: Final = "/opt/nats/nats-server"
NATS_PATH: Final = "/opt/nats:/usr/local/bin:/usr/bin:/bin"
WITH_PASSWORDS: Final = "local all all trust\nhost all all all scram-sha-256\n"


def nats_root(folder: Path) -> Root:
    """What stands for the image of NATS, made at `folder`: this machine's programs and libraries, nothing else of it."""
    for name in ("proc", "sys", "dev", "etc"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    added = {path: Path(path) for path in ("/usr", "/bin", "/lib", "/lib64") if Path(path).exists()}
    program = Path(sys.executable).with_name("nats-server")
    return Root(str(folder), Image(env={"PATH": NATS_PATH}), added | {NATS_PROGRAM: program})


async def start_postgres(item: Object, store: Store, folder: Path) -> tuple[postgres.Server, Member]:
    """The server as its StatefulSet wants it, and what Services see of it. Raises PodError, DevstackError."""
    (one,) = rendering.containers(item)
    settings = dict(argument.split("=", 1) for argument in one["args"] if argument != "-c")
    password = dict(variables(one, store, {}, {}))["POSTGRES_PASSWORD"]
    server = postgres.start(folder, POSTGRES_PORT, settings | {"listen_addresses": "*"}, tied=True)
    try:
        await _close_doors(server, password)
    except BaseException:
        server.stop()
        raise
    labels = template(item)["metadata"]["labels"]
    return server, Member(f"{item['metadata']['name']}-0", labels, NODE, ready=True)


async def _close_doors(server: postgres.Server, password: str) -> None:
    """Gives the superuser its password, and asks everybody for one from now on."""
    connection = await asyncpg.connect(server.admin_url)
    try:
        quoted = await connection.fetchval("SELECT quote_literal($1::text)", password)
        await connection.execute(f"ALTER ROLE postgres PASSWORD {quoted}")
        (server.data / "pg_hba.conf").write_text(WITH_PASSWORDS)
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


def only(objects: Sequence[Object], component: str) -> Object:
    """The object whose pods are a component's. Raises PodError when there is none."""
    for item, _ in rules.pods(objects):
        if rules.component(item) == component:
            return item
    raise PodError(f"the chart renders no {component}")
