import pytest
from bench.p10_idle import Memory, Start, figures, kilobytes, memory

pytestmark = pytest.mark.feature("P10")

ROLLUP = """55d4-7ffd ---p 00000000 00:00 0                          [rollup]
Rss:              102400 kB
Pss:               61440 kB
Pss_Anon:          51200 kB
Pss_Shmem:             0 kB
Anonymous:         51200 kB
THPeligible:    0
"""


def test_a_lone_process_is_charged_what_is_resident():
    found = memory([kilobytes(ROLLUP)])
    assert found == Memory(charged=100.0, proportional=60.0, resident=100.0)


def test_what_a_forked_process_shares_is_charged_once():
    half = kilobytes(ROLLUP) | {"Pss_Anon": 25_600, "Pss": 35_840}
    found = memory([half, half])
    assert found == Memory(charged=100.0, proportional=70.0, resident=200.0)


def test_the_largest_and_the_slowest_service_carry_the_goals():
    def starts(seconds, charged):
        return [Start(seconds, 0.5, Memory(charged, 50, charged))] * 3

    size, start, *_ = figures({"venue": starts(2.5, 90.0), "gateway": starts(0.7, 130.0)})
    assert ("gateway" in size.figure, size.value, size.met) == (True, 130.0, False)
    assert ("venue" in start.figure, start.value, start.met) == (True, 2.5, False)
