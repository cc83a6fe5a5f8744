"""Frames to draw from, made by hand or by Hypothesis."""

from hashlib import sha256
from itertools import product

from hypothesis import strategies as st
from venue.spotcheck.drawing import Candidate, Frame, FrameError, Inspector, check

COMMUNITIES = [f"14110200{sub}00{community}" for sub, community in product((1, 2), (1, 2, 3))]


def seed(number):
    return sha256(f"seed {number}".encode()).digest()


def frame(venues, inspectors, *, per_mille=500, digits=9):
    """`venues`: (id, area, category), `inspectors`: (id, team, home)."""
    return Frame(
        "141102",
        digits,
        per_mille,
        tuple(Candidate(*each) for each in venues),
        tuple(Inspector(*each) for each in inspectors),
    )


@st.composite
def frames(draw, most_venues=30, most_inspectors=12):
    """Frames that can be drawn from, in any order."""
    venues = draw(
        st.lists(st.tuples(st.sampled_from(COMMUNITIES), st.integers(1, 3)), min_size=1, max_size=most_venues)
    )
    homes = draw(
        st.lists(
            st.tuples(st.sampled_from(("team-a", "team-b")), st.sampled_from(COMMUNITIES)),
            min_size=2,
            max_size=most_inspectors,
        )
    )
    made = frame(
        [(f"venue-{number}", area, category) for number, (area, category) in enumerate(venues)],
        # Two who are at home nowhere near: every frame can be drawn from.
        [
            (f"inspector-{number}", *each)
            for number, each in enumerate([*homes, ("team-c", "9" * 12), ("team-c", "9" * 12)])
        ],
        per_mille=draw(st.integers(1, 1000)),
        digits=draw(st.sampled_from((6, 9, 12))),
    )
    check(made)
    return made


def possible(made):
    """Whether `check` lets it through."""
    try:
        check(made)
    except FrameError:
        return False
    return True
