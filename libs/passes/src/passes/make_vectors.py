"""`python -m passes.make_vectors [FOLDER]`: write the test vectors anew (default: vectors/ of this library).

Signing is deterministic, so a second run changes nothing. Sealing is random: blobs that still open are kept as they
are.
"""

import json
import sys
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from passes import cards, device, sealing, tags, text, vector_keys, vector_passes, venue_code
from passes.errors import Reason, SealError
from passes.vector_keys import DEVICE, NOON, kid, private_key, secret

FOLDER: Final = Path(__file__).parents[2] / "vectors"
Vector = dict[str, Any]


def main(argv: list[str]) -> int:
    """Write every file and name it."""
    folder = Path(argv[0]) if argv else FOLDER
    for name, content in build(folder).items():
        (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        sys.stdout.write(f"{name}\n")
    return 0


def build(previous: Path) -> dict[str, Vector]:
    """All vectors by file name; sealed blobs are taken over from the folder `previous` where they still open."""
    return {
        "keys.json": vector_keys.as_json(),
        "base45.json": {"vectors": [{"bytes": raw.hex(), "text": text.encode(raw)} for raw in _RAW]},
        "tags.json": {"vectors": _tags()},
        "presentations.json": {"accepted": vector_passes.accepted(), "refused": vector_passes.refused()},
        "cards.json": _cards(),
        "venue_codes.json": _venue_codes(),
        "devices.json": _devices(),
        "sealing.json": _sealing(previous / "sealing.json"),
    }


_RAW: Final = (b"", b"\x00", b"\xff", b"AB", b"Hello!!", b"base-45", bytes(range(32)), b"\xff\xff")


def _tags() -> list[Vector]:
    key = secret("day key", 16)
    people = [bytes(16), bytes(range(16)), b"\xff" * 16]
    return [{"person_id": person.hex(), "tag": tags.tag(key, person).hex()} for person in people]


def _cards() -> Vector:
    numbers = [bytes(16), bytes(range(16)), b"\xff" * 16, secret("card", 16)]
    days = [date(1970, 1, 1), vector_keys.DAY, date(2022, 3, 16)]
    symbols = cards.card_text(numbers[3])
    swap = next(at for at in range(len(cards.PREFIX), len(symbols)) if symbols[at] != symbols[at + 1])
    return {
        "accepted": [
            {
                "number": number.hex(),
                "text": cards.card_text(number),
                "printed": cards.printed(number),
                "card_keys": {day.isoformat(): cards.card_key(day, number).hex() for day in days},
            }
            for number in numbers
        ],
        "refused": [
            {"text": symbols[:-1] + ("Z" if symbols[-1] != "Z" else "Y"), "reason": Reason.CHECK.value},
            {
                "text": symbols[:swap] + symbols[swap + 1] + symbols[swap] + symbols[swap + 2 :],
                "reason": Reason.CHECK.value,
            },
            {"text": symbols[:-1], "reason": Reason.MALFORMED.value},
            {"text": symbols[:-1] + "U", "reason": Reason.MALFORMED.value},
        ],
    }


def _venue_codes() -> Vector:
    issuer = private_key("venue_issuer")
    posters = [venue_code.issue_poster(zone, version, issuer) for zone, version in ((1, 1), (70_000, 300))]
    own_secret = venue_code.screen_secret(secret("screen"), 7, 2)
    screen = venue_code.issue_screen(7, 2, issuer).show(own_secret, NOON)
    later = NOON + timedelta(minutes=1)
    stranger = venue_code.issue_poster(1, 1, private_key("stranger"))
    cases = [
        ("two slots later", screen.to_text(), later, Reason.STALE),
        ("two slots ahead", screen.to_text(), NOON - timedelta(minutes=1), Reason.CLOCK),
        ("screen made a poster", replace(screen, turn=None).to_text(), NOON, Reason.BAD_SIGNATURE),
        ("poster made a screen", replace(posters[0], turn=screen.turn).to_text(), NOON, Reason.BAD_SIGNATURE),
        ("another zone", replace(posters[0], zone=2).to_text(), NOON, Reason.BAD_SIGNATURE),
        ("key unknown", stranger.to_text(), NOON, Reason.UNKNOWN_KEY),
        ("stranger, our key id", replace(stranger, kid=kid("venue_issuer")).to_text(), NOON, Reason.BAD_SIGNATURE),
        ("a byte more", venue_code.PREFIX + text.encode(screen.to_bytes() + b"\x00"), NOON, Reason.MALFORMED),
    ]
    return {
        "screen_secret": {"zone": 7, "version": 2, "secret": own_secret.hex()},
        "accepted": [
            {
                "text": code.to_text(),
                "bytes": code.to_bytes().hex(),
                "at": int(NOON.timestamp()),
                "zone": code.zone,
                "version": code.version,
                "rotating": code.rotating,
            }
            for code in (*posters, screen)
        ],
        "refused": [_refused(*case) for case in cases],
    }


def _devices() -> Vector:
    key = private_key("device")
    nonce = secret("nonce", 16)
    token = device.mint(DEVICE, key, NOON, nonce=nonce)
    elsewhere = device.mint(DEVICE, key, NOON, nonce=nonce, audience="lilitong-venue")
    cases = [
        ("expired", token, NOON + timedelta(minutes=5), Reason.STALE),
        ("made in the future", token, NOON - timedelta(seconds=31), Reason.CLOCK),
        ("another audience", elsewhere, NOON, Reason.WRONG_CONTEXT),
        ("another key", device.mint(DEVICE, private_key("stranger"), NOON, nonce=nonce), NOON, Reason.BAD_SIGNATURE),
        ("padded", token + "=", NOON, Reason.MALFORMED),
    ]
    digest = secret("batch")
    return {
        "accepted": [{"text": token, "at": int(NOON.timestamp()), "nonce": nonce.hex(), "expires_in": 300}],
        "refused": [_refused(*case) for case in cases],
        "batch": {"digest": digest.hex(), "signature": device.sign_batch(key, digest).hex()},
    }


def _refused(name: str, shown: str, at: datetime, reason: Reason) -> Vector:
    return {"name": name, "text": shown, "at": int(at.timestamp()), "reason": reason.value}


def _sealing(previous: Path) -> Vector:
    number, person, plain = "14110219800101123X", bytes(range(16)), "张三 141102".encode()
    kept: Vector = json.loads(previous.read_text(encoding="utf-8")) if previous.exists() else {}
    blobs = kept.get("blobs", {})
    return {
        "aad": person.hex(),
        "plaintext": plain.hex(),
        "blobs": blobs if _still_open(blobs, person, plain) else _seal(person, plain),
        "blind_index": {
            "national_id": number,
            "same": number.lower(),
            "index": sealing.blind_index(secret("blind index"), number).hex(),
        },
    }


def _still_open(blobs: dict[str, str], person: bytes, plain: bytes) -> bool:
    try:
        wrapped, sealed, sealed_to = (bytes.fromhex(blobs[name]) for name in ("wrapped", "sealed", "sealed_to"))
        return (
            sealing.unwrap(secret("kek"), wrapped, person) == secret("data key")
            and sealing.open_sealed(secret("data key"), sealed, person) == plain
            and sealing.unseal(private_key("quarantine"), sealed_to, person) == plain
        )
    except (SealError, KeyError):
        return False


def _seal(person: bytes, plain: bytes) -> dict[str, str]:
    return {
        "wrapped": sealing.wrap(secret("kek"), secret("data key"), person).hex(),
        "sealed": sealing.seal(secret("data key"), plain, person).hex(),
        "sealed_to": sealing.seal_to(private_key("quarantine").public_key(), plain, person).hex(),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
