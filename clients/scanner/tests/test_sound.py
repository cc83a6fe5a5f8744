"""What is heard: so many tones, never late for the next person, and nothing that can hold up a gate."""

import asyncio
import io
import itertools
import time
import wave

import pytest
from scanner.sound import TONES, Sound, Speaker, find_player, waveform
from verdicts.model import Verdict

pytestmark = pytest.mark.feature("C2")


def speaker(sound=Sound.BELL, **more):
    rung = []
    return rung, Speaker(sound, lambda: rung.append(time.monotonic()), **more)


@pytest.mark.parametrize(("verdict", "times"), [(Verdict.ALLOW, 1), (Verdict.REFER, 2), (Verdict.DENY, 3)])
async def test_the_bell_rings_once_to_pass_twice_to_ask_three_times_to_stop(verdict, times):
    rung, heard = speaker()
    heard.play(verdict)
    await heard.finished()
    assert len(rung) == times
    assert all(after - before > 0.15 for before, after in itertools.pairwise(rung))


async def test_the_next_verdict_silences_what_is_left_of_the_last():
    rung, heard = speaker()
    heard.play(Verdict.DENY)
    await asyncio.sleep(0.05)
    heard.play(Verdict.ALLOW)
    await heard.finished()
    await asyncio.sleep(0.3)
    assert len(rung) == 2


async def test_off_is_silent():
    rung, heard = speaker(Sound.OFF)
    heard.play(Verdict.DENY)
    await heard.finished()
    assert rung == []


async def test_without_a_player_the_bell_is_heard_and_that_is_known(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_player() is None
    rung, heard = speaker(Sound.WAV)
    heard.play(Verdict.REFER)
    await heard.finished()
    assert (heard.fell_back, heard.sound, len(rung)) == (True, Sound.BELL, 2)


@pytest.mark.parametrize(("code", "bells"), [(0, 0), (1, 2)])
async def test_a_player_gets_the_file_and_one_that_fails_is_replaced_by_the_bell(tmp_path, monkeypatch, code, bells):
    program = tmp_path / "aplay"
    program.write_text(f'#!/bin/sh\n/bin/cp "$1" {tmp_path}/heard.wav\nexit {code}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    rung, heard = speaker(Sound.WAV)
    heard.play(Verdict.REFER)
    await heard.finished()
    heard.close()
    assert (heard.fell_back, len(rung)) == (False, bells)
    assert (tmp_path / "heard.wav").read_bytes() == waveform(TONES[Verdict.REFER])


def test_tones_differ_in_number_pitch_and_length():
    assert len({tones.times for tones in TONES.values()}) == 3
    pitches = sorted(tones.pitch for tones in TONES.values())
    assert all(high / low > 1.5 for low, high in itertools.pairwise(pitches))
    with wave.open(io.BytesIO(waveform(TONES[Verdict.DENY]))) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(3 * (0.35 + 0.12), abs=0.01)


def test_the_bell_of_a_pipe_is_silent(capsys):
    from scanner.sound import terminal_bell

    terminal_bell()
    assert capsys.readouterr().out == ""
