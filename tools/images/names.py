"""What a cluster's DNS and its variables say of Services, for one namespace with one pod for each Service."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tools.chart.rendering import NAMESPACE
from tools.images.volumes import Object

DOMAIN = "cluster.local"


@dataclass(frozen=True, slots=True)
class Service:
    """`always`: its name is known before a pod of it is ready: it has an address of its own, or says so."""

    name: str
    selector: Mapping[str, str]
    headless: bool
    always: bool
    ports: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, item: Object) -> "Service":
        """Of a rendered one."""
        spec = item["spec"]
        headless = spec.get("clusterIP") == "None"
        ports = tuple((one.get("name", ""), one["port"]) for one in spec["ports"])
        always = not headless or spec.get("publishNotReadyAddresses", False)
        return cls(item["metadata"]["name"], spec["selector"], headless, always, ports)

    def selects(self, labels: Mapping[str, str]) -> bool:
        return self.selector.items() <= labels.items()


@dataclass(frozen=True, slots=True)
class Member:
    """A pod as Services see it."""

    name: str
    labels: Mapping[str, str]
    address: str
    ready: bool = False


def services(objects: Iterable[Object]) -> list[Service]:
    """All of them."""
    return [Service.of(item) for item in objects if item["kind"] == "Service"]


def hosts(known: Iterable[Service], members: Iterable[Member], own: Member) -> str:
    """A pod's /etc/hosts: itself as the kubelet writes it, and what the cluster's DNS would answer at this moment."""
    lines = ["127.0.0.1\tlocalhost", f"{own.address}\t{own.name}"]
    everybody = list(members)
    for one in known:
        for member in everybody:
            if one.selects(member.labels) and (one.always or member.ready):
                within = f"{one.name}.{NAMESPACE}"
                lines.append(f"{member.address}\t{one.name} {within} {within}.svc {within}.svc.{DOMAIN}")
    return "\n".join(lines) + "\n"


def links(known: Iterable[Service], members: Iterable[Member]) -> dict[str, str]:
    """The variables that pods get for each Service with an address, unless they want none (`enableServiceLinks: false`)."""
    everybody = list(members)
    found = (
        (one, member.address) for one in known if not one.headless for member in everybody if one.selects(member.labels)
    )
    return {name: value for one, address in found for name, value in _linked(one, address)}


def _linked(one: Service, address: str) -> Iterator[tuple[str, str]]:
    prefix = one.name.upper().replace("-", "_")
    (_, first), *_ = one.ports
    yield f"{prefix}_SERVICE_HOST", address
    yield f"{prefix}_SERVICE_PORT", str(first)
    yield f"{prefix}_PORT", f"tcp://{address}:{first}"
    for name, port in one.ports:
        if name:
            yield f"{prefix}_SERVICE_PORT_{name.upper().replace('-', '_')}", str(port)
        yield f"{prefix}_PORT_{port}_TCP", f"tcp://{address}:{port}"
