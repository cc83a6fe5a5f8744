"""The program's commands as an operator meets them: help, enrolment, self-test, status, queue, exit codes."""

import json
import os
import pty
import secrets
import signal
import stat
import tomllib
from pathlib import Path

import pytest

pytestmark = [pytest.mark.connected, pytest.mark.feature("C4")]
PROJECT = Path(__file__).parents[2] / "pyproject.toml"


async def said(program, *arguments):
    """Exit code and text of a run that needs no input."""
    run = await program(*arguments)
    code = await run.end()
    return code, "\n".join(run.lines)


def chinese(text):
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


@pytest.mark.feature("X9")
async def test_help_is_in_the_language_asked_for_and_names_every_command_and_exit_code(program):
    code, both = await said(program, "--help")
    assert code == 0
    for word in ("run", "new-device", "enrol", "self-test", "status", "queue", "130", "自检", "exit codes"):
        assert word in both
    _, english = await said(program, "--help", "--lang", "en")
    _, zh = await said(program, "--lang=zh", "--help")
    assert not chinese(english)
    assert "exit codes" not in zh
    for command in ("run", "new-device", "enrol", "self-test", "status", "queue"):
        code, own = await said(program, command, "--help", "--lang", "en")
        assert (code, chinese(own)) == (0, False)
        assert "--state DIR" in own


async def test_wrong_arguments_end_with_2_and_one_line(program):
    for arguments in (("frobnicate",), ("enrol",), ("--lang", "fr"), ("queue", "--sound", "off")):
        code, text = await said(program, *arguments)
        assert code == 2
        assert text.count("\n") == 0
        assert "lilitong-scanner --help" in text


@pytest.mark.feature("X9")
async def test_an_error_names_its_fix_in_the_language_asked_for(program, tmp_path):
    for lang, fix in (("zh", "请先登记"), ("en", "enrol this scanner first")):
        code, text = await said(program, "--state", tmp_path / "nowhere", "--lang", lang)
        assert code == 3
        assert fix in text
        assert ("enrol this" in text, chinese(text)) == (lang == "en", lang == "zh")


async def test_from_a_new_device_to_the_first_verdict(live_checkpoint, enrolment, program, tmp_path):
    """The key made on the device; the file that comes back holds none."""
    state = tmp_path / "gate"
    code, text = await said(program, "new-device", "--state", state)
    assert code == 0
    assert stat.S_IMODE((state / "device.json").stat().st_mode) == 0o600
    made = json.loads((state / "device.json").read_text())
    from scanner.enrol import read_device

    device = read_device(state)
    live_checkpoint.device_id, live_checkpoint.device_key = device.device_id, device.key  # the lead enrols it
    assert made["device_id"] in text
    lead = json.loads(enrolment.read_text())
    del lead["device_key"], lead["device_id"]
    enrolment.write_text(json.dumps(lead))
    code, text = await said(program, "enrol", enrolment, "--state", state, "--lang", "en")
    assert code == 0
    assert "next: lilitong-scanner self-test" in text
    run = await program("--state", state, "--lang", "en")
    run.type("ok 36.6\n" + live_checkpoint.show(secrets.token_bytes(16)) + "\n")
    await live_checkpoint.until(lambda: run.verdicts)
    assert "ALLOW" in run.verdicts[0]
    assert await run.end() == 0
    code, text = await said(program, "self-test", "--state", state, "--lang", "en")
    assert code == 0, text
    code, text = await said(program, "status", "--state", state, "--lang", "en")
    assert code == 0, text


async def test_to_enrol_without_a_key_names_the_command_that_makes_one(program, enrolment, tmp_path):
    lead = json.loads(enrolment.read_text())
    del lead["device_key"]
    enrolment.write_text(json.dumps(lead))
    code, text = await said(program, "enrol", enrolment, "--state", tmp_path / "gate")
    assert code == 3
    assert "run lilitong-scanner new-device" in text
    code, text = await said(program, "enrol", tmp_path / "no such file", "--state", tmp_path / "gate")
    assert code == 3


async def test_a_self_test_with_a_readable_key_ends_with_4_and_off_line_with_1_or_4(
    live_checkpoint, enrolment, program, tmp_path
):
    state = tmp_path / "gate"
    assert (await said(program, "enrol", enrolment, "--state", state))[0] == 0
    run = await program("--state", state)
    await live_checkpoint.until(lambda: any("on line" in line for line in run.lines))
    assert await run.end() == 0
    await live_checkpoint.stop()
    code, text = await said(program, "self-test", "--state", state, "--lang", "en", "--connect-seconds", "0.5")
    assert code == 1, text
    assert "ATTENTION  server" in text
    (state / "device.json").chmod(0o644)
    code, text = await said(program, "self-test", "--state", state, "--lang", "en", "--connect-seconds", "0")
    assert code == 4
    assert "chmod 600" in text


async def test_the_queue_is_listed_beside_the_scanner_and_uploaded_after_it(
    live_checkpoint, enrolment, program, tmp_path
):
    state = tmp_path / "gate"
    run = await program("--state", state, "--enrol", enrolment)
    await live_checkpoint.until(lambda: any("on line" in line for line in run.lines))
    await live_checkpoint.stop()
    run.type("n\nn\n")
    await live_checkpoint.until(lambda: len(run.verdicts) == 2)
    code, text = await said(program, "queue", "--state", state, "--lang", "en")
    assert code == 0
    assert text.count("REFER") == 2
    assert "2 to upload, 0 not taken" in text
    code, text = await said(program, "queue", "--state", state, "--upload")
    assert code == 3, "the folder is the running scanner's"
    assert "in use by another scanner" in text
    assert await run.end() == 0
    code, text = await said(program, "queue", "--state", state, "--upload", "--lang", "en", "--connect-seconds", "0.2")
    assert code == 5
    assert "still here" in text
    await live_checkpoint.start()
    code, text = await said(program, "queue", "--state", state, "--upload", "--clear", "--lang", "en")
    assert code == 0
    assert len(live_checkpoint.stored) == 2
    assert "0 to upload" in (await said(program, "queue", "--state", state, "--lang", "en"))[1]


async def test_plain_text_for_screen_readers_has_neither_signs_nor_frames(
    live_checkpoint, enrolment, program, tmp_path
):
    ours, theirs = pty.openpty()
    state = tmp_path / "gate"
    run = await program("--state", state, "--enrol", enrolment, "--plain", "--lang", "en", stdin=theirs, stdout=theirs)
    await live_checkpoint.until(lambda: run.heard_on(ours, "on line"))
    os.write(ours, b"n\r")
    await live_checkpoint.until(lambda: run.heard_on(ours, " ms") and run.screen.count("\a") == 2)
    assert await run.end(number=signal.SIGINT) == 130
    os.close(ours)
    os.close(theirs)
    assert "REFER\r\n" in run.screen
    for letter in "✔▲✖░█╭—·":
        assert letter not in run.screen


async def test_a_screen_that_shows_neither_chinese_nor_signs_gets_english_words_and_no_traceback(
    live_checkpoint, enrolment, program, tmp_path
):
    state = tmp_path / "gate"
    run = await program("--state", state, "--enrol", enrolment, environment={"PYTHONIOENCODING": "ascii"})
    run.type("n\n")
    await live_checkpoint.until(lambda: any(" ms," in line for line in run.lines))
    assert await run.end() == 0
    text = "\n".join(run.lines)
    assert "REFER\nThe temperature was not taken" in text
    assert "?" not in text
    for arguments, code in ((("--help",), 0), (("self-test", "--state", state), 4)):
        run = await program(*arguments, environment={"PYTHONIOENCODING": "ascii"})
        assert await run.end() == code
        assert "Traceback" not in "\n".join(run.lines)
    assert any("export LANG=C.UTF-8" in line for line in run.lines)


async def test_wav_without_a_player_says_that_the_bell_is_used(live_checkpoint, enrolment, program, tmp_path):
    options = ("--state", tmp_path / "gate", "--enrol", enrolment, "--sound", "wav")
    run = await program(*options, environment={"PATH": str(tmp_path)})
    assert await run.end() == 0
    assert any("install alsa-utils" in line for line in run.lines)


async def test_at_a_terminal_the_bell_tells_the_verdict_unless_it_is_off_and_no_color_is_honoured(
    live_checkpoint, enrolment, program, tmp_path, monkeypatch
):
    alice = secrets.token_bytes(16)
    live_checkpoint.restrict(alice)
    monkeypatch.setenv("NO_COLOR", "1")
    for options, bells in (((), 3), (("--sound", "off"), 0)):
        ours, theirs = pty.openpty()
        state = tmp_path / "gate"
        run = await program("--state", state, "--enrol", enrolment, *options, stdin=theirs, stdout=theirs)
        await live_checkpoint.until(lambda run=run, ours=ours: run.heard_on(ours, "on line"))
        os.write(ours, f"ok 36.6\r{live_checkpoint.show(alice)}\rq\r".encode())
        await live_checkpoint.until(lambda run=run: run.process.returncode is not None)
        run.heard_on(ours, "")
        os.close(ours)
        os.close(theirs)
        assert "✖  禁止通行 DENY  ✖" in run.screen
        assert "█▀▀▀" in run.screen
        assert "\x1b[1;38" not in run.screen
        assert "48;5;" not in run.screen
        assert run.screen.count("\a") == bells


def test_the_command_is_declared_with_all_that_the_program_imports():
    """Whoever installs the project gets `lilitong-scanner`, and everything that it needs."""
    import ast

    project = tomllib.loads(PROJECT.read_text())["project"]
    assert project["scripts"] == {"lilitong-scanner": "scanner.__main__:main"}
    named = {name.split("<")[0].split(">")[0] for name in project["dependencies"]}
    source = PROJECT.parent / "src" / "scanner"
    imported = set()
    for path in source.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module)
    of = {
        "cryptography": "cryptography", "grpc": "grpcio", "rich": "rich", "google.protobuf": "protobuf",
        "google.rpc": "googleapis-common-protos", "lilitong": "lilitong-proto", "passes": "lilitong-passes",
        "daysets": "lilitong-daysets", "ledger": "lilitong-ledger", "verdicts": "lilitong-verdicts",
    }  # fmt: skip
    needed = {name for module, name in of.items() if any(f"{found}.".startswith(f"{module}.") for found in imported)}
    assert named == needed
