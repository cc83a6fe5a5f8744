"""A corpus of hostile files, made in code: the same bytes each time, what is random goes by seeds.

`CORPUS`: group → its files. `BOMBS`: the groups whose files are large or take long.
"""

from . import hostile_cells, hostile_tables, hostile_texts
from .hostile_making import Hostile

CORPUS: dict[str, list[Hostile]] = {
    "encodings": hostile_texts.encodings(),
    "cut": hostile_texts.cut(),
    "flipped": hostile_texts.flipped(),
    "quotes": hostile_tables.quotes(),
    "long": hostile_tables.long(),
    "no texts": hostile_texts.no_texts(),
    "formulas": hostile_cells.formulas(),
    "line ends": hostile_texts.line_ends(),
    "titles": hostile_tables.titles(),
    "letters": hostile_cells.letters(),
    "numbers": hostile_cells.numbers(),
}
BOMBS = ("long", "quotes")
