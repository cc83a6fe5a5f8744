"""Areas and venues of the demo district."""

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from uuid import UUID, uuid5

from devstack.api import Json

DISTRICT = "141102"
BINHE = "141102001"
FENGSHAN = "141102002"
LIANHUACHI = "141102003"
FENGSHAN_VENUES = 3801
COMMUNITIES = 6  # synthetic, below each sub-district
NAMESPACE = UUID("8c1f3c1e-0000-4000-8000-141102000000")

# Category, share of the venues in percent, words of a name, capacity.
CATEGORIES = (
    ("community", 2, ("小区服务站", "社区活动室"), 200),
    ("hotel", 3, ("宾馆", "快捷酒店"), 150),
    ("supermarket", 18, ("超市", "便利店"), 80),
    ("mall", 1, ("商场", "购物广场"), 2000),
    ("farmers_market", 2, ("农贸市场", "菜市场"), 600),
    ("restaurant", 26, ("面馆", "饭店", "小吃店"), 60),
    ("school_training", 4, ("培训学校", "幼儿园"), 400),
    ("clinic_pharmacy", 7, ("诊所", "药店"), 40),
    ("entertainment", 4, ("网吧", "棋牌室"), 80),
    ("sports", 2, ("健身房", "乒乓球馆"), 100),
    ("passenger_station", 1, ("客运站", "公交枢纽"), 800),
    ("service_shop", 28, ("理发店", "五金店", "服装店", "办事大厅"), 40),
    ("cold_chain", 2, ("冷链仓库", "冷冻食品店"), 30),
)
WORDS = ("福", "祥", "和", "顺", "兴", "泰", "安", "康", "佳", "美", "春", "华", "金", "星", "宏", "达")


@dataclass(frozen=True, slots=True)
class Area:
    """A node of the administrative tree."""

    code: str
    name: str
    level: str


def areas() -> list[Area]:
    """Province, city, district and its real sub-districts and townships."""
    text = (files("devstack.demo") / "divisions.csv").read_text(encoding="utf-8")
    return [Area(row["code"], row["name"], row["level"]) for row in csv.DictReader(text.splitlines())]


def townships() -> list[Area]:
    """The eleven sub-districts and townships."""
    return [area for area in areas() if area.level == "township"]


def community(township: str, number: int) -> str:
    """Code of a synthetic community; `number` counts from 0."""
    return f"{township}{number % COMMUNITIES + 1:03d}"


def categories(count: int) -> Iterator[int]:
    """Indices into CATEGORIES in their shares; each category occurs."""
    for index, (_, share, _, _) in enumerate(CATEGORIES):
        yield from [index] * max(1, count * share // 100)


def venues(township: str = FENGSHAN, count: int = FENGSHAN_VENUES) -> list[Json]:
    """Registrations of `count` synthetic venues of a sub-district, the same on every call."""
    random_ = random.Random(f"venues/{township}")
    kinds = list(categories(count))[:count]
    kinds += [11] * (count - len(kinds))
    registrations = []
    for number, kind in enumerate(kinds):
        category, _, words, capacity = CATEGORIES[kind]
        name = f"{''.join(random_.sample(WORDS, 2))}{random_.choice(words)}(演示{number + 1})"
        registrations.append(
            {
                "request_id": str(uuid5(NAMESPACE, f"request/{township}/{number}")),
                "venue_id": str(uuid5(NAMESPACE, f"venue/{township}/{number}")),
                "name": name,
                "category": category,
                "area": community(township, number),
                "address": f"演示街{number + 1}号",
                "zones": [{"name": "大厅", "capacity": capacity}],
                "operators": [operator(number)],
                "drill_id": "",
            }
        )
    return registrations


def operator(number: int) -> str:
    """The business account that runs venue `number`; ten accounts share the demo's venues."""
    return f"operator-{number % 10}"
