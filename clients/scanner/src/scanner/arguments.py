"""The command line: commands, options and help, in Chinese and English."""

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NoReturn

from scanner.render import Lang
from scanner.sound import Sound

WRONG_ARGUMENTS: Final = 2
RUN: Final = "run"
COMMANDS: Final = {
    RUN: ("扫码（默认命令）", "scan at the gate (what is done without a command)"),
    "new-device": ("生成本机密钥，显示登记所需信息", "make this device's key, print what the checkpoint lead enrols"),
    "enrol": ("读入卡口负责人发回的登记文件", "take the enrolment file that comes back"),
    "self-test": ("自检：设备、网络、名单、队列", "check the device, the network, the list and the queue"),
    "status": ("查看状态目录，不联网", "what the state folder says, without network"),
    "queue": ("查看、上传或清除记录", "see what waits for upload; upload it, clear what was not taken"),
}
EXIT_CODES: Final = (
    (0, "完成", "done; self-test and status: all is well"),
    (1, "自检或状态：需要注意", "self-test, status: something needs attention"),
    (2, "参数有误", "wrong arguments"),
    (3, "状态目录或登记不可用", "the state folder or the enrolment cannot be used"),
    (4, "自检或状态：有失败项", "self-test, status: something failed"),
    (5, "连不上服务器，未能上传", "the server was not reached, nothing was uploaded"),
    (130, "被 Ctrl-C 或信号中止", "ended by Ctrl-C or a signal"),
)
_FIRST_TIME: Final = """\
  lilitong-scanner new-device        # {info}
  lilitong-scanner enrol FILE        # {file}
  lilitong-scanner self-test
  lilitong-scanner                   # {daily}
"""


def language(arguments: Sequence[str]) -> Lang:
    """The language asked for anywhere on the line, which help is printed in; both unless one is."""
    words = [part for word in arguments for part in word.split("=", 1)]
    wanted = [after for word, after in pairwise(words) if word == "--lang"]
    return next((lang for lang in Lang if wanted and lang.value == wanted[-1]), Lang.BOTH)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """`command` and its options. Ends the program for --help and for what cannot be understood (exit code 2).

    The command is the first word; without one it is `run`.
    """
    lang = language(arguments)
    words = list(arguments)
    asks = not words or words[0] not in COMMANDS
    if asks and any(word in {"-h", "--help"} for word in words):
        sys.stdout.write(overview(lang))
        raise SystemExit(0)
    command = RUN if asks else words.pop(0)
    options = _parser(command, lang).parse_args(words)
    options.command = command
    return options


def overview(lang: Lang) -> str:
    """What --help prints."""
    lines = [lang.say("用法", "usage") + ": lilitong-scanner [COMMAND] [OPTIONS]", ""]
    lines += _said(
        lang,
        "在卡口验码。联网时由服务器判定，断网时按已验证的名单判定。",
        "Scans passes at a checkpoint: the server's verdict on line, the verified list's off line.",
    )
    lines += ["", lang.say("命令", "commands") + ":"]
    for name, texts in COMMANDS.items():
        first, *more = _said(lang, *texts)
        lines += [f"  {name:<12}{first}", *(" " * 14 + line for line in more)]
    lines += [
        "  " + lang.say("各命令的选项", "options of a command") + ": lilitong-scanner COMMAND --help",
        "",
        lang.say("首次使用", "the first time") + ":",
        _FIRST_TIME.format(
            info=lang.say("交给卡口负责人", "give it to the checkpoint lead"),
            file=lang.say("他发回的文件", "the file that comes back"),
            daily=lang.say("每天如此", "every day"),
        ).rstrip(),
        "",
        lang.say("退出码", "exit codes") + ":",
        *(f"  {code:<5}{lang.say(zh, en)}" for code, zh, en in EXIT_CODES),
    ]
    return "\n".join(lines) + "\n"


def _said(lang: Lang, zh: str, en: str) -> list[str]:
    return [text for text, shown in ((zh, lang is not Lang.EN), (en, lang is not Lang.ZH)) if shown]


class _Formatter(argparse.RawTextHelpFormatter):
    """Lines stay as they are written: the wrapping of argparse counts a Chinese character as one column."""

    lang = Lang.BOTH

    def add_usage(self, usage: str | None, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, prefix or self.lang.say("用法", "usage") + ": ")


class _Parser(argparse.ArgumentParser):
    lang = Lang.BOTH

    def error(self, message: str) -> NoReturn:
        """Says what is wrong and where help is, in one line."""
        said = self.lang.say("参数有误", "wrong arguments")
        sys.stderr.write(f"lilitong-scanner: {said}: {message}; lilitong-scanner --help\n")
        raise SystemExit(WRONG_ARGUMENTS)


def _parser(command: str, lang: Lang) -> argparse.ArgumentParser:
    def formatter(prog: str) -> argparse.HelpFormatter:
        made = _Formatter(prog)
        made.lang = lang
        return made

    prog = "lilitong-scanner" + ("" if command == RUN else f" {command}")
    description = "\n".join(_said(lang, *COMMANDS[command]))
    parser = _Parser(prog=prog, description=description, formatter_class=formatter, add_help=False)
    parser.lang = lang

    def say(zh: str, en: str) -> str:
        return "\n".join(_said(lang, zh, en))

    group = parser.add_argument_group(lang.say("选项", "options"))
    group.add_argument("-h", "--help", action="help", help=say("显示本说明", "this text"))
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    group.add_argument(
        "--state", type=Path, default=home / "lilitong-scanner", metavar="DIR", help=say("状态目录", "state folder")
    )
    languages = [each.value for each in Lang]
    group.add_argument(
        "--lang",
        choices=languages,
        default=Lang.BOTH.value,
        help=say("显示语言", "languages shown (both unless given)"),
    )
    group.add_argument(
        "--no-color", action="store_true", help=say("不用颜色（同 NO_COLOR=1）", "no colours, as NO_COLOR=1 does")
    )
    group.add_argument(
        "--plain", action="store_true", help=say("纯文本，供读屏软件使用", "words only, for screen readers and Braille")
    )
    if command == "enrol":
        group.add_argument("file", type=Path, metavar="FILE", help=say("登记文件", "enrolment file"))
    if command in {RUN, "self-test", "queue"}:
        _add_network(group, command, say)
    if command in {RUN, "self-test"}:
        group.add_argument(
            "--sound",
            choices=[each.value for each in Sound],
            default=Sound.BELL.value,
            help=say(
                "提示音：放行1声，请核实2声，禁止3声",
                "ALLOW one tone, REFER two, DENY three; wav needs aplay or the like",
            ),
        )
    if command == RUN:
        group.add_argument(
            "--enrol", "--enroll", type=Path, metavar="FILE", help=say("先读入登记文件", "take an enrolment file first")
        )
        group.add_argument(
            "--clock-offset",
            type=float,
            default=0.0,
            metavar="S",
            help=say(
                "本机时钟慢S秒（联网后自动校正）", "this machine's clock is S seconds behind, until the server is heard"
            ),
        )
    if command == "queue":
        group.add_argument("--upload", action="store_true", help=say("立即上传", "upload what waits, now"))
        group.add_argument(
            "--clear",
            action="store_true",
            help=say("清除未被接收的记录", "forget what was not taken, once it is noted"),
        )
    return parser


def _add_network(group: Any, command: str, say: Any) -> None:
    group.add_argument(
        "--target", metavar="HOST:PORT", help=say("另一服务器地址", "another address than the enrolment's")
    )
    group.add_argument(
        "--connect-seconds",
        type=float,
        default={RUN: 2.0, "self-test": 3.0, "queue": 10.0}[command],
        metavar="S",
        help=say("等待服务器的秒数", "how long to wait for the server")
        + ("; 0: off line" if command == "self-test" else ""),
    )
