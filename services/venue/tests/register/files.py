"""Files as offices send them, good ones."""

import csv
import io

AREA = "141102001001"
TITLES = (
    "场所名称",
    "场所类别",
    "区划代码",
    "详细地址",
    "分区",
    "容量",
    "经营者",
    "负责人",
    "统一社会信用代码",
    "账号",
)


def row(number=1, **given):
    """A good row; `given` replaces cells by title."""
    cells = {
        "场所名称": f"店铺{number}号",
        "场所类别": "餐饮",
        "区划代码": AREA,
        "详细地址": f"滨河路{number}号",
        "分区": "大厅",
        "容量": "80",
        "经营者": f"经营{number}",
        "负责人": f"负责{number}",
        "统一社会信用代码": f"91141102{number:010d}",
        "账号": f"shop-{number}",
    }
    return tuple((cells | given).values())


def text(rows, *, titles=TITLES, delimiter=",", end="\r\n"):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=end).writerows([titles, *rows])
    return out.getvalue()


def many(count, **given):
    return text([row(number, **given) for number in range(1, count + 1)])
