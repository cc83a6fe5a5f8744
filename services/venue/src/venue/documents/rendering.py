"""Sheets as PDF, SVG and PNG, made by typst in threads of their own, and kept for a while by what they show."""

import asyncio
import io
import json
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Final

import pylopdf_fonts_zh_cn
import segno
from chassis.errors import DomainError, Kind

from venue.documents.model import Document, DocumentFormat, DocumentKind
from venue.documents.sheet import sheet_of

MEDIA_TYPES: Final = {
    DocumentFormat.PDF: "application/pdf",
    DocumentFormat.SVG: "image/svg+xml",
    DocumentFormat.PNG: "image/png",
}
_LAYOUTS: Final = Path(__file__).with_name("layouts")
_FONTS: Final = [str(Path(pylopdf_fonts_zh_cn.__file__).parent)]
_PNG_DPI: Final = 150.0


class Renderer:
    """`address`: of the public verification, with `{verification_id}` in it. Holds at most `cache_bytes` of sheets, and lets at
    most `waiting` requests wait for the threads; typst releases the interpreter while it works.
    """

    def __init__(
        self, address: str, *, threads: int = 1, waiting: int = 32, cache_bytes: int = 16 * 1024 * 1024
    ) -> None:
        self._address = address
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="typst")
        self._waiting, self._cache_bytes = waiting, cache_bytes
        self._cache: OrderedDict[bytes, bytes] = OrderedDict()
        self.held = 0
        self._in_work: dict[bytes, asyncio.Future[bytes]] = {}

    async def render(self, document: Document, form: DocumentFormat) -> bytes:
        """The sheet. Two who ask for the same at once wait for one rendering. Raises EXHAUSTED / RENDERING_BUSY."""
        inputs = self._inputs(document)
        key = sha256(json.dumps([form, document.new.template_version, inputs], sort_keys=True).encode()).digest()
        found = self._cache.get(key)
        if found is not None:
            self._cache.move_to_end(key)
            return found
        work = self._in_work.get(key)
        if work is None:
            if len(self._in_work) >= self._waiting:
                raise DomainError(
                    Kind.EXHAUSTED, "RENDERING_BUSY", "Too many sheets are being made; try again shortly."
                )
            loop = asyncio.get_running_loop()
            work = loop.run_in_executor(self._pool, _compile, document.new.template_version, form, inputs)
            self._in_work[key] = work
            work.add_done_callback(lambda done: self._finished(key, done))
        # Whoever goes away does not take the sheet from the others.
        return await asyncio.shield(work)

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def verification_address(self, document: Document) -> str:
        return self._address.replace("{verification_id}", document.verification_id)

    def _finished(self, key: bytes, done: "asyncio.Future[bytes]") -> None:
        self._in_work.pop(key, None)
        if done.cancelled() or done.exception() is not None or len(done.result()) > self._cache_bytes:
            return
        self._cache[key] = done.result()
        self.held += len(done.result())
        while self.held > self._cache_bytes:
            self.held -= len(self._cache.popitem(last=False)[1])

    def _inputs(self, document: Document) -> dict[str, str]:
        """What a sheet shows, and what its codes say: `qr`, and a poster's `venue_qr`."""
        inputs = {
            "sheet": json.dumps(sheet_of(document), ensure_ascii=False),
            "qr": self.verification_address(document),
        }
        if document.new.kind is DocumentKind.POSTER:
            inputs["venue_qr"] = document.new.content["code"]
        return inputs


def qr_svg(text: str) -> str:
    """A QR code with its quiet zone; error correction M or better."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="svg", border=4, xmldecl=False)
    return out.getvalue().decode()


def _compile(version: int, form: DocumentFormat, inputs: dict[str, str]) -> bytes:
    inputs = {name: qr_svg(text) if name.endswith("qr") else text for name, text in inputs.items()}  # some 10 ms each
    import typst  # here: 15 MB that a service which makes no sheets need not hold

    made = typst.compile(
        (_LAYOUTS / f"v{version}.typ").read_bytes(),
        font_paths=_FONTS,
        ignore_system_fonts=True,
        sys_inputs=inputs,
        format=form.name.lower(),  # type: ignore[call-overload]  # one of its literals
        ppi=_PNG_DPI if form is DocumentFormat.PNG else None,
    )
    return bytes(made[0] if isinstance(made, list) else made)
