"""One image by itself, confined as the chart's pods are, with root's rights here: to look into it, not to serve."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tools.images import pods, sandbox
from tools.images.engines import SMALL, Engine
from tools.images.kubelet import Kubelet
from tools.images.sandbox import Root
from tools.images.volumes import Object, Store

USER = 65532


def manifest(image: str, arguments: Sequence[str], program: str) -> Object:
    """A pod that runs an image once; `image`: its whole name, `program`: instead of its own."""
    confined = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    container: Object = {
        "name": "alone", "image": image, "args": list(arguments), "securityContext": confined,
        "resources": {"limits": {"memory": str(SMALL)}}, "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
    }  # fmt: skip
    spec: Object = {
        "automountServiceAccountToken": False, "enableServiceLinks": False, "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER},
        "containers": [container | ({"command": [program]} if program else {})],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }  # fmt: skip
    return {"kind": "Pod", "metadata": {"name": "alone"}, "spec": spec}


def place(folder: Path) -> Path:
    """A folder of its own that other users may pass through."""
    made = Path(tempfile.mkdtemp(dir=folder))
    made.chmod(0o755)
    return made


async def once(
    engine: Engine,
    root: Callable[[str], Root],
    folder: Path,
    image: str,
    arguments: Sequence[str],
    program: str,
    code: int,
) -> str:
    """Runs it until it ends with `code`; what it said. Raises PodError."""
    kubelet, address = Kubelet(place(folder), root, [], []), sandbox.address()
    pod = pods.pod(manifest(engine.tag(image), arguments, program), Store([]), {}, address)
    running = kubelet.admit(pod, address)
    try:
        return await kubelet.complete(running, pod.containers[0], code=code)
    finally:
        await kubelet.close()
