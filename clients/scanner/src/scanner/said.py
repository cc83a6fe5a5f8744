"""A sentence for people, in both languages."""

from typing import Self


class Said(str):
    """The English sentence, which is what logs and programs compare; `zh` is the same in Chinese."""

    __slots__ = ("zh",)
    zh: str

    def __new__(cls, en: str, zh: str) -> Self:
        made = super().__new__(cls, en)
        made.zh = zh
        return made
