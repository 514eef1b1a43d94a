"""Plans and reports: what all verbs' have in common."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from film_archive.core.errors import Damaged, NoSpace, NotFound, SourceChanged
from film_archive.core.job import (
    Failure,
    Plan,
    Report,
    Step,
    identity_at,
    identity_of,
    require_unchanged,
    status_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move(Step):
    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SortPlan(Plan):
    verb: ClassVar[str] = "sort"
    root: Path
    steps: tuple[Move, ...]


PLAN = SortPlan(
    root=Path("/footage"),
    steps=tuple(Move(source=os.fsdecode(b"%d\xff.mov" % n), target=f"{n}", size=10 * n, identity="1:2:3") for n in range(1, 5)),
)


def test_a_plan_is_plain_data() -> None:
    data = json.loads(json.dumps(PLAN.to_json()))
    assert (data["verb"], data["root"], len(data["steps"])) == ("sort", "/footage", 4)
    assert SortPlan.from_json(data) == PLAN
    assert PLAN.size == 100


@pytest.mark.parametrize("data", [{}, {"verb": "copy"}, {"verb": "sort"}, {"verb": "sort", "root": "a", "steps": [{}]}, []])
def test_what_is_no_plan(data: Any) -> None:
    with pytest.raises(Damaged, match="not a"):
        SortPlan.from_json(data)


def failure(status: int) -> Failure:
    return Failure(path="a", reason="why", status=status)


@pytest.mark.parametrize(
    ("failures", "done", "status"), [([], True, 0), ([6], False, 6), ([6, 6], False, 6), ([6, 11], False, 12), ([6], True, 12)]
)
def test_exit_status(failures: list[int], done: bool, status: int) -> None:
    assert status_of([failure(each) for each in failures], any_done=done) == status
    assert Report().exit_status == 0


def test_a_failure_says_its_path_once() -> None:
    assert Failure.of("a.mov", NoSpace("The disk is full.")) == Failure(path="a.mov", reason="The disk is full.", status=6)
    assert Failure.of("a.mov", NoSpace("The disk is full.")).sentence() == "a.mov: The disk is full."
    assert Failure.of("a.mov", NoSpace("Could not write a.mov: full.")).sentence() == "Could not write a.mov: full."


def test_identities(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"a")
    before = identity_at(path)
    assert before == identity_of(path.stat())
    require_unchanged("a", before, identity_at(path))
    os.utime(path, ns=(0, 0))
    with pytest.raises(SourceChanged, match="a changed since it was looked at"):
        require_unchanged("a", before, identity_at(path))
    with pytest.raises(NotFound):
        identity_at(tmp_path / "none")
