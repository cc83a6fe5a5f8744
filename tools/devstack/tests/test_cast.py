"""The demo's people are the same on every run, and none of them stands where the story does not want them."""

import io
import os
import re
import subprocess
from collections import Counter
from datetime import date

import pytest
from devstack import memory
from devstack.demo.cast import HOURS_AGO, cast, elsewhere
from devstack.demo.people import households, id_number
from devstack.demo.places import FENGSHAN, FENGSHAN_VENUES, areas, venues
from devstack.demo.scenes import by_area
from devstack.leaflet import _within_quotes
from devstack.teller import Teller, duration


def ids(phones):
    return [phone.resident_id for phone in phones]


@pytest.mark.parametrize("contacts", [7, 20, 200])
def test_as_many_people_as_asked_come_to_be_restricted(contacts):
    players = cast(contacts)
    assert len({*ids(players.close_contacts()), *ids(players.family)}) == contacts


def test_too_few_contacts_for_four_outings_are_refused():
    with pytest.raises(ValueError, match="at least 7"):
        cast(6)


def test_nobody_plays_two_parts():
    players = cast(200)
    everybody = ids(players.phones())
    assert max(Counter(everybody).values()) == 1
    assert players.card_holder not in everybody


def test_nobody_else_shares_a_household_with_a_part_that_matters():
    """The index person's household is restricted with them: the others of the cast must live elsewhere."""
    players = cast(200)
    home = next(
        home
        for home in players.households
        if players.index.resident_id in {m["resident_id"] for m in home["residents"]}
    )
    members = {member["resident_id"] for member in home["residents"]}
    assert members == {players.index.resident_id, *ids(players.family)}


def test_others_are_never_where_the_case_was():
    players = cast(200)
    places = {outing.place for outing in players.outings}
    assert len(places) == len(HOURS_AGO)
    for number in range(len(HOURS_AGO)):
        assert places.isdisjoint(elsewhere(players, 600, f"outing {number}"))


def test_two_runs_are_alike():
    first, second = cast(50), cast(50)
    assert ids(first.phones()) == ids(second.phones())
    assert [outing.place for outing in first.outings] == [outing.place for outing in second.outings]
    assert first.households == second.households


def test_the_district_has_the_published_number_of_venues_in_all_categories():
    registered = venues()
    assert len(registered) == FENGSHAN_VENUES == 3801
    assert len({venue["category"] for venue in registered}) == 13
    assert all(venue["area"].startswith(FENGSHAN) and "演示" in venue["name"] for venue in registered)
    assert max(Counter(venue["venue_id"] for venue in registered).values()) == 1


def test_the_areas_are_the_real_ones_of_the_district():
    assert Counter(area.level for area in areas()) == {"province": 1, "city": 1, "county": 1, "township": 11}


def test_identification_numbers_are_distinct_and_pass_the_standards_check():
    numbers = [member["id_number"] for home in households(600) for member in home["residents"]]
    assert len(set(numbers)) == len(numbers) > 1500
    for number in numbers:
        # ISO 7064 MOD 11-2: the weighted sum of all eighteen characters is 1 modulo 11.
        values = [10 if character == "X" else int(character) for character in number]
        assert sum(value * 2 ** (17 - place) for place, value in enumerate(values)) % 11 == 1


def test_the_standards_own_example_of_an_identification_number():
    assert id_number(date(1949, 12, 31), 2)[6:17] == "19491231002"


def test_people_are_counted_by_sub_district_most_first():
    counts = [
        {"area": "141102003001", "people": 2},
        {"area": "141102002001", "people": 2},
        {"area": "141102002006", "people": 1},
    ]
    assert by_area(counts) == "凤山街道 3, 莲花池街道 2"


def test_a_story_in_a_file_is_plain_lines_with_times():
    stream = io.StringIO()
    teller = Teller(stream)
    teller.chapter("One")
    with teller.step("counted [bold]things[/bold]"):
        teller.progress("things", 1, 2)
    teller.warn("look")
    assert re.fullmatch(r"\n1 · One\n    counted \[bold\]things\[/bold\]  \[\d+ ms\]\n  ! look\n", stream.getvalue())


@pytest.mark.parametrize(("seconds", "text"), [(0.0004, "0 ms"), (0.25, "250 ms"), (1.0, "1.0 s"), (61.26, "61.3 s")])
def test_durations_are_short(seconds, text):
    assert duration(seconds) == text


def test_text_within_quotes_of_a_shell_stays_as_it_is():
    text = r'LLV1:A$B *%`"\+-./:'
    assert subprocess.check_output(["sh", "-c", f'printf %s "{_within_quotes(text)}"'], text=True) == text


def test_memory_counts_a_process_and_its_children():
    with subprocess.Popen(["sleep", "30"]) as child:
        found = memory.family([os.getpid()])
        child.kill()
    assert {os.getpid(), child.pid} <= set(found)
