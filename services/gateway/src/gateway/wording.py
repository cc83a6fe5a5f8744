"""Refusals in words for people: what a pattern means instead of the pattern, and Chinese for who asks for it (product X9)."""

import re
from collections.abc import Mapping
from typing import Final

from chassis.errors import DomainError

from gateway.reasons import CHINESE

# Each pattern of the contracts, in English and Chinese.
PATTERNS: Final[Mapping[str, tuple[str, str]]] = {
    "^[0-9]{2,18}$": ("must be an area code of 2 to 18 digits", "应为 2 至 18 位数字的区划代码"),
    "^[0-9]{6,18}$": ("must be an area code of 6 to 18 digits", "应为 6 至 18 位数字的区划代码"),
    "^[0-9]{9,18}$": ("must be an area code of 9 to 18 digits", "应为 9 至 18 位数字的区划代码"),
    "^[0-9]{12,18}$": ("must be an area code of 12 to 18 digits", "应为 12 至 18 位数字的区划代码"),
    "^([0-9]{9,18})?$": ("must be empty or an area code of 9 to 18 digits", "应为空，或 9 至 18 位数字的区划代码"),
    "^([0-9]{2,18})?$": ("must be empty or an area code of 2 to 18 digits", "应为空，或 2 至 18 位数字的区划代码"),
    "^[0-9]{12}$": ("must be a community's area code of 12 digits", "应为 12 位数字的社区区划代码"),
    "^[a-z0-9-]{0,64}$": (
        "must be at most 64 lower-case letters, digits and hyphens",
        "最多 64 个小写字母、数字或连字符",
    ),
    "^[a-z0-9-]{1,64}$": ("must be 1 to 64 lower-case letters, digits and hyphens", "应为 1 至 64 个小写字母、数字或连字符"),
    "^[a-z][a-z0-9_]{1,39}$": (
        "must be 2 to 40 lower-case letters, digits and underscores, a letter first",
        "应为 2 至 40 个小写字母、数字或下划线，以字母开头",
    ),
    "^[1-9][0-9]{16}[0-9X]$": ("must be an identification number of 18 characters", "应为 18 位身份证号码"),
    "^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$": ("must be empty or a UUID", "应为空或 UUID"),
    "^([0-9a-f-]{36})?$": ("must be empty or a UUID in lower case", "应为空或小写的 UUID"),
    "^([0-9]{4}-[0-9]{2}-[0-9]{2})?$": ("must be a date like 2022-03-31", "应为日期，如 2022-03-31"),
    "^[A-Za-z0-9-]{4,60}$": ("must be 4 to 60 letters, digits and hyphens", "应为 4 至 60 个字母、数字或连字符"),
    "^[A-Za-z0-9-]{0,40}$": ("must be at most 40 letters, digits and hyphens", "最多 40 个字母、数字或连字符"),
    "^[A-Z0-9-]{6,30}$": ("must be 6 to 30 capital letters, digits and hyphens", "应为 6 至 30 个大写字母、数字或连字符"),
    "^[A-Z0-9-]{4,40}$": ("must be 4 to 40 capital letters, digits and hyphens", "应为 4 至 40 个大写字母、数字或连字符"),
    "^[A-Z]{2}$": ("must be a country's two capital letters (ISO 3166), like EC", "应为两个大写字母的国家代码，如 EC"),
    "^[0-9a-f]{64}$": ("must be a SHA-256 of 64 lower-case hexadecimal digits", "应为 64 位小写十六进制的 SHA-256"),
    "^[0-9A-Z]{0,18}$": ("must be at most 18 digits and capital letters", "最多 18 位数字或大写字母"),
    "^(\\+[1-9][0-9]{6,14})?$": (
        "must be a phone number with its country, like +8613800138000",
        "应为带国家代码的电话，如 +8613800138000",
    ),
}  # fmt: skip
_PATTERN: Final = re.compile(r"does not match regex pattern `(.*)`", re.DOTALL)
# What contracts and codec say of fields, by the form of the English text.
_CHINESE: Final = [
    (re.compile(form), chinese)
    for form, chinese in (
        (r"must be a valid UUID", "应为 UUID"),
        (r"value is required", "必填"),
        (r"is not a field of this request", "不是本请求的字段"),
        (r"must be an object", "应为对象"),
        (r"must be a string", "应为字符串"),
        (r"must be a list", "应为列表"),
        (r"must be true or false", "应为 true 或 false"),
        (r"may be given only once", "只能给一次"),
        (r"is no time that exists", "没有这样的时间"),
        (r"lies ahead", "在将来"),
        (r"is not one of: (.*)", r"应为以下之一：\1"),
        (r"must be a time as in RFC 3339, with its offset", "应为带时区的时间，如 2022-03-31T08:00:00+08:00"),
        (r"must be an integer from (-?\d+) to (-?\d+)", r"应为 \1 至 \2 的整数"),
        (r"must contain at least (\d+) item\(s\)", r"至少 \1 项"),
        (r"must contain no more than (\d+) item\(s\)", r"最多 \1 项"),
        (r"must be at least (\d+) characters?", r"至少 \1 个字"),
        (r"must be at most (\d+) characters?", r"最多 \1 个字"),
        (r"must be (\d+) bytes", r"应为 \1 字节"),
        (r"must be greater than (\d+)", r"应大于 \1"),
        (r"must be less than or equal to (\d+)", r"不能大于 \1"),
        (r"must be greater than or equal to (-?\d+) and less than or equal to (\d+)", r"应在 \1 至 \2 之间"),
        (r"is more than (\d+) days ago", r"早于 \1 天前"),
        (r"take it from the former page", "请用上一页返回的标记"),
        (r"a photo proves this way of serving", "这种送达方式须有照片为证"),
        (r"no finding for (.*)", r"缺少检查项：\1"),
    )
]


def detail(error: DomainError, lang: str) -> str:
    """What the refusal as a whole says."""
    return CHINESE.get(error.reason, error.message) if lang == "zh" else error.message


def of_field(text: str, lang: str) -> str:
    """What is wrong with one field; several faults are parted by semicolons. What has no words of its own stays as it is."""
    return "; ".join(_one(part, lang) for part in text.split("; "))


def _one(text: str, lang: str) -> str:
    pattern = _PATTERN.fullmatch(text)
    if pattern is not None:
        words = PATTERNS.get(pattern[1])
        return text if words is None else words[lang == "zh"]
    if lang != "zh":
        return text
    for form, chinese in _CHINESE:
        found = form.fullmatch(text)
        if found is not None:
            return found.expand(chinese)
    return text
