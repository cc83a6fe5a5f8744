from datetime import date
from functools import partial

import pytest
from daysets.index import DaySetIndex
from daysets.testing import MemoryLog


@pytest.fixture
def log() -> MemoryLog:
    """Its `segment` makes segments of one day unless told otherwise."""
    made = MemoryLog()
    made.segment = partial(made.segment, day=date(2022, 3, 14))
    return made


@pytest.fixture
def index(log: MemoryLog) -> DaySetIndex:
    return DaySetIndex(lambda: log.keys)
