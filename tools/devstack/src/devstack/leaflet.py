"""What `make run` hands to whoever wants to try the running demo: addresses, tokens, calls that work, phones, a scanner."""

import json
import re
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from passes.days import date_of, day_number

from devstack import gates, scene
from devstack.api import decode, encode
from devstack.demo.places import BINHE, community
from devstack.district import District, days_around
from devstack.phone import Phone
from devstack.processes import DevstackError
from devstack.scene import Place
from devstack.stack import Stack
from devstack.teller import Teller

PHONES: Final = ("visitor", "ill", "passerby")
"""People whom nobody stops, until calls.sh takes the first two to a venue and confirms that one of them is a case."""
ROLES: Final = (
    "app_backend", "approver", "auditor", "checkpoint_lead", "command", "enforcement_lead", "grid_worker", "inspector",
    "laboratory", "policy_editor", "registrar", "tracer", "venue_officer", "venue_operator", "volunteer",
)  # fmt: skip
SECONDS: Final = ("approver", "enforcement_lead", "inspector")
"""Roles of which some things need a second person."""
TOKEN_SECONDS: Final = 7 * 24 * 3600
DAYS_AHEAD: Final = 6
ENROLMENT: Final = "scanner-enrolment.json"
CALLS: Final = files("devstack.demo") / "calls.sh"
SHOP: Final = files("devstack.demo") / "shop.sh"
GUIDE: Final = "docs/following-one-shop.md"


def show(folder: Path, who: str) -> str:
    """The QR text of a phone of a running demo, made now. Raises DevstackError when there is none."""
    path = folder / "phones.json"
    if not path.exists():
        raise DevstackError("there is no demo to show a phone of; start one with `make run`")
    kept = json.loads(path.read_text())[who]
    phone = Phone(kept["resident_id"])
    for day, item in kept["days"].items():
        key = serialization.load_der_private_key(decode(item["key"]), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise DevstackError(f"{path} is damaged; start the demo again")
        phone.keys[date_of(int(day))], phone.passes[date_of(int(day))] = key, decode(item["pass"])
    try:
        return phone.show(datetime.now(UTC))
    except KeyError:
        raise DevstackError("the demo's passes were for other days; start it again") from None


def _kept(phone: Phone) -> dict[str, object]:
    def key(day_key: ec.EllipticCurvePrivateKey) -> str:
        plain = serialization.NoEncryption()
        return encode(day_key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, plain))

    days = {
        str(day_number(day)): {"key": key(phone.keys[day]), "pass": encode(phone.passes[day])} for day in phone.passes
    }
    return {"resident_id": phone.resident_id, "days": days}


def private_text(path: Path, text: str) -> None:
    """Writes a file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


async def hand_out(stack: Stack, district: District, teller: Teller, folder: Path, case_id: str) -> None:
    """Makes phones, tokens, a scanner's enrolment and calls.sh in the state folder, and says where they are."""
    place = await scene.venue(district, area=community(BINHE, 0))
    phones = dict(zip(PHONES, await scene.people(district, len(PHONES)), strict=True))
    await district.issue_phones(list(phones.values()), days_around(district.now(), before=0, after=DAYS_AHEAD))
    private_text(folder / "phones.json", json.dumps({name: _kept(phone) for name, phone in phones.items()}))
    tokens = folder / "tokens" / "people"
    tokens.mkdir(exist_ok=True, mode=0o700)
    subjects = {role: f"{role}-1" for role in ROLES} | {"venue_operator": place.operator}
    subjects |= {f"{role}-2": f"{role}-2" for role in SECONDS}
    for name, subject in subjects.items():
        role = name.removesuffix("-2")
        private_text(tokens / f"{name}.jwt", stack.minter.person(subject, [role], seconds=TOKEN_SECONDS))
    await _enrol(district, folder / ENROLMENT)
    calls = folder / "calls.sh"
    values = _values(stack.gateway_url, folder, place, phones["ill"])
    private_text(calls, _filled(CALLS.read_text(encoding="utf-8"), values))
    shop = folder / "shop.sh"
    private_text(shop, _filled(SHOP.read_text(encoding="utf-8"), values))
    teller.chapter("It is yours 请试用")
    teller.say(f"REST   {stack.gateway_url}/v1    described at {stack.gateway_url}/openapi.json, ready at /readyz")
    for name, child in stack.children.items():
        protocol = "REST" if name == "gateway" else "gRPC"
        teller.say(
            f"{name:<11} {protocol} 127.0.0.1:{child.listen}    metrics http://127.0.0.1:{child.metrics}/metrics"
        )
    teller.say(f"demo tokens, one for each role, good for a week: {tokens}/ROLE.jwt")
    teller.say(f"logs in {folder / 'logs'}, traces in {folder / 'spans'}")
    teller.say(f"the case of the story: {case_id}")
    teller.say("")
    teller.say("Calls to copy; they work while this runs:")
    teller.say("")
    for line in calls.read_text(encoding="utf-8").splitlines()[2:]:  # a shell of one's own should not end at an error
        teller.plain(line)
    teller.say("")
    teller.say(f"The same as one script: sh {calls}")
    teller.say("")
    teller.say(f"One shop from its first inspection to reopening, with its papers: {GUIDE}. It begins with")
    teller.say("")
    teller.plain(f". {shlex.quote(str(shop))}")
    teller.say("")
    teller.say("A scanner at a gate, in a terminal of its own: enrol it, test it, scan. Type ? there for its commands.")
    teller.say("")
    for line in scanner_lines(folder):
        teller.plain(line)
    teller.say("")
    teller.say("Ctrl-C here stops everything that was started.")


def scanner_lines(folder: Path) -> list[str]:
    """Lines for two terminals: the scanner program in one, in the other the QR texts that are pasted into it."""
    python = shlex.quote(sys.executable)
    state, enrolment = shlex.quote(str(folder / "scanners" / "gate")), shlex.quote(str(folder / ENROLMENT))
    scanner = f"{python} -m scanner"
    return [
        f"{scanner} enrol {enrolment} --state {state}",
        f"{scanner} self-test --state {state}",
        f"{scanner} --state {state}    # off line: add --target 127.0.0.1:9",
        f"{python} -m devstack show passerby --state {shlex.quote(str(folder.parent))}    # paste it, then Enter",
    ]


async def _enrol(district: District, path: Path) -> None:
    """A scanner enrolled at a new post; the file is what its terminal program takes with --enroll."""
    gate = await scene.gate(district)
    pem = gate.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    enrolment = {
        "target": district.stack.address("checkpoint"),
        "device_id": gate.device_id,
        "device_key": pem.decode(),
        "log_keys": [key.encode() for key in await gates.log_keys(district)],
    }
    private_text(path, json.dumps(enrolment, indent=1))


def _values(url: str, folder: Path, place: Place, ill: Phone) -> dict[str, str]:
    """What stands for @NAME@ in the scripts. QR texts are made at the moment they are used: they are fresh for a minute."""
    return {
        "URL": url,
        "FOLDER": shlex.quote(str(folder)),
        "PYTHON": shlex.quote(sys.executable),
        "STATE": shlex.quote(str(folder.parent)),
        "CODE": _within_quotes(place.code),
        "ILL": ill.resident_id,
        "OPERATOR": shlex.quote(place.operator),
    }


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _within_quotes(text: str) -> str:
    """The text as it stands within double quotes of a shell."""
    return re.sub(r'([$`"\\])', r"\\\1", text)
