"""How a device comes to be one of ours: a key made on it, and a file that says whom to call and which log to believe."""

import base64
import ipaddress
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import grpc
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from ledger.note import NoteError, Verifier

from scanner.state import StateError, replace_file

DEVICE: Final = "device.json"
ENROLMENT: Final = "enrolment.json"


@dataclass(frozen=True, slots=True)
class Device:
    """Who this scanner is."""

    device_id: UUID
    key: EllipticCurvePrivateKey

    def public_key(self) -> bytes:
        """SubjectPublicKeyInfo, DER, as EnrollDevice takes it."""
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Whom it calls (host:port) and which logs it believes. server_ca: PEM, empty for the system's authorities.

    client_certificate, client_key: PEM, shown to a server that takes only known machines (mutual TLS); empty for none.
    """

    target: str
    log_keys: tuple[Verifier, ...]
    server_ca: str = ""
    plaintext: bool = False
    device: Device | None = None
    client_certificate: str = ""
    client_key: str = field(default="", repr=False)

    def credentials(self, target: str) -> grpc.ChannelCredentials | None:
        """For TLS; None for this machine's own addresses, or where the enrolment allows to speak in the clear."""
        if not self.server_ca and not self.client_key and (self.plaintext or _is_here(target)):
            return None
        return grpc.ssl_channel_credentials(
            self.server_ca.encode() or None, self.client_key.encode() or None, self.client_certificate.encode() or None
        )


def make_device(folder: Path) -> Device:
    """The folder's device; a new id and key if it has none yet. StateError when the folder cannot be written."""
    if (known := read_device(folder)) is not None:
        return known
    device = Device(uuid4(), generate_private_key(SECP256R1()))
    save_device(folder, device)
    return device


def save_device(folder: Path, device: Device) -> None:
    """For good: another device needs another folder, for what is queued here was signed for by this one."""
    known = read_device(folder)
    if known is not None:
        if known.device_id != device.device_id or known.public_key() != device.public_key():
            raise StateError(
                f"{folder} belongs to another device; every device needs a folder of its own",
                f"{folder} 属于另一设备；每台设备须有自己的目录",
            )
        return
    pem = device.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    text = {"device_id": str(device.device_id), "device_key": pem}
    _write(folder / DEVICE, text)


def read_device(folder: Path) -> Device | None:
    """StateError when the file is there and damaged."""
    path = folder / DEVICE
    return _device(_read(path), path) if path.exists() else None


def read_enrolment(path: Path) -> Enrolment:
    """An enrolment file, or the folder's copy of it. StateError says what is wrong with it."""
    text = _read(path)
    try:
        return Enrolment(
            target=str(text["target"]),
            log_keys=tuple(Verifier.parse(key) for key in text["log_keys"]),
            server_ca=str(text.get("server_ca") or ""),
            plaintext=text.get("plaintext") is True,
            device=_device(text, path) if text.get("device_key") else None,
            **_client(text),
        )
    except KeyError as error:
        raise StateError(
            f"{path} lacks {error}; ask for the enrolment file again", f"{path} 缺少 {error}；请重新索取登记文件"
        ) from None
    except (TypeError, AttributeError, NoteError) as error:
        raise StateError(
            f"{path} is no enrolment file ({error}); ask for it again", f"{path} 不是登记文件（{error}）；请重新索取"
        ) from None


def save_enrolment(folder: Path, enrolment: Enrolment) -> None:
    """The folder's copy, without the device's key."""
    text = {
        "target": enrolment.target,
        "log_keys": [key.encode() for key in enrolment.log_keys],
        "server_ca": enrolment.server_ca,
        "plaintext": enrolment.plaintext,
        "client_certificate": enrolment.client_certificate,
        "client_key": enrolment.client_key,
    }
    _write(folder / ENROLMENT, text)


def describe(device: Device) -> str:
    """What the checkpoint lead needs to enrol it."""
    public = base64.b64encode(device.public_key()).decode()
    return f"device_id:  {device.device_id}\npublic_key: {public}"


def _client(text: dict[str, Any]) -> dict[str, str]:
    found = {name: str(text.get(name) or "") for name in ("client_certificate", "client_key")}
    if bool(found["client_certificate"]) != bool(found["client_key"]):
        raise TypeError("client_certificate and client_key belong together")
    return found


def _device(text: dict[str, Any], path: Path) -> Device:
    try:
        key = load_pem_private_key(text["device_key"].encode(), None)
        if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
            return Device(UUID(text["device_id"]), key)
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    raise StateError(
        f"{path} holds no device id and P-256 key; enrol the device again",
        f"{path} 中没有设备号和 P-256 密钥；请重新登记",
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise StateError(
            f"{path} cannot be read ({error.strerror}); enrol this scanner first (lilitong-scanner enrol FILE)",
            f"{path} 无法读取（{error.strerror}）；请先登记（lilitong-scanner enrol 文件）",
        ) from None
    except ValueError:
        raise StateError(
            f"{path} is not JSON; ask for the enrolment file again", f"{path} 不是 JSON；请重新索取登记文件"
        ) from None
    if not isinstance(found, dict):
        raise StateError(f"{path} is no enrolment file; ask for it again", f"{path} 不是登记文件；请重新索取")
    return found


def _write(path: Path, text: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(path, json.dumps(text, indent=1).encode())
    except OSError as error:
        raise StateError(
            f"{path.parent} cannot be written ({error.strerror}); choose another folder",
            f"{path.parent} 写不进（{error.strerror}）；请换一个目录",
        ) from None


def _is_here(target: str) -> bool:
    host = target.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
