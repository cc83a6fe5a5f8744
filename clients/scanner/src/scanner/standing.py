"""Checks on what the scanner holds and whom it reaches: log key, server, clock, list and queue."""

from typing import Final

import grpc
from verdicts.texts import Text

from scanner import render
from scanner.checks import Check, Level
from scanner.enrol import Device
from scanner.peek import Heard, Peek
from scanner.render import Lang

CLOCK_GOOD_S: Final = 5.0


def log_key(peek: Peek) -> Check:
    """The keys that prove denials."""
    name = Text("日志公钥", "log key")
    if not peek.pinned:
        fix = Text("运行 lilitong-scanner enrol 登记文件", "run lilitong-scanner enrol FILE")
        return Check(name, Level.FAILED, Text("没有", "none is known"), fix)
    keys = ", ".join(f"{log.name}+{log.key_hash.hex()}" for log in peek.pinned)
    return Check(name, Level.OK, Text(keys, keys))


def server(heard: Heard, target: str, device: Device) -> Check:
    """The checkpoint service: whether it is reached, and accepts this device."""
    name, failure = Text("服务器", "server"), heard.failure
    if failure is None:
        return Check(name, Level.OK, Text(f"{target} 已连接", f"{target} answers and accepts this device"))
    if failure.refused:
        fix = Text(
            f"请卡口负责人登记本设备（{device.device_id}），或确认是否已注销",
            f"ask the checkpoint lead to enrol device {device.device_id}, or whether it was revoked",
        )
        return Check(name, Level.FAILED, Text(f"{target} 拒绝本设备", f"{target} does not accept this device"), fix)
    if failure.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        fix = Text(
            "检查网络、地址和证书；离线可继续工作", "check network, address and server_ca; work goes on off line"
        )
        return Check(name, Level.ATTENTION, Text(f"{target} 连不上", f"{target} is not reached"), fix)
    word = failure.code.name
    fix = Text("请将此行告知运维", "tell operations this line")
    return Check(name, Level.FAILED, Text(f"{target} 出错 {word}", f"{target} fails with {word}"), fix)


def clock(peek: Peek, heard: Heard | None) -> Check:
    """The machine's clock against the server's; without a server, against what is known of the time."""
    name, fix = (
        Text("时钟", "clock"),
        Text("运行 timedatectl set-ntp true，或手动校时", "run timedatectl set-ntp true, or set it"),
    )
    if peek.clock.doubtful:
        return Check(name, Level.FAILED, Text("早于已知时间", "it is behind a time that is certainly past"), fix)
    if heard is None or heard.offset_seconds is None:
        said = Text("未能与服务器核对", "not compared: no server was heard")
        note = Text("联网后再核对一次", "compare it once there is network")
        return Check(name, Level.ATTENTION, said, note)
    off = heard.offset_seconds
    said = Text(f"与服务器相差 {-off:+.1f} 秒", f"{-off:+.1f} s against the server")
    if abs(off) <= CLOCK_GOOD_S:
        return Check(name, Level.OK, said)
    said = Text(f"{said.zh}（联网后自动校正）", f"{said.en}; corrected while the server is heard")
    return Check(name, Level.ATTENTION, said, fix)


def restricted_list(peek: Peek) -> Check:
    """Today's list: there, whole, and young enough to rely on."""
    name, now = Text("名单", "list"), peek.clock.now()
    age, limit = peek.list_age(now), peek.held.policy.list_max_age_seconds
    fix = Text("联网并等到显示在线", "go on line and wait until it says so")
    if age is None:
        said = Text("没有今天的名单，一律请核实", "none for today: everybody is REFER")
        return Check(name, Level.FAILED, said, fix)
    zh, en = (render.age(int(age), lang) for lang in (Lang.ZH, Lang.EN))
    if age > limit:
        said = Text(f"{zh}，已过期，一律请核实", f"{en}, past its {limit // 3600} h: everybody is REFER")
        return Check(name, Level.FAILED, said, fix)
    if not peek.held.complete(now) or peek.problems:
        said = Text(
            f"{zh}，{'；'.join(said.zh for said in peek.problems) or '不完整'}",
            f"{en}, {'; '.join(peek.problems) or 'parts are missing'}",
        )
        return Check(name, Level.ATTENTION, said, fix)
    level = Level.ATTENTION if age > limit / 2 else Level.OK
    return Check(name, level, Text(zh, en), fix if level else None)


def queue(peek: Peek) -> Check:
    """Scans to be uploaded."""
    name, found = Text("待上传", "queue"), peek.queue()
    if found.unreadable:
        fix = Text("清理磁盘后重启扫码程序", "make room on the disk and start the scanner again")
        return Check(name, Level.FAILED, Text("日志无法读取", f"cannot be read: {found.unreadable}"), fix)
    waiting, aside = len(found.waiting), len(found.aside)
    said = Text(f"{waiting} 条，未被接收 {aside} 条", f"{waiting} to upload, {aside} put aside")
    if found.overdue:
        said = Text(
            f"{said.zh}，超过72小时 {found.overdue} 条",
            f"{said.en}, {found.overdue} older than 72 h and no longer taken",
        )
        fix = Text("尽快联网，并向负责人报告", "go on line, and tell the checkpoint lead")
        return Check(name, Level.ATTENTION, said, fix)
    if aside:
        fix = Text(
            "lilitong-scanner queue 查看，记录后 --clear", "see lilitong-scanner queue; once noted, queue --clear"
        )
        return Check(name, Level.ATTENTION, said, fix)
    return Check(name, Level.OK, said)
