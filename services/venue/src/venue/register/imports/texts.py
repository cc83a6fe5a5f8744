"""What each reason of an import says to whoever sent the file, in Chinese and English (product X9). Pure."""

from collections.abc import Mapping
from typing import Final

from verdicts.texts import Text

_UNKNOWN: Final = Text("请核对此处内容", "Check what stands here")
FAILURES: Final[Mapping[str, Text]] = {
    "ABANDONED": Text("文件一直未上传完整，请重新导入", "The file never came in full; import it again"),
    "COLUMN_MISSING": Text("缺少必需的列，请补上", "A column that is needed is missing; add it"),
    "COLUMN_TWICE": Text("两列表示同一内容，请只保留一列", "Two columns say the same; keep one of them"),
    "EMPTY": Text("文件中没有内容", "There is nothing in the file"),
    "ENCODING_UNKNOWN": Text(
        "无法识别文字编码，请另存为 UTF-8 或 GB18030", "The encoding is not known; save the file as UTF-8 or GB18030"
    ),
    "ENCODING_UTF_16": Text(
        "文件是 UTF-16 编码，请另存为 UTF-8 或 GB18030", "The file is in UTF-16; save it as UTF-8 or GB18030"
    ),
    "INTERNAL": Text(
        "系统处理此文件时出错，已完成的行有效，请联系管理员",
        "The service failed at this file; what it has registered stands. Tell the operators",
    ),
    "NOT_A_TEXT": Text("这不是 CSV 文本文件", "This is no CSV file but something else"),
    "TOO_MANY_LINES": Text("文件行数过多，请拆分后导入", "The file has too many lines; divide it"),
    "TOO_MANY_ROWS": Text(
        "文件数据行过多，其余各行请另行导入", "The file has too many rows; import the rest by itself"
    ),
}
"""Why a whole file was not taken, or not to its end."""
ROWS: Final[Mapping[str, Text]] = {
    "AREA_INVALID": Text("区划代码应为 9 至 18 位数字", "The area is to be a code of 9 to 18 digits"),
    "AREA_OUTSIDE_IMPORT": Text("该区划不在本次导入的范围内", "This area is outside the import's own"),
    "CAPACITY_COUNT": Text("容量个数应为一个，或与分区个数相同", "Give one capacity, or as many as there are zones"),
    "CAPACITY_INVALID": Text("容量应为 1 至 100000 的整数", "A capacity is a whole number from 1 to 100,000"),
    "CATEGORY_UNKNOWN": Text("没有这一场所类别", "There is no such category of venues"),
    "LICENCE_INVALID": Text(
        "统一社会信用代码最多 18 位数字或字母", "A licence number has at most 18 digits and letters"
    ),
    "MISSING": Text("此列必填", "This column is needed"),
    "MORE_FIELDS_THAN_COLUMNS": Text(
        "本行的单元格多于标题列，可能有未加引号的逗号",
        "The row has more cells than there are titles; a comma may stand without quotes",
    ),
    "NOT_READABLE": Text("含有无法显示的字符，请重新输入", "It has characters that cannot be shown; type it again"),
    "OPERATORS_INVALID": Text(
        "账号过多、过长或含有无法显示的字符", "Accounts are too many, too long or have characters that cannot be shown"
    ),
    "QUOTE_MISPLACED": Text("引号后面还有内容，请检查引号", "Something follows a closing quote; look at the quotes"),
    "QUOTE_NOT_CLOSED": Text("引号没有成对", "A quote is not closed"),
    "REGISTERED_DIFFERENTLY": Text(
        "该场所已登记而内容不同，请在场所登记中修改",
        "This venue is registered with other particulars; change it through the register",
    ),
    "ROW_CUT_OFF": Text(
        "最后一行不完整，文件可能没有传完或保存完",
        "The last row is cut off; the file may not have been saved or sent whole",
    ),
    "ROW_TOO_LONG": Text("本行过长，可能缺少引号或换行", "The row is too long; a quote or a line end may be missing"),
    "TOO_LONG": Text("内容过长", "This is too long"),
    "TOO_MANY_COLUMNS": Text("列数过多", "There are too many columns"),
    "ZONES_INVALID": Text(
        "分区过多、名称过长或含有无法显示的字符", "Zones are too many, too long or have characters that cannot be shown"
    ),
    "ZONE_TWICE": Text("分区名称重复", "Two zones have the same name"),
}
"""What is wrong with a row or a cell of it; of the row of titles this ends the whole import."""


def text_of(reason: str) -> Text:
    """`reason` as stored: a word, and behind a colon what it is about."""
    word, _, about = reason.partition(": ")
    said = FAILURES.get(word) or ROWS.get(word, _UNKNOWN)
    return Text(f"{said.zh}：{about}", f"{said.en}: {about}") if about else said
