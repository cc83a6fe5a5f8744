"""What the self-test looks at, one check at a time, each with what was found and what to do about it."""

import shutil
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from statistics import median
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from daysets.index import DaySetIndex
from passes import cose, presentation
from passes.days import local_day
from passes.pass_token import IssuerKey, Pass, issue
from passes.replay import ReplayGuard
from verdicts.credential import Shown, read
from verdicts.texts import Text

from scanner import enrol
from scanner.clock import SystemClock
from scanner.keyboard import Lines, codes, is_code
from scanner.state import StateError, replace_file

ENOUGH_BYTES: Final = 50_000_000
LEAST_BYTES: Final = 2_000_000
"""A full queue of 72 h takes about this much."""
SLOW_MS: Final = 50.0
_ROUNDS: Final = 21
_MEGA: Final = 1_000_000


class Level(IntEnum):
    """ATTENTION: work goes on, but somebody should look. FAILED: this scanner does not do its work."""

    OK = 0
    ATTENTION = 1
    FAILED = 2


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. fix: what to do; None when nothing is to be done."""

    name: Text
    level: Level
    found: Text
    fix: Text | None = None


def key(folder: Path) -> Check:
    """The device's key: there, of the right kind, and readable by its owner only."""
    name, path = Text("设备密钥", "device key"), folder / enrol.DEVICE
    try:
        device = enrol.read_device(folder)
    except StateError as error:
        fix = Text("恢复该文件，或换新目录重新登记", "restore the file, or enrol anew into a new folder")
        return Check(name, Level.FAILED, Text(f"无法使用：{error.zh}", f"cannot be used: {error}"), fix)
    if device is None:
        fix = Text("运行 lilitong-scanner new-device", "run lilitong-scanner new-device")
        return Check(name, Level.FAILED, Text("没有密钥", "there is none"), fix)
    mode = stat.S_IMODE(path.stat().st_mode)
    said = Text(f"设备 {device.device_id}，权限 {mode:04o}", f"device {device.device_id}, mode {mode:04o}")
    if mode & 0o077:
        fix = Text(f"运行 chmod 600 {path}", f"run chmod 600 {path}")
        return Check(name, Level.FAILED, Text(f"他人可读：{said.zh}", f"others may read it: {said.en}"), fix)
    return Check(name, Level.OK, said)


def folder(path: Path) -> Check:
    """The state folder takes a synced write, and has room for the queue of an outage."""
    name = Text("状态目录", "state folder")
    try:
        replace_file(path / ".self-test", b"x" * 4096)
        (path / ".self-test").unlink()
    except OSError as error:
        fix = Text("清理磁盘，检查目录权限", "make room on the disk, check who owns the folder")
        return Check(name, Level.FAILED, Text(f"写不进：{path}", f"cannot be written ({error.strerror}): {path}"), fix)
    free = shutil.disk_usage(path).free
    said = Text(f"可写，剩余 {free // _MEGA} MB", f"writable, {free // _MEGA} MB free")
    if free < ENOUGH_BYTES:
        level = Level.FAILED if free < LEAST_BYTES else Level.ATTENTION
        fix = Text(
            f"在 {path} 所在磁盘腾出 50 MB 以上", f"free 50 MB or more on the disk of {path}: an outage fills it"
        )
        return Check(name, level, said, fix)
    return Check(name, Level.OK, said)


def signature() -> Check:
    """A pass of a made-up person, verified as at the gate: both signatures, freshness, replay. Median of 21."""
    name, took = Text("验签", "signature check"), []
    issuer, phone, now = generate_private_key(SECP256R1()), generate_private_key(SECP256R1()), SystemClock().now()
    token = issue(Pass(local_day(now), (bytes(16),), cose.point_of(phone.public_key()), ""), issuer, b"selftest")
    keys, lists, good = {b"selftest": IssuerKey(issuer.public_key())}, DaySetIndex(tuple), True
    shown = presentation.present(token, phone, now, presence=1).to_text()
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        found = read(shown, keys=keys, lists=lists, drills=(), replays=ReplayGuard(), use=bytes(8), now=now)
        took.append((time.perf_counter() - began) * 1000)
        good = good and isinstance(found, Shown) and found.failure is None
    ms = median(took)
    said = Text(f"{ms:.2f} 毫秒", f"{ms:.2f} ms")
    if not good:
        fix = Text("重新安装扫码程序", "install the scanner program anew")
        return Check(name, Level.FAILED, Text("正确的码未通过", "a good pass does not pass"), fix)
    if ms > SLOW_MS:
        fix = Text("关闭其他程序，或更换设备", "end other programs, or use a faster device")
        return Check(name, Level.ATTENTION, said, fix)
    return Check(name, Level.OK, said)


def wedge() -> Check:
    """A pass typed as a wedge scanner types it comes out as it went in, whatever ends it."""
    name = Text("扫码解析", "decoding of input")
    issuer, phone, now = generate_private_key(SECP256R1()), generate_private_key(SECP256R1()), SystemClock().now()
    token = issue(Pass(local_day(now), (bytes(16),), cose.point_of(phone.public_key()), ""), issuer, b"selftest")
    text = presentation.present(token, phone, now, presence=1).to_text()
    for end in (b"\r", b"\n", b"\r\n", b"\t"):
        lines = Lines()
        if [code for line in lines.feed(text.encode() * 2 + end) for code in codes(line)] != [text, text]:
            fix = Text("重新安装扫码程序", "install the scanner program anew")
            return Check(name, Level.FAILED, Text("解析错误", "a code is not what was typed"), fix)
    return Check(name, Level.OK, Text(f"{len(text)} 个字符，四种结束键", f"{len(text)} characters, four kinds of end"))


def scanned(line: str | None) -> Check:
    """What a trigger pull brought in. line: what was typed; None when nothing came, "" when staff skipped it."""
    name = Text("扫码枪", "handheld scanner")
    layout = Text(
        "将扫码枪键盘布局设为美式（US），关闭大小写转换", "set the handheld to the US keyboard layout, case unchanged"
    )
    if line is None:
        fix = Text("检查连线和电量，再试一次", "check cable and battery, and try again")
        return Check(name, Level.ATTENTION, Text("没有收到", "nothing came in"), fix)
    if not line:
        fix = Text("下次自检时扫一个码", "scan a code at the next self-test")
        return Check(name, Level.ATTENTION, Text("已跳过，未测试", "skipped, not tested"), fix)
    if is_code(line):
        return Check(
            name, Level.OK, Text(f"收到 {len(line)} 个字符，是有效码", f"{len(line)} characters, a pass or card")
        )
    if line[:4].upper() in {"LLT1", "LLC1"}:
        said = Text("收到的码有误", f"{len(line)} characters, and not as they were printed")
        return Check(name, Level.FAILED, said, layout)
    said = Text(f"收到 {len(line)} 个字符，不是通行码", f"{len(line)} characters, which are no pass")
    return Check(name, Level.ATTENTION, said, Text("请扫一个通行码或纸质卡", "scan a pass or a paper card"))


def worst(checks: Sequence[Check]) -> Level:
    """The level of the whole."""
    return max((check.level for check in checks), default=Level.OK)
