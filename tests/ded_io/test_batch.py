"""Batch files: shots with all their keys, and mistakes with line and key."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from ded_io.arguments import parse, read_wishes
from ded_io.batch import cut_of, read_batch
from film_archive.core.errors import UsageError

SHOT = {"sequence": "sht", "shot": "100", "source_file": "/path/to/clip.mxf", "in_point": 100, "out_point": 200}


def batch(folder: Path, content: object) -> Path:
    path = folder / "shots.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    return path


def test_the_seeds_shots(tmp_path: Path) -> None:
    read = read_batch(batch(tmp_path, [{**SHOT, "notes": "Opening shot"}, {**SHOT, "shot": "110"}]))
    assert read.warnings == ()
    first, second = read.cuts
    assert (first.code, first.source_file, first.in_point, first.out_point) == ("sht100", Path("/path/to/clip.mxf"), 100, 200)
    assert (first.notes, second.code, second.notes) == ("Opening shot", "sht110", "")


def test_all_keys_of_a_shot() -> None:
    more = {
        "source_fps": 25, "timecode": "01:00:00:00", "task": "rnd", "element": "bg01", "version": 3, "head_handles": 0,
        "tail_handles": 4, "source_colorspace": "ACEScct", "squeeze": "1.5:1", "look_file": "a.cc", "clip": "A001", "speed": "2",
        "record_in": "01:00:00:00", "record_out": "01:00:01:00", "notes": "n", "look_cdl": "<ColorCorrection/>",
    }
    cut, warnings = cut_of({**SHOT, "shot": 100, **more})
    assert warnings == ()
    assert (cut.squeeze, cut.speed, cut.version, cut.look_file) == (Fraction(3, 2), 2, 3, Path("a.cc"))
    assert (cut.rate, cut.look_cdl) == (25, "<ColorCorrection/>")


def test_shots_under_a_key(tmp_path: Path) -> None:
    assert len(read_batch(batch(tmp_path, {"shots": [SHOT]})).cuts) == 1


def test_two_elements_of_one_shot(tmp_path: Path) -> None:
    assert len(read_batch(batch(tmp_path, [{**SHOT, "element": "a"}, {**SHOT, "element": "b"}])).cuts) == 2


def test_an_unknown_key_is_a_warning(tmp_path: Path) -> None:
    (said,) = read_batch(batch(tmp_path, [{**SHOT, "in_pont": 3}])).warnings
    assert said.endswith("shots.json, line 8, [0].in_pont: this key is not known and has no effect; is in_point meant?")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({}, "line 1, the document: a batch is a list"),
        ([], "has no shots"),
        ([3], "line 2, [0]: a shot is an object"),
        ([{**SHOT, "in_point": None}], "line 6, [0].in_point: None is neither"),
        ([{**SHOT, "in_point": 1.5}], "line 6, [0].in_point: 1.5 is neither"),
        ([{**SHOT, "shot": "1_0"}], "line 4, [0].shot: '1_0' can't stand"),
        ([{**SHOT, "version": 0}], "[0].version: 0 is not a whole number"),
        ([{**SHOT, "speed": "fast"}], "[0].speed: 'fast' is not a speed"),
        ([{**SHOT, "speed": "1/0"}], "[0].speed"),
        ([SHOT, SHOT], "line 9, [1]: sht100 stands in the batch already, as shot 1"),
        ([{key: value for key, value in SHOT.items() if key != "shot"}], "line 2, [0]: the shot lacks the key shot"),
        ('[\n{"sequence": "sht",\n"shot": }]', "line 3, [0].shot: a value is expected"),
    ],
)
def test_mistakes_have_line_and_key(content: object, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_batch(batch(tmp_path, content))
    assert says in str(caught.value)


def test_mistakes_of_scripts_have_the_key() -> None:
    with pytest.raises(UsageError, match="shot: '' can't stand"):
        cut_of({**SHOT, "shot": ""})
    with pytest.raises(UsageError, match="lacks the key out_point"):
        cut_of({key: value for key, value in SHOT.items() if key != "out_point"})


def test_arguments_for_all_shots_of_a_batch(tmp_path: Path) -> None:
    """What a shot says itself comes before."""
    path = batch(tmp_path, [SHOT, {**SHOT, "shot": "110", "look_file": "own.cc", "version": 4, "source_fps": 25}])
    words = ["--batch", str(path), "--look", "show.cube", "--ver", "7", "--fps", "24"]
    cuts = read_wishes(parse(words)).cuts
    assert [(cut.look_file, cut.version, cut.rate) for cut in cuts] == [(Path("show.cube"), 7, 24), (Path("own.cc"), 4, 25)]


@pytest.mark.parametrize(("text", "point"), [("16", 16), ("-1", -1), ("1_0", "1_0"), ("٣", "٣"), ("01:00:00:00", "01:00:00:00")])
def test_only_digits_are_a_frame(text: str, point: int | str) -> None:
    """What Python would read as a number, too, becomes a timecode, and is refused as one."""
    words = ["--source", "a.mov", "--sequence", "sht", "--shot", "100", "--in", text, "--out", "20"]
    assert read_wishes(parse(words)).cuts[0].in_point == point
