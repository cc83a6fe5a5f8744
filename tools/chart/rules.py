"""What must hold of every rendering beyond what Kubernetes asks; a rule gives one sentence for each thing that is wrong."""

import re
from collections.abc import Callable, Iterator, Sequence

from tools.chart.rendering import Object, containers, named, pod_spec

SERVICES = ("venue", "checkpoint", "quarantine", "gateway")
HEALTH_PORT = 50052
MAY_WRITE = {
    "venue": {"/tmp", "/var/lib/lilitong/vault", "/var/lib/lilitong/venue-photos"},  # noqa: S108 - a mount in a pod
    "quarantine": {"/tmp", "/var/lib/lilitong/vault"},  # noqa: S108
    "postgres": {"/tmp", "/var/lib/postgresql", "/var/run/postgresql", "/dev/shm"},  # noqa: S108
    "nats": {"/tmp", "/data"},  # noqa: S108
    "backup": {"/tmp", "/var/lib/lilitong/backups"},  # noqa: S108
    "backup-keys": {"/tmp", "/var/lib/lilitong/backups", "/var/lib/lilitong/vault"},  # noqa: S108 - the vault, to restore it
}
"""Where a component's containers write; /tmp alone for those not named."""


def component(item: Object) -> str:
    """Which component an object belongs to."""
    return str(item["metadata"].get("labels", {}).get("app.kubernetes.io/component", ""))


def pods(objects: Sequence[Object]) -> Iterator[tuple[Object, Object]]:
    """Objects that make pods, with the pods' spec."""
    for item in objects:
        spec = pod_spec(item)
        if spec is not None:
            yield item, spec


def restricted(objects: Sequence[Object]) -> list[str]:
    """Pod security standard `restricted`, a read-only root, and nothing of the node or of the Kubernetes API."""
    found = []
    for item, spec in pods(objects):
        pod = spec.get("securityContext", {})
        if not pod.get("runAsNonRoot") or not pod.get("runAsUser") or not pod.get("fsGroup"):
            found.append(f"{named(item)} may run as root, or without a group for its volumes")
        if pod.get("seccompProfile") != {"type": "RuntimeDefault"}:
            found.append(f"{named(item)} has no seccomp profile")
        if spec.get("automountServiceAccountToken") is not False:
            found.append(f"{named(item)} gets a token of the Kubernetes API")
        if any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")):
            found.append(f"{named(item)} shares a namespace with its node")
        if any("hostPath" in volume for volume in spec.get("volumes", [])):
            found.append(f"{named(item)} mounts a path of its node")
        for one in containers(item):
            found += [f"{named(item)}, container {one['name']}, {what}" for what in _contained(one)]
    return found


def _contained(one: Object) -> Iterator[str]:
    security = one.get("securityContext", {})
    if security.get("allowPrivilegeEscalation") is not False or security.get("privileged"):
        yield "may gain privileges"
    if security.get("capabilities") != {"drop": ["ALL"]}:
        yield "keeps capabilities"
    if security.get("readOnlyRootFilesystem") is not True:
        yield "may write to its root"


def bounded(objects: Sequence[Object]) -> list[str]:
    """Every container asks for what it needs and has a limit of memory; every image has a version."""
    found = []
    for item, _ in pods(objects):
        for one in containers(item):
            resources = one.get("resources", {})
            if not {"cpu", "memory"} <= set(resources.get("requests", {})) or "memory" not in resources.get(
                "limits", {}
            ):
                found.append(f"{named(item)}, container {one['name']}, has no requests or no limit of memory")
            name = one["image"].rsplit("/", 1)[-1]
            if "@sha256:" not in name and (":" not in name or name.endswith(":latest")):
                found.append(f"{named(item)}, container {one['name']}, has an image without a version")
    return found


def mounted(objects: Sequence[Object]) -> list[str]:
    """Mounts have volumes, nothing is writable but what is known, and files from Secrets follow their Secret."""
    found = []
    for item, spec in pods(objects):
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        claims = {claim["metadata"]["name"] for claim in item["spec"].get("volumeClaimTemplates", [])}
        may = MAY_WRITE.get(component(item), {"/tmp"})  # noqa: S108
        used = set()
        for one in containers(item):
            for mount in one.get("volumeMounts", []):
                used.add(mount["name"])
                if mount["name"] not in volumes.keys() | claims:
                    found.append(f"{named(item)} mounts {mount['name']}, which is no volume of it")
                if not mount.get("readOnly") and mount["mountPath"] not in may:
                    found.append(f"{named(item)} may write to {mount['mountPath']}")
                if mount.get("subPath"):
                    found.append(f"{named(item)} mounts {mount['mountPath']} by subPath, which never changes")
        found += [f"{named(item)} has a volume {name} that nothing mounts" for name in sorted(volumes.keys() - used)]
        for volume in volumes.values():
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
                found.append(f"{named(item)}: volume {volume['name']} may fill the node's disk")
    return found


def probed(objects: Sequence[Object]) -> list[str]:
    """All long-running containers have three probes; those of the services are gRPC's own, liveness apart from readiness."""
    found = []
    for item, spec in pods(objects):
        if item["kind"] not in {"Deployment", "StatefulSet"}:
            continue
        for one in spec["containers"]:
            kinds = ("startupProbe", "livenessProbe", "readinessProbe")
            if missing := [kind for kind in kinds if kind not in one]:
                found.append(f"{named(item)} has no {', no '.join(missing)}")
                continue
            if component(item) in SERVICES and component(item) != "gateway":
                asked = [
                    (one[kind].get("grpc", {}).get("port"), one[kind].get("grpc", {}).get("service")) for kind in kinds
                ]
                if asked != [(HEALTH_PORT, "liveness"), (HEALTH_PORT, "liveness"), (HEALTH_PORT, "")]:
                    found.append(f"{named(item)} is not probed over gRPC, liveness apart from readiness: {asked}")
    return found


def ends_politely(objects: Sequence[Object]) -> list[str]:
    """The grace period covers what a service may take to end: preStop, lingering, draining, closing."""
    found = []
    for item, spec in pods(objects):
        if item["kind"] != "Deployment":
            continue
        one = spec["containers"][0]
        env = {entry["name"]: entry.get("value", "") for entry in one["env"]}
        prefix = component(item).upper()
        needed = sum(float(env[f"{prefix}_{name}_SECONDS"]) for name in ("DRAIN", "LINGER"))
        needed += one.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if spec.get("terminationGracePeriodSeconds", 30) < needed + 20:
            found.append(f"{named(item)} is killed before it has drained")
        if "lifecycle" not in one:
            found.append(f"{named(item)} has no preStop")
    return found


def spread(objects: Sequence[Object]) -> list[str]:
    """Services spread over nodes, have a budget for disruptions, an account and a Service of their own."""
    found = []
    there = {named(item) for item in objects}
    budgets = any(item["kind"] == "PodDisruptionBudget" for item in objects)
    for item, spec in pods(objects):
        if item["kind"] != "Deployment":
            continue
        name = item["metadata"]["name"]
        if not spec.get("topologySpreadConstraints"):
            found.append(f"{named(item)} may lie on one node")
        wanted = [f"Service/{name}", f"ServiceAccount/{spec.get('serviceAccountName')}"]
        wanted += [f"PodDisruptionBudget/{name}"] if budgets else []
        found += [f"{named(item)} has no {one}" for one in wanted if one not in there]
    return found


def no_secret_told(objects: Sequence[Object]) -> list[str]:
    """Nothing secret stands anywhere but in a Secret: no value of one, no private key, no password as a plain variable."""
    secret = {
        str(value)
        for item in objects
        if item["kind"] == "Secret"
        for key, value in item.get("data", {}).items()
        if key not in {"tls.crt", "user", "username"}
    }
    found = []
    for item in objects:
        if item["kind"] == "Secret":
            continue
        text = str(item)
        if "PRIVATE KEY" in text or any(value in text for value in secret):
            found.append(f"{named(item)} tells a secret")
        for one in containers(item):
            for entry in one.get("env", []):
                words = entry["name"].split("_")
                if "value" in entry and (words[-1] == "PASSWORD" or entry["name"].endswith("TRACE_KEY")):
                    found.append(f"{named(item)}: {entry['name']} is a plain value")
                if "value" in entry and "://" in entry["value"] and "@" in entry["value"].split("://")[1].split("/")[0]:
                    user = entry["value"].split("://")[1].split("@")[0]
                    if ":" in user:
                        found.append(f"{named(item)}: {entry['name']} holds a password")
    return found


LONGEST = 63
"""Characters of a name that becomes a label of pods or a name in DNS."""


def well_named(objects: Sequence[Object]) -> list[str]:
    """Names fit where Kubernetes puts them, and no variable of a container is given twice."""
    found = []
    for item in objects:
        name = item["metadata"]["name"]
        # A StatefulSet's revision, its pods' and claims' names are longer than its own.
        room = LONGEST - 11 if item["kind"] in {"StatefulSet", "CronJob"} else LONGEST
        if item["kind"] in {"Job", "CronJob", "Service", "Deployment", "StatefulSet", "Pod"} and len(name) > room:
            found.append(f"{named(item)} has a name longer than {room} characters")
        for one in containers(item):
            names = [entry["name"] for entry in one.get("env", [])]
            twice = sorted({name for name in names if names.count(name) > 1})
            found += [f"{named(item)}, container {one['name']}, is given {name} twice" for name in twice]
    return found


def said_as_meant(objects: Sequence[Object]) -> list[str]:
    """Commands arrive as they are written: Kubernetes makes one dollar of two, and puts variables in place of `$(NAME)`."""
    found = []
    for item in objects:
        for one in containers(item):
            variables = {entry["name"] for entry in one.get("env", [])}
            for word in (*one.get("command", []), *one.get("args", [])):
                if "$$" in word:
                    found.append(
                        f"{named(item)}, container {one['name']}, has two dollars in its command, of which one arrives"
                    )
                taken = sorted(variables & set(re.findall(r"\$\(([\w.-]+)\)", word)))
                found += [
                    f"{named(item)}, container {one['name']}, has $({name}) replaced by a variable" for name in taken
                ]
    return found


Rule = Callable[[Sequence[Object]], list[str]]
RULES: tuple[Rule, ...] = (
    restricted,
    bounded,
    mounted,
    probed,
    ends_politely,
    spread,
    no_secret_told,
    well_named,
    said_as_meant,
)
