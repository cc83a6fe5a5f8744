"""A file that changed is noticed once, within a second, in whatever way it was changed."""

import os

import pytest
from chassis.files import Watch

pytestmark = pytest.mark.feature("X11")


@pytest.fixture
def files(tmp_path):
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_text("first")
    return [tmp_path / "tls.crt", tmp_path / "tls.key"]


def in_place(path):
    path.write_text("second")


def swapped_for_one_of_the_same_age_and_size(path):
    other = path.with_name("new")
    other.write_text("later")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


def behind_a_link(path):
    moved = path.with_name("moved")
    moved.write_text("first")
    path.unlink()
    path.symlink_to(moved)


@pytest.mark.parametrize("change", [in_place, swapped_for_one_of_the_same_age_and_size, behind_a_link])
def test_a_change_is_told_once_and_not_before_it_is_looked_for(files, ticks, change):
    watch = Watch(files, monotonic=ticks)
    ticks.now += 1
    assert not watch.changed()
    change(files[1])
    assert not watch.changed()  # looked at just now
    ticks.now += 1
    assert watch.changed()
    ticks.now += 1
    assert not watch.changed()


def test_what_could_not_be_used_is_told_again_and_what_is_away_is_no_change(files, ticks):
    watch = Watch(files, monotonic=ticks)
    in_place(files[0])
    ticks.now += 1
    assert watch.changed()
    watch.again()
    ticks.now += 1
    assert watch.changed()
    files[0].unlink()
    ticks.now += 1
    assert not watch.changed()


def test_what_was_not_read_yet_is_a_change_at_the_first_look(files, ticks):
    watch = Watch(files, read=False, monotonic=ticks)
    assert watch.changed()
    ticks.now += 1
    assert not watch.changed()
