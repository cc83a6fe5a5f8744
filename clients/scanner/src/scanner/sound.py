"""What is heard of a verdict: one tone lets pass, two ask, three stop. Number, pitch and length each say it alone."""

import asyncio
import io
import math
import shutil
import struct
import sys
import tempfile
import wave
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from verdicts.model import Verdict


class Sound(StrEnum):
    """By what it is heard. wav: by the machine's loudspeaker, if there is a player; else as the terminal's bell."""

    OFF = "off"
    BELL = "bell"
    WAV = "wav"


class Tones(NamedTuple):
    """How often, how high (Hz) and how long each (s)."""

    times: int
    pitch: int
    seconds: float


TONES: Final = {
    Verdict.ALLOW: Tones(1, 1047, 0.10),
    Verdict.REFER: Tones(2, 659, 0.18),
    Verdict.DENY: Tones(3, 262, 0.35),
}
PLAYERS: Final = ("aplay", "paplay", "pw-play")
GAP_S: Final = 0.22
"""Between two bells: terminals run together what comes closer."""
_RATE: Final = 16_000
_LOUD: Final = 20_000
_FADE: Final = 160
_PLAYED_WITHIN_S: Final = 5.0


class Speaker:
    """Plays in the background; a new verdict silences what is still to be heard of the last one."""

    def __init__(self, sound: Sound, bell: Callable[[], None], player: str | None = None) -> None:
        """bell: rings once. player: full path of a program that plays a WAV file; looked for when None."""
        self._bell = bell
        self._player = (player or find_player()) if sound is Sound.WAV else None
        self.fell_back = sound is Sound.WAV and self._player is None
        """The bell is heard because no player was found."""
        self.sound = Sound.BELL if self.fell_back else sound
        self._task: asyncio.Task[None] | None = None
        self._files: dict[Verdict, Path] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def play(self, verdict: Verdict) -> None:
        """Returns at once. Needs a running event loop. Sound that fails is no reason to hold anybody up."""
        self.silence()
        if self.sound is not Sound.OFF:
            self._task = asyncio.create_task(self._play(verdict))

    def silence(self) -> None:
        """Nothing more is heard."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def finished(self) -> None:
        """Returns when the last verdict has been heard."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def close(self) -> None:
        """Silence, and no files left."""
        self.silence()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    async def _play(self, verdict: Verdict) -> None:
        if self._player is not None and await self._played(self._player, verdict):
            return
        for number in range(TONES[verdict].times):
            if number:
                await asyncio.sleep(GAP_S)
            self._bell()

    async def _played(self, player: str, verdict: Verdict) -> bool:
        try:
            null = asyncio.subprocess.DEVNULL
            process = await asyncio.create_subprocess_exec(
                player, str(self._file(verdict)), stdin=null, stdout=null, stderr=null
            )
        except OSError:
            return False
        try:
            async with asyncio.timeout(_PLAYED_WITHIN_S):
                return await process.wait() == 0
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()

    def _file(self, verdict: Verdict) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="lilitong-sound-")
        if verdict not in self._files:
            path = Path(self._folder.name) / f"{verdict.name.lower()}.wav"
            path.write_bytes(waveform(TONES[verdict]))
            self._files[verdict] = path
        return self._files[verdict]


def find_player() -> str | None:
    """Full path of a program that plays WAV files."""
    return next((found for name in PLAYERS if (found := shutil.which(name))), None)


def waveform(tones: Tones) -> bytes:
    """A WAV file, mono, 16 bit, of that many tones with the same pause between them."""
    length, pause = round(tones.seconds * _RATE), [0] * round(0.12 * _RATE)
    tone = [
        round(_LOUD * min(at, length - at, _FADE) / _FADE * math.sin(2 * math.pi * tones.pitch * at / _RATE))
        for at in range(length)
    ]
    samples = (tone + pause) * tones.times
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(_RATE)
        out.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return file.getvalue()


def terminal_bell() -> None:
    """Rings the terminal's bell, if standard output is a terminal: into a pipe it would only spoil the text."""
    if sys.stdout.isatty():
        sys.stdout.write("\a")
        sys.stdout.flush()
