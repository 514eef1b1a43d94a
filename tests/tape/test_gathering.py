"""What goes on tape: order, names, runs that stay together, what can't be there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from film_archive.core.errors import NotFound, NotSupported, Refused, UsageError
from film_archive.tape.gathering import gather, gather_as
from film_archive.tape.records import StepKind
from tests.tape.sets import make_files


def test_folders_files_and_links_in_order(tmp_path: Path) -> None:
    day = make_files(tmp_path / "day", {"b/2": 1, "b/1": 2, "a": 3, ".DS_Store": 1, ".film-archive/manifest.jsonl": 4})
    (day / "link").symlink_to("a")
    (day / "b/1").chmod(0o444)
    found = gather([day])
    assert [(step.path, step.kind) for step in found.steps if step.kind is not StepKind.FILE] == [
        ("day", StepKind.FOLDER), ("day/link", StepKind.LINK), ("day/.film-archive", StepKind.FOLDER), ("day/b", StepKind.FOLDER)
    ]  # fmt: skip
    assert [step.path for step in found.files] == ["day/a", "day/.film-archive/manifest.jsonl", "day/b/1", "day/b/2"]
    assert [step.readonly for step in found.files] == [False, False, True, False]
    assert (found.junk, found.failed) == (1, [])
    assert sum(found.runs) == 4


def test_clips_and_sequences_are_runs(tmp_path: Path) -> None:
    names = [
        *("A001_C001_001.R3D", "A001_C001_002.R3D", "A001_C001.RMD", "B001.MXF", "B001M01.XML", "notes.txt"),
        *(f"plate.{number:04}.dpx" for number in range(1, 6)),
    ]
    day = make_files(tmp_path / "day", dict.fromkeys(names, 1))
    found = gather([day])
    runs = iter(found.files)
    together = [[next(runs).path.rpartition("/")[2] for _ in range(length)] for length in found.runs]
    assert [f"plate.{number:04}.dpx" for number in range(1, 6)] in together
    assert ["B001.MXF", "B001M01.XML"] in together
    assert ["notes.txt"] in together
    assert any({"A001_C001_001.R3D", "A001_C001_002.R3D"} <= set(run) for run in together)


def test_names_that_tape_can_not_hold_are_told(tmp_path: Path) -> None:
    day = make_files(tmp_path / "day", {"good": 1})
    (day / "bad\x1fname").write_bytes(b"")
    Path(os.fsdecode(os.fsencode(day) + b"/no\xff")).write_bytes(b"")
    os.mkfifo(day / "pipe")
    found = gather([day])
    assert [step.path for step in found.files] == ["day/good"]
    assert sorted(Path(failure.path).name for failure in found.failed)[0] == "bad\x1fname"
    assert len(found.failed) == 3
    assert {failure.status for failure in found.failed} == {NotSupported.exit_status}


def test_what_is_refused(tmp_path: Path) -> None:
    day = make_files(tmp_path / "day", {"a": 1, "e\u0301": 1, "\xe9": 1})
    with pytest.raises(Refused, match=r"would both be day/é on tape"):
        gather([day])
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "day").mkdir()
    with pytest.raises(UsageError, match="would both be called day"):
        gather([day, tmp_path / "x" / "day"])
    with pytest.raises(NotFound):
        gather([tmp_path / "nothing"])
    with pytest.raises(NotSupported, match="not a file"):
        gather_as([(day, "x")])
    with pytest.raises(Refused, match="both be x on tape"):
        gather_as([(day / "a", "x"), (day / "a", "x")])
    assert gather_as([(day / "a", "ascmhl/x")]).failed[0].status == Refused.exit_status
