"""Every byte of an archive is accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest

from film_archive.core.errors import FilmArchiveError
from tests.archive.making import Layout, check, check_bytes


def undetected(layout: Layout, places: list[int]) -> list[int]:
    found = []
    for at in places:
        try:
            if check_bytes(layout.flipped(at)).ok:
                found.append(at)
        except FilmArchiveError:
            pass  # it does not even open
    return found


def test_a_whole_archive_is_whole(two_generations: Path) -> None:
    result = check(two_generations)
    assert result.ok
    assert result.members_checked == 6


def test_each_flipped_byte_is_detected(two_generations: Path) -> None:
    layout = Layout(two_generations)
    places = layout.worth_flipping(gap_step=256)
    assert len(places) > 5000
    assert undetected(layout, places) == []


@pytest.mark.nightly
def test_each_flipped_byte_is_detected_in_gaps_too(two_generations: Path) -> None:
    layout = Layout(two_generations)
    assert undetected(layout, list(range(len(layout.data)))) == []


def test_each_cut_is_detected(two_generations: Path) -> None:
    data = two_generations.read_bytes()
    first_end = Layout(two_generations).superseded
    for length in [*range(0, len(data), 61), *range(len(data) - 300, len(data))]:
        if length == max(first_end) + 1:
            continue  # the first generation, whole
        try:
            result = check_bytes(data[:length])
        except FilmArchiveError:
            continue
        assert not result.ok, length


def test_bytes_behind_the_end_are_detected(two_generations: Path) -> None:
    data = two_generations.read_bytes()
    for junk in (b"\0", b"PK\5\6" + bytes(18), b"junk" * 1000):
        assert not check_bytes(data + junk).ok
