"""Which connections the rendered network policies allow, as Kubernetes reads them: both ends must say yes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools.chart.rendering import Object, named, pod_template
from tools.chart.rules import component, pods

Flow = tuple[str, str, int]
"""From, to, port; a component, or `outside`."""
DNS = 53


def _selects(selector: Object, labels: Object) -> bool:
    matched: Object = selector.get("matchLabels", {})
    return all(labels.get(key) == value for key, value in matched.items())


def _labels(objects: Sequence[Object]) -> dict[str, Object]:
    """Labels of the pods of each component."""
    found = {}
    for item, _ in pods(objects):
        found[component(item)] = (pod_template(item) or {})["metadata"].get("labels", {})
    return found


def policies(objects: Sequence[Object]) -> list[Object]:
    """The network policies."""
    return [item for item in objects if item["kind"] == "NetworkPolicy"]


def absent(objects: Sequence[Object], values: Mapping[str, Any]) -> list[str]:
    """A sentence when there are no policies although the values do not turn them off."""
    wanted = values.get("networkPolicy", {}).get("enabled", True)
    return ["there are no network policies"] if wanted and not policies(objects) else []


def open_pods(objects: Sequence[Object]) -> list[str]:
    """Pods that no policy isolates both ways: a sentence for each. Nothing is asked where policies are turned off."""
    if not policies(objects):
        return []
    found = []
    for name, labels in _labels(objects).items():
        kinds: set[str] = set()
        for policy in policies(objects):
            if _selects(policy["spec"]["podSelector"], labels):
                kinds |= set(policy["spec"]["policyTypes"])
        found += [f"pods of {name} are open for {kind}" for kind in sorted({"Ingress", "Egress"} - kinds)]
    return found


def _said(objects: Sequence[Object], side: str) -> Iterator[tuple[str, str, int]]:
    """(component, peer, port) of every rule of one side, `ingress` or `egress`."""
    labels = _labels(objects)
    for policy in policies(objects):
        selector = policy["spec"]["podSelector"]
        whose = [name for name, own in labels.items() if _selects(selector, own)]
        if "cnpg.io/cluster" in selector.get("matchLabels", {}):
            whose = ["postgres"]
        for rule in policy["spec"].get(side) or []:
            for port in (entry["port"] for entry in rule["ports"]):
                for peer in _peers(rule.get("from" if side == "ingress" else "to"), labels):
                    yield from ((name, peer, port) for name in whose)


def _peers(peers: Sequence[Object] | None, labels: dict[str, Object]) -> Iterator[str]:
    if peers is None:
        yield "outside"
        return
    for peer in peers:
        if "podSelector" not in peer or "namespaceSelector" in peer:
            yield "outside"
        elif "cnpg.io/cluster" in peer["podSelector"].get("matchLabels", {}):
            yield "postgres"
        else:
            yield from (name for name, own in labels.items() if _selects(peer["podSelector"], own))


def allowed(objects: Sequence[Object]) -> set[Flow]:
    """Every connection that may be made, DNS left out."""
    into = {(peer, name, port) for name, peer, port in _said(objects, "ingress")}
    out = {(name, peer, port) for name, peer, port in _said(objects, "egress") if port != DNS}
    inside = {flow for flow in into & out if "outside" not in flow}
    return inside | {flow for flow in into | out if "outside" in flow}


def half_open(objects: Sequence[Object]) -> list[str]:
    """Connections inside the release that one end allows and the other does not: a sentence for each."""
    into = {(peer, name, port) for name, peer, port in _said(objects, "ingress")}
    out = {(name, peer, port) for name, peer, port in _said(objects, "egress")}
    operated = any(item["kind"] == "Cluster" for item in objects)  # its pods' egress is the operator's matter
    return [
        f"{source} → {target}:{port} is allowed at one end only"
        for source, target, port in sorted(into ^ out)
        if "outside" not in (source, target) and not (operated and source == "postgres")
    ]


def dns_allowed(objects: Sequence[Object]) -> list[str]:
    """Components that cannot ask for names, where policies are on."""
    if not policies(objects):
        return []
    asks = {name for name, peer, port in _said(objects, "egress") if port == DNS and peer == "outside"}
    return [f"pods of {name} cannot resolve names" for name in sorted(_labels(objects).keys() - asks)]


def unselected(objects: Sequence[Object]) -> list[str]:
    """Services that select no pod, or name a port that their pods do not have: a sentence for each."""
    found = []
    for service in (item for item in objects if item["kind"] == "Service"):
        selected = [
            (item, spec)
            for item, spec in pods(objects)
            if item["kind"] != "Pod"
            and _selects({"matchLabels": service["spec"]["selector"]}, (pod_template(item) or {})["metadata"]["labels"])
        ]
        if not selected:
            found.append(f"{named(service)} selects no pod")
        for item, spec in selected:
            ports = {port["name"] for one in spec["containers"] for port in one.get("ports", [])}
            found += [
                f"{named(service)} wants port {port['targetPort']} of {named(item)}, which has none"
                for port in service["spec"]["ports"]
                if port["targetPort"] not in ports
            ]
    return found
