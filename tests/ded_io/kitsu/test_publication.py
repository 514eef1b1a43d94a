"""What is registered: what Kitsu can hold, how it is kept, what makes two of them the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ded_io.kitsu.publication import PreviewState, Publication, Published
from film_archive.core.errors import Damaged, UsageError
from film_archive.core.timecode import FrameRate
from tests.ded_io.kitsu.plates import frames, plate


def test_it_is_read_back_as_it_was_written() -> None:
    whole = plate(
        "Film",
        fps=FrameRate(24000, 1001),
        preview=Path("/x/\udcff.mp4"),
        comment="近藤 \N{FILM FRAMES}\nsecond",
        metadata={"reel": "A001"},
        project_id="17",
    )
    assert Publication.from_json(json.loads(json.dumps(whole.to_json()))) == whole
    assert whole.to_json()["fps"] == "24000/1001"


@pytest.mark.parametrize("fps", ["24", "1/0", "0/1", "-24/1", "24/1/1", "x", "1e9/1", f"{'9' * 50}/1", 24, None])
def test_rates_that_are_none_are_damage(fps: object) -> None:
    with pytest.raises(Damaged):
        Publication.from_json({**plate("Film").to_json(), "fps": fps})


@pytest.mark.parametrize(
    "changes",
    [
        {"project": ""},
        {"project": "p" * 81},
        {"shot": "a\nb"},
        {"sequence": " sht"},
        {"element": "\ud800"},
        {"name": "n" * 251},
        {"task_type": "t" * 41},
        {"status": "s" * 11},
        {"version": 0},
        {"version": 1_000_000},
        {"frame_out": 1000},
        {"head_handle": -1},
        {"output_files": (frames(), frames(path=Path("/other.exr")))},
        {"preview": Path("/x/a.exr")},
        {"preview": Path("/x/a")},
    ],
)
def test_what_kitsu_could_not_hold_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        plate(**{"project": "Film", **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"representation": "a representation of 25 c"},
        {"short_name": "s" * 21},
        {"output_type": ""},
        {"first_frame": None},
    ],
)
def test_output_files_that_kitsu_could_not_hold(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        frames(**changes)


def test_what_a_database_of_text_can_not_hold_is_left_out_of_comments() -> None:
    cleaned = plate("Film", comment="a\x00b\ud800c\x1b[0m\n\td", metadata={"re\x00el": "A\x00"})
    assert cleaned.comment == "ab?c[0m\n\td"
    assert cleaned.metadata == {"reel": "A"}


def test_what_makes_two_the_same() -> None:
    one = plate("Film")
    assert one.key == replace(one, comment="other", frame_out=2000, name="x", fps=FrameRate(25)).key
    others = [
        {"version": 2},
        {"element": "cleanPlate"},
        {"task": "cmp"},
        {"shot": "sht110"},
        {"project": "F"},
        {"project_id": "1"},
    ]
    assert len({one.key, *(replace(one, **each).key for each in others)}) == len(others) + 1  # type: ignore[arg-type]
    assert replace(one, version=2, element="x").shot_key == one.shot_key
    assert one.frames == 51
    assert (frames().frames, frames(first_frame=None, last_frame=None).frames) == (67, 1)


def test_what_is_not_done_in_whole_ends_with_12() -> None:
    done = Published(
        name="n", url="u", ids={}, created=(), updated=(), unchanged=(), preview=PreviewState.NONE, warnings=()
    )
    assert (done.done, done.exit_status) == (True, 0)
    assert replace(done, problem="why").exit_status == 12
