"""The terminal program as staff meet it, in a process of its own."""

import json
import os
import pty
import random
import secrets
import signal
import termios

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from daysets.testing import MemoryLog

pytestmark = [pytest.mark.connected, pytest.mark.feature("C4")]


@pytest.mark.feature("X9")
async def test_codes_typed_in_get_verdicts_in_both_languages_without_colour_codes(
    live_checkpoint, enrolment, program, tmp_path
):
    alice = secrets.token_bytes(16)
    live_checkpoint.restrict(alice)
    run = await program("--state", tmp_path / "state", "--enroll", enrolment)
    run.type("ok 36.6\r\n" + live_checkpoint.show(secrets.token_bytes(16)) + "\r\n")
    run.type(live_checkpoint.show(alice) + "\r")
    run.type("n\ngarbage that no scanner should type\n")
    await live_checkpoint.until(lambda: len(run.verdicts) == 4)
    assert await run.end() == 0
    text = "\n".join(run.lines)
    allow, deny, nothing, garbage = run.verdicts
    assert "✔ 放行 ALLOW" in allow
    assert "在线 on line" in allow
    assert "✖ 禁止通行 DENY" in deny
    assert "密切接触者，正在隔离" in text
    assert "Close contact under quarantine" in text
    assert "▲ 请核实 REFER" in nothing
    assert "▲ 请核实 REFER" in garbage
    assert "\x1b" not in text
    assert len(live_checkpoint.stored) == 4


async def test_a_trigger_pulled_twice_is_one_scan(live_checkpoint, enrolment, program, tmp_path):
    run = await program("--state", tmp_path / "state", "--enroll", enrolment, "--lang", "en")
    code = live_checkpoint.show(secrets.token_bytes(16))
    run.type(f"ok 36.6\n{code}\n{code}\n{code}{code}\n")
    await live_checkpoint.until(lambda: len(run.verdicts) == 4)
    assert {"ALLOW" in line for line in run.verdicts} == {True}
    assert len(live_checkpoint.stored) == 1
    assert await run.end() == 0


@pytest.mark.feature("X10")
async def test_a_drill_is_said_before_its_verdict(live_checkpoint, enrolment, program, tmp_path):
    run = await program("--state", tmp_path / "state", "--enroll", enrolment, "--lang", "zh")
    run.type("ok 36.6\n" + live_checkpoint.show(secrets.token_bytes(16), drill_id="spring") + "\n")
    await live_checkpoint.until(lambda: run.verdicts)
    assert run.verdicts[0].strip().startswith("演练 DRILL spring")
    assert "ALLOW" not in run.verdicts[0]
    assert await run.end() == 0


async def test_off_line_the_age_of_the_list_and_the_queue_are_shown_and_the_next_run_uploads(
    live_checkpoint, enrolment, program, tmp_path
):
    state = tmp_path / "state"
    alice = secrets.token_bytes(16)
    live_checkpoint.restrict(alice)
    run = await program("--state", state, "--enroll", enrolment)
    await live_checkpoint.until(lambda: any("on line" in line for line in run.lines))
    assert await run.end() == 0
    await live_checkpoint.stop()
    run = await program("--state", state, "--connect-seconds", "0")
    run.type(
        "ok 36.6\n" + live_checkpoint.show(secrets.token_bytes(16)) + "\nok 36.6\n" + live_checkpoint.show(alice) + "\n"
    )
    await live_checkpoint.until(lambda: len(run.verdicts) == 2 and any("call to ask" in line for line in run.lines))
    assert "ALLOW" in run.verdicts[0]
    assert "离线 OFF LINE" in run.verdicts[0]
    assert "DENY" in run.verdicts[1]
    assert "待上传2 2 to upload" in run.verdicts[1]
    assert await run.end() == 0
    await live_checkpoint.start()
    run = await program("--state", state)
    await live_checkpoint.until(lambda: len(live_checkpoint.stored) == 2)
    run.type("q\n")
    assert await run.end() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_cleanly(live_checkpoint, enrolment, program, tmp_path, number):
    run = await program("--state", tmp_path / "state", "--enroll", enrolment)
    await live_checkpoint.until(lambda: any("on line" in line for line in run.lines))
    assert await run.end(number=number) == 130
    assert "Traceback" not in "\n".join(run.lines)


async def test_at_a_terminal_a_code_does_not_fill_the_screen_and_the_terminal_is_left_as_it_was(
    live_checkpoint, enrolment, program, tmp_path
):
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(ours)
    run = await program("--state", tmp_path / "state", "--enroll", enrolment, stdin=theirs, stdout=theirs)
    await live_checkpoint.until(lambda: run.heard_on(ours, "on line"))
    code = live_checkpoint.show(secrets.token_bytes(16))
    os.write(ours, f"ok 36.6\r{code}\r".encode())
    await live_checkpoint.until(lambda: run.heard_on(ours, "ALLOW"))
    assert await run.end(number=signal.SIGINT) == 130
    assert "ok 36.6" in run.screen
    assert code[:12] in run.screen
    assert code[:14] not in run.screen
    assert "\x1b[1;38;5;16;48;5;87m" in run.screen
    assert "GOAWAY" not in run.screen
    assert termios.tcgetattr(ours) == before
    os.close(ours)
    os.close(theirs)


async def test_a_new_device_prints_what_is_enrolled_and_keeps_its_key(program, tmp_path):
    said = []
    for _ in range(2):
        run = await program("new-device", "--state", tmp_path / "state")
        assert await run.end() == 0
        said.append(run.lines)
    assert said[0] == said[1]
    assert said[0][0].startswith("device_id:")
    assert said[0][1].startswith("public_key: MFkw")


async def test_what_cannot_be_used_is_said_with_exit_code_3(live_checkpoint, enrolment, program, tmp_path):
    state = tmp_path / "state"
    good = json.loads(enrolment.read_text())
    other_key = (
        generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    )
    assert await (await program("--state", state, "--enroll", enrolment)).end() == 0
    wrong = [
        (good | {"log_keys": [key.encode() for key in MemoryLog(seed=3).keys]}, "not the one of the first enrolment"),
        (good | {"device_key": other_key}, "belongs to another device"),
        (good | {"device_key": "no key"}, "no device id and P-256 key"),
        (good | {"log_keys": ["no key"]}, "no enrolment file"),
        ({"log_keys": good["log_keys"]}, "lacks 'target'"),
        ([], "no enrolment file"),
    ]
    for text, message in wrong:
        enrolment.write_text(json.dumps(text))
        run = await program("--state", state, "--enroll", enrolment)
        assert await run.end() == 3
        assert message in "\n".join(run.lines)
        assert "Traceback" not in "\n".join(run.lines)
    run = await program("--state", tmp_path / "nowhere")
    assert await run.end() == 3
    assert await (await program("--lang", "fr")).end() == 2
    run = await program("--state", state)
    assert await run.end() == 0


@pytest.mark.slow
async def test_killed_while_it_queues_every_scan_that_was_shown_is_uploaded_once(
    live_checkpoint, enrolment, program, tmp_path
):
    """kill -9 at random moments of an outage; what staff saw is compared with what the server got."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng, state = random.Random(seed), tmp_path / "state"
    run = await program("--state", state, "--enroll", enrolment)
    await live_checkpoint.until(lambda: any("on line" in line for line in run.lines))
    assert await run.end() == 0
    await live_checkpoint.stop()
    seen, typed = [], 0
    for _ in range(6):
        run = await program("--state", state, "--connect-seconds", "0")
        tags = [secrets.token_bytes(16) for _ in range(60)]
        run.type("".join(f"ok 36.6\n{live_checkpoint.show(tag)}\n" for tag in tags))
        wanted = rng.randint(1, 50)
        await live_checkpoint.until(lambda run=run, wanted=wanted: len(run.verdicts) >= wanted)
        await run.end(kill=True)
        seen += tags[: len(run.verdicts)]
        typed += len(tags)
    await live_checkpoint.start()
    run = await program("--state", state)
    await live_checkpoint.until(lambda: len(live_checkpoint.stored) >= len(seen), 30)
    run.type("u\nq\n")
    assert await run.end() == 0
    uploaded = [tag for rows in live_checkpoint.stored.values() for row in rows for tag in row.tags]
    assert len(uploaded) == len(set(uploaded)) <= typed
    assert set(seen) <= set(uploaded)
    assert len(uploaded) - len(seen) <= 6, "at most the one scan under way at each kill was stored unseen"
