"""What a scanner shows of itself and whom it trusts, read again when its enrolment was renewed beside it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import grpc

from scanner import enrol
from scanner.enrol import Enrolment
from scanner.state import StateError

LOOK_EVERY_S: Final = 1.0


class Renewed:
    """The credentials of the enrolment at `path` for `target`; call it for each use: the same ones as long as nothing changed.

    Only certificates are taken from a file that changed: the target, the logs and the device are those of the start. One that
    cannot be read, or that would have the scanner speak in the clear, changes nothing.
    """

    def __init__(
        self, path: Path, target: str, first: Enrolment, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._path, self._target, self._monotonic = path, target, monotonic
        self._parts = _parts(first)
        self._credentials = first.credentials(target)
        self._seen = self._stamp()
        self._look_at = monotonic() + LOOK_EVERY_S

    def __call__(self) -> grpc.ChannelCredentials | None:
        if self._credentials is not None and (now := self._monotonic()) >= self._look_at:
            self._look_at = now + LOOK_EVERY_S
            self._look()
        return self._credentials

    def _look(self) -> None:
        seen = self._stamp()
        if seen is None or seen == self._seen:
            return
        self._seen = seen
        try:
            found = enrol.read_enrolment(self._path)
        except StateError:
            return
        credentials = found.credentials(self._target)
        if credentials is not None and _parts(found) != self._parts:
            self._parts, self._credentials = _parts(found), credentials

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _parts(enrolment: Enrolment) -> tuple[str, str, str]:
    return enrolment.server_ca, enrolment.client_certificate, enrolment.client_key
