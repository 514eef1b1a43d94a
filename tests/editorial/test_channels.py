"""The channels column."""

from __future__ import annotations

import pytest

from film_archive.editorial.channels import shows_picture, tracks_of, tracks_of_channels
from film_archive.editorial.edl import read_edl


@pytest.mark.parametrize(
    ("channels", "tracks"),
    [
        *(
            ("V", "V"),
            ("v1", "V"),
            ("V2", "V2"),
            ("A", "A1"),
            ("A2", "A2"),
            ("AA", "A1 A2"),
            ("B", "V A1"),
            ("NONE", ""),
        ),
        *(("AA/V", "A1 A2 V"), ("A2/V", "A2 V"), ("A12/V", "A1 A2 V"), ("A34", "A3 A4"), ("VA1", "V A1")),
        ("A1234V", "A1 A2 A3 A4 V"),
        *(
            ("A12", "A12"),
            ("A11", "A11"),
            ("A10", "A10"),
            ("A24", "A24"),
            ("A21", "A21"),
            ("KEY", "KEY"),
            ("V/X", "V/X"),
        ),
    ],
)
def test_tracks(channels: str, tracks: str) -> None:
    assert " ".join(tracks_of_channels(channels)) == tracks


def test_tracks_of_events() -> None:
    line = "001 R {} C 01:00:00:00 01:00:01:00 10:00:00:00 10:00:01:00\nAUD 3 4\n"
    (event,) = read_edl(line.format("B"))
    assert tracks_of(event) == ("V", "A1", "A3", "A4")
    assert shows_picture(event)
    assert not shows_picture(read_edl(line.format("AA")).events[0])
    assert not shows_picture(read_edl(line.format("NONE")).events[0])
    (short,) = read_edl("001 01:00:00:00 01:00:01:00")
    assert tracks_of(short) == ("V",)
    assert shows_picture(short)


def test_endless_channels() -> None:
    assert len(tracks_of_channels("A1" * 1_000_000)) < 100
