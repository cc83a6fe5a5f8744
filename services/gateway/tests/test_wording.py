"""Refusals are said in words that a person can act on, in Chinese for who asks for it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from chassis.errors import DomainError, Kind
from gateway import wording
from gateway.operations import rules_of
from gateway.problems import problem
from gateway.reasons import CHINESE
from gateway.routes import OPERATIONS

pytestmark = pytest.mark.feature("X9")
ROOT = Path(__file__).resolve().parents[3]
SOURCES = ("libs/chassis/src", "services/venue/src", "services/quarantine/src", "services/gateway/src")
# Of devices and scanners, whose programs read the reason.
MACHINES = {"NO_CALLER", "NO_WORKLOAD_TOKEN"}
HAN = re.compile(r"[\u4e00-\u9fff]")


def reasons() -> Iterator[str]:
    """The reason of every refusal that is written as `…(Kind.X, "REASON", …)`."""
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call):
                    for kind, reason in zip(node.args, node.args[1:], strict=False):
                        if (
                            isinstance(kind, ast.Attribute)
                            and isinstance(kind.value, ast.Name)
                            and kind.value.id == "Kind"
                            and isinstance(reason, ast.Constant)
                            and isinstance(reason.value, str)
                        ):
                            yield reason.value


def patterns(descriptor, seen) -> Iterator[str]:
    if descriptor.full_name in seen or not descriptor.full_name.startswith("lilitong."):
        return
    seen.add(descriptor.full_name)
    for field in descriptor.fields:
        rules = rules_of(field)
        yield from filter(None, (rules.string.pattern, rules.repeated.items.string.pattern))
        if field.message_type is not None:
            yield from patterns(field.message_type, seen)


def test_every_refusal_is_said_in_chinese_too():
    found = set(reasons())
    assert len(found) > 150
    assert sorted(found - CHINESE.keys() - MACHINES) == []
    assert [reason for reason, text in CHINESE.items() if not HAN.search(text) or not text.endswith("。")] == []


def test_every_pattern_that_a_request_may_break_has_words():
    seen: set[str] = set()
    found = {each for operation in OPERATIONS for each in patterns(operation.rpc.takes, seen)}
    assert len(found) > 10
    assert sorted(found - wording.PATTERNS.keys()) == []


@pytest.mark.parametrize(
    ("text", "english", "chinese"),
    [
        (
            "does not match regex pattern `^[0-9]{2,18}$`",
            "must be an area code of 2 to 18 digits",
            "应为 2 至 18 位数字的区划代码",
        ),
        ("must contain at least 1 item(s)", "must contain at least 1 item(s)", "至少 1 项"),
        ("is not one of: letter, notice", "is not one of: letter, notice", "应为以下之一：letter, notice"),
        ("must be a valid UUID; lies ahead", "must be a valid UUID; lies ahead", "应为 UUID; 在将来"),
        ("something new", "something new", "something new"),
        ("does not match regex pattern `x`", "does not match regex pattern `x`", "does not match regex pattern `x`"),
    ],
)
def test_what_is_wrong_with_a_field_is_said_in_words(text, english, chinese):
    assert (wording.of_field(text, "en"), wording.of_field(text, "zh")) == (english, chinese)


def test_a_problem_speaks_the_language_asked_for_and_its_reason_is_the_same_in_both():
    error = DomainError(Kind.PRECONDITION, "VENUE_CLOSED", "This venue is closed for good.")
    assert [problem(error, lang=lang)["detail"] for lang in ("en", "zh")] == [
        "This venue is closed for good.",
        "该场所已注销。",
    ]
    unknown = DomainError(Kind.PRECONDITION, "MADE_UP", "In English alone.")
    assert problem(unknown, lang="zh")["detail"] == "In English alone."
    assert {problem(error, lang=lang)["reason"] for lang in ("en", "zh")} == {"VENUE_CLOSED"}


async def test_an_officer_who_reads_chinese_is_told_what_to_mend(door):
    headers = door.headers("venue_officer") | {"Accept-Language": "zh-CN,zh;q=0.9"}
    response = await door.client.get("/v1/venues?area=风山", headers=headers)
    said = response.json()
    assert (response.status_code, said["detail"]) == (400, "请求内容不符合要求，请看各字段的说明。")
    assert said["errors"] == [{"parameter": "area", "detail": "应为 2 至 18 位数字的区划代码"}]
