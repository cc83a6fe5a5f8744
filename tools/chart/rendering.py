"""The chart as Kubernetes would get it. Needs the `helm` of helm-binary, beside the interpreter."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/lilitong"
RELEASE = NAMESPACE = "lilitong"
VERSIONS = ("1.30", "1.34", "1.37")
"""Kubernetes: the oldest that every part of the chart uses, one between, and the newest whose schemas we have."""
Object = dict[str, Any]


class HelmError(Exception):
    """What helm said on standard error."""


def helm(*arguments: str, values: str = "") -> str:
    """Standard output of a helm command that reads `values`. Raises HelmError."""
    command = [str(Path(sys.executable).with_name("helm")), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, input=values)
    if done.returncode:
        raise HelmError(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def values_files(chart: Path = CHART) -> list[Path]:
    """Every way of running it that is tested."""
    return sorted((chart / "ci").glob("*-values.yaml"))


def render(
    chart: Path = CHART,
    *files: Path,
    version: str = VERSIONS[-1],
    settings: Iterable[str] = (),
    values: str = "",
    release: str = RELEASE,
) -> list[Object]:
    """Objects of the chart. `settings`: as for `--set`; `values`: a document, which comes last. Raises HelmError."""
    chosen = [argument for file in files for argument in ("--values", str(file))]
    chosen += [argument for setting in settings for argument in ("--set", setting)]
    command = ["template", release, str(chart), "--namespace", NAMESPACE, "--kube-version", f"{version}.0", *chosen]
    if values:
        command += ["--values", "-"]
    return parse(helm(*command, values=values))


def parse(text: str) -> list[Object]:
    """The objects of a stream of YAML documents."""
    return [document for document in yaml.safe_load_all(text) if document]


def named(item: Object) -> str:
    """Kind and name, for messages."""
    return f"{item['kind']}/{item['metadata']['name']}"


def pod_template(item: Object) -> Object | None:
    """Metadata and spec of the pods that an object makes, or is."""
    if item["kind"] == "Pod":
        return item
    if item["kind"] == "CronJob":
        later: Object = item["spec"]["jobTemplate"]["spec"]["template"]
        return later
    if item["kind"] in {"Deployment", "StatefulSet", "Job"}:
        inner: Object = item["spec"]["template"]
        return inner
    return None


def pod_spec(item: Object) -> Object | None:
    """The pod's spec within an object that makes pods."""
    template = pod_template(item)
    return None if template is None else template["spec"]


def containers(item: Object) -> list[Object]:
    """All containers of an object, those that run before the others too."""
    spec = pod_spec(item)
    return [] if spec is None else [*spec.get("initContainers", []), *spec["containers"]]
