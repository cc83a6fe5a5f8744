"""What a kubelet makes of a rendered pod: programs, variables, users, limits and probes. Nothing here runs anything.

What is not understood is refused, so that nothing of a manifest is passed over in silence; ELSEWHERE is what only a cluster has.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tools.images.volumes import Object, PodError, Store, Volume, quantity, volume

ELSEWHERE: Final = {
    "serviceAccountName", "topologySpreadConstraints", "affinity", "nodeSelector", "tolerations", "priorityClassName",
    "imagePullSecrets", "imagePullPolicy", "seccompProfile", "fsGroupChangePolicy",
}  # fmt: skip
POD: Final = {
    "containers", "initContainers", "volumes", "securityContext", "restartPolicy", "terminationGracePeriodSeconds",
    "enableServiceLinks", "activeDeadlineSeconds", "automountServiceAccountToken",
}  # fmt: skip
CONTAINER: Final = {
    "name", "image", "command", "args", "env", "envFrom", "ports", "startupProbe", "livenessProbe", "readinessProbe",
    "lifecycle", "securityContext", "resources", "volumeMounts",
}  # fmt: skip
SECURITY: Final = {
    "runAsNonRoot", "runAsUser", "runAsGroup", "fsGroup", "allowPrivilegeEscalation", "readOnlyRootFilesystem",
    "capabilities",
}  # fmt: skip
REFERENCE: Final = re.compile(r"\$(?:\$|\(([A-Za-z_][A-Za-z0-9_]*)\))")


@dataclass(frozen=True, slots=True)
class Image:
    """What an image says of itself, as engines tell it (OCI's config)."""

    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Image":
        """Of a JSON config with Entrypoint, Cmd, Env, WorkingDir."""
        env = dict(line.split("=", 1) for line in config.get("Env") or [])
        entrypoint, arguments = (tuple(config.get(key) or ()) for key in ("Entrypoint", "Cmd"))
        return cls(entrypoint, arguments, env, config.get("WorkingDir") or "/")


@dataclass(frozen=True, slots=True)
class Probe:
    """`target`: a health service's name, or a path. Seconds and counts as the manifest's."""

    kind: Literal["grpc", "http", "https"]
    port: int
    target: str
    every: float = 10.0
    patience: float = 1.0
    failures: int = 3
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume at a path."""

    volume: str
    path: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Container:
    """One of a pod. `command`, `arguments`: None where the image's hold; `limit`: bytes or 0; `rest`: preStop's seconds."""

    name: str
    image: str
    command: tuple[str, ...] | None
    arguments: tuple[str, ...] | None
    env: Mapping[str, str] = field(repr=False)
    mounts: tuple[Mount, ...]
    user: int
    group: int
    read_only: bool
    limit: int
    startup: Probe | None
    liveness: Probe | None
    readiness: Probe | None
    rest: float

    def program(self, image: Image) -> list[str]:
        """Words to start: a command takes the place of the image's arguments too, arguments only that of its own."""
        if self.command is not None:
            return [*self.command, *(self.arguments or ())]
        return [*image.entrypoint, *(image.arguments if self.arguments is None else self.arguments)]


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod to be. `first`: its initContainers in order; `deadline`: seconds for all of it, 0 for no end."""

    name: str
    labels: Mapping[str, str]
    first: tuple[Container, ...]
    containers: tuple[Container, ...]
    volumes: tuple[Volume, ...]
    fs_group: int | None
    restart: Literal["Always", "OnFailure", "Never"]
    grace: float
    deadline: float

    @property
    def images(self) -> set[str]:
        return {one.image for one in (*self.first, *self.containers)}


def template(item: Object) -> Object:
    """The part of an object that a pod is made of: `metadata` and `spec`."""
    return item if item["kind"] == "Pod" else dict(item["spec"]["template"])


def pod(item: Object, store: Store, links: Mapping[str, str], address: str) -> Pod:
    """The (first) pod of an object. Raises PodError for what it lacks and for what is not understood.

    Args:
        item: of a kind that has pods.
        store: where its Secrets and ConfigMaps are.
        links: variables of Services, for pods that want them.
        address: the pod's own.

    """
    made = template(item)
    spec, name = made["spec"], item["metadata"]["name"] + ("-0" if item["kind"] == "StatefulSet" else "")
    _known(name, spec, POD)
    if spec.get("automountServiceAccountToken") is not False:
        raise PodError(f"{name}: the account's token would be mounted")
    security = spec.get("securityContext", {})
    known = dict(links) if spec.get("enableServiceLinks", True) else {}
    fields = {"metadata.name": name, "status.podIP": address}
    claims = [
        {"name": one["metadata"]["name"], "persistentVolumeClaim": {"claimName": f"{one['metadata']['name']}-{name}"}}
        for one in item["spec"].get("volumeClaimTemplates", [])
    ]
    owned = Store([*store.objects, *(_claim(one["persistentVolumeClaim"]["claimName"]) for one in claims)])

    def contained(key: str) -> tuple[Container, ...]:
        return tuple(_container(name, one, security, owned, known, fields) for one in spec.get(key, []))

    return Pod(
        name,
        made["metadata"].get("labels", {}),
        contained("initContainers"),
        contained("containers"),
        tuple(volume(one, owned) for one in (*spec.get("volumes", []), *claims)),
        security.get("fsGroup"),
        spec.get("restartPolicy", "Always"),
        float(spec.get("terminationGracePeriodSeconds", 30)),
        float(spec.get("activeDeadlineSeconds") or item["spec"].get("activeDeadlineSeconds") or 0),
    )


def _claim(name: str) -> Object:
    return {"kind": "PersistentVolumeClaim", "metadata": {"name": name}}


def _known(where: str, found: Object, names: set[str]) -> None:
    if unknown := set(found) - names - ELSEWHERE:
        raise PodError(f"{where}: {', '.join(sorted(unknown))} is not known here")


def _container(
    pod_name: str, spec: Object, pod_security: Object, store: Store, links: dict[str, str], fields: Mapping[str, str]
) -> Container:
    name = f"{pod_name}/{spec['name']}"
    _known(name, spec, CONTAINER)
    security = pod_security | spec.get("securityContext", {})
    _known(name, security, SECURITY)
    if security.get("capabilities") != {"drop": ["ALL"]} or security.get("allowPrivilegeEscalation") is not False:
        raise PodError(f"{name}: it keeps capabilities or may gain them, which is not known here")
    if not security.get("runAsNonRoot") or not security.get("runAsUser") or not security.get("runAsGroup"):
        raise PodError(f"{name}: it does not say that it is not root, and who it is")
    env = links | dict(variables(spec, store, links, fields))
    ports = {port["name"]: port["containerPort"] for port in spec.get("ports", []) if "name" in port}
    command, arguments = (
        tuple(expanded(word, env) for word in spec[key]) if key in spec else None for key in ("command", "args")
    )
    return Container(
        spec["name"], spec["image"], command, arguments, env,
        tuple(Mount(one["name"], one["mountPath"], one.get("readOnly", False)) for one in _mounts(name, spec)),
        security["runAsUser"], security["runAsGroup"], bool(security.get("readOnlyRootFilesystem")),
        quantity(str(spec.get("resources", {}).get("limits", {}).get("memory", "0"))),
        probe(spec.get("startupProbe"), ports), probe(spec.get("livenessProbe"), ports),
        probe(spec.get("readinessProbe"), ports),
        _rest(name, spec.get("lifecycle", {})),
    )  # fmt: skip


def _mounts(name: str, spec: Object) -> list[Object]:
    found: list[Object] = spec.get("volumeMounts", [])
    for one in found:
        if unknown := set(one) - {"name", "mountPath", "readOnly"}:
            raise PodError(f"{name}: a mount with {', '.join(sorted(unknown))} is not known here")
    return found


def _rest(name: str, lifecycle: Object) -> float:
    """Seconds that it goes on before it is told to end."""
    if not lifecycle:
        return 0.0
    if set(lifecycle) != {"preStop"} or set(lifecycle["preStop"]) != {"sleep"}:
        raise PodError(f"{name}: of lifecycle only a preStop that sleeps is known here")
    return float(lifecycle["preStop"]["sleep"]["seconds"])


def variables(
    spec: Object, store: Store, links: Mapping[str, str], fields: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """A container's own, in order; a later one wins. Raises PodError when one cannot be made: the container would not start."""
    known = dict(links)
    for source in spec.get("envFrom", []):
        ((kind, chosen),) = source.items()
        title = {"secretRef": "Secret", "configMapRef": "ConfigMap"}[kind]
        for key, content in store.data(title, chosen["name"], optional=chosen.get("optional", False)).items():
            known[key] = content.decode()
            yield key, known[key]
    for entry in spec.get("env", []):
        if "valueFrom" in entry:
            value = _referred(entry["name"], entry["valueFrom"], store, fields)
        else:
            value = expanded(entry.get("value", ""), known)
        if value is not None:
            known[entry["name"]] = value
            yield entry["name"], value


def _referred(name: str, source: Object, store: Store, fields: Mapping[str, str]) -> str | None:
    ((kind, chosen),) = source.items()
    if kind == "fieldRef":
        if chosen["fieldPath"] not in fields:
            raise PodError(f"{name}: the field {chosen['fieldPath']} is not known here")
        return fields[chosen["fieldPath"]]
    title = {"secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap"}[kind]
    optional = chosen.get("optional", False)
    found = store.data(title, chosen["name"], optional=optional).get(chosen["key"])
    if found is None and not optional:
        raise PodError(f"{name}: {title} {chosen['name']} has no {chosen['key']}")
    return None if found is None else found.decode()


def expanded(text: str, known: Mapping[str, str]) -> str:
    """With `$(NAME)` replaced where it is known, and `$$` by one `$`."""
    return REFERENCE.sub(lambda found: known.get(found[1], found[0]) if found[1] else "$", text)


def probe(spec: Object | None, ports: Mapping[str, int]) -> Probe | None:
    """Raises PodError for a kind that is not known here."""
    if spec is None:
        return None
    chosen = next((kind for kind in ("grpc", "httpGet") if kind in spec), None)
    if chosen is None:
        raise PodError(f"a probe of {sorted(spec)} is not known here")
    inner = spec[chosen]
    kind: Literal["grpc", "http", "https"] = "grpc"
    if chosen == "httpGet":
        kind = "https" if inner.get("scheme") == "HTTPS" else "http"
    port = inner["port"] if isinstance(inner["port"], int) else ports[inner["port"]]
    return Probe(
        kind, port, inner.get("service", "") if kind == "grpc" else inner.get("path", "/"),
        float(spec.get("periodSeconds", 10)), float(spec.get("timeoutSeconds", 1)),
        int(spec.get("failureThreshold", 3)), float(spec.get("initialDelaySeconds", 0)),
    )  # fmt: skip
