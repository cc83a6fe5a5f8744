"""What is asked of each image alone: what is in it, what it may, what it says without settings, how it draws."""

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from tools.images import contents, sheet
from tools.images.engines import EngineError
from tools.images.workspace import IMAGES

Once = Callable[[str, Sequence[str], str, int], Awaitable[str]]
"""Runs an image with arguments and a program ("" for its own) until it ends with a code; what it said. Raises EngineError."""
WRONG_SETTING: Final = 2


async def inspect(image: str, once: Once) -> contents.Seen:
    """What an intruder would find in an image. Raises EngineError when it is more than there should be."""
    seen = contents.Seen(**json.loads(await once(image, ["-c", contents.CODE], "python", 0)))
    if complaint := seen.complaint(image):
        raise EngineError(f"{image}: {complaint}")
    return seen


async def refused(image: str, once: Once) -> str:
    """The one sentence with which it refuses to start without settings. Raises EngineError."""
    said = (await once(image, [], "", WRONG_SETTING)).strip()
    if "\n" in said or not said.startswith("Cannot start: "):
        raise EngineError(f"{image} without settings says no single sentence: {said}")
    return said


def drawn_here() -> str:
    """The page's digest, drawn by the environment here."""
    return subprocess.run([sys.executable, "-c", sheet.CODE], check=True, capture_output=True, text=True).stdout


async def drawn(once: Once) -> None:
    """The venue's image draws Chinese text as the environment here does. Raises EngineError."""
    if await once("venue", ["-c", sheet.CODE], "python", 0) != drawn_here():
        raise EngineError("the venue's image draws a page otherwise than it is drawn here: are its fonts there?")


async def inspected(once: Once, say: Callable[[str], None]) -> None:
    """All of it, of every image, a line for each. Raises EngineError."""
    for image in IMAGES:
        seen, sentence = await inspect(image, once), await refused(image, once)
        held = f"uid {seen.uid}, root read-only, {len(seen.distributions)} packages"
        say(f"started  {image:<11} {held}; without settings: {sentence[:90]}…")
    await drawn(once)
    say("drawn    venue       a page in both Chinese fonts, the same as outside")
