"""Plans, reports, and doing a plan once however often it is begun."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from film_archive.core.errors import Damaged, NoSpace, PartlyDone, Refused
from film_archive.core.job import Outcome, Plan, Report, Status, Step, apply, journal_head
from film_archive.core.journal import Journal

PLAN = Plan(
    "sort",
    tuple(Step("move", f"{n}.mov", f"sorted/{n}.mov", size=10 * n, details={"why": "same"}) for n in range(1, 5)),
    {"root": "/footage"},
)


def test_a_plan_is_plain_data() -> None:
    data = json.loads(json.dumps(PLAN.to_json()))
    assert data["total"] == {"steps": 4, "size": 100}
    assert data["steps"][0] == {
        "action": "move", "subject": "1.mov", "target": "sorted/1.mov", "size": 10, "details": {"why": "same"},
    }
    assert Plan.from_json(data) == PLAN
    assert Plan.from_json(data).key == PLAN.key
    assert Plan("sort", PLAN.steps[:3]).key != Plan("sort", PLAN.steps).key != PLAN.key


@pytest.mark.parametrize("data", [{}, {"verb": "a"}, {"verb": "a", "steps": [{}]}, {"verb": "a", "steps": 3}, []])
def test_what_is_no_plan(data: Any) -> None:
    with pytest.raises(Damaged, match="not a plan"):
        Plan.from_json(data)


def act(step: Step) -> Mapping[str, Any]:
    if step.subject == "2.mov":
        raise NoSpace("The disk is full.")
    return {"to": step.target}


def test_a_step_that_fails_does_not_stop_the_others() -> None:
    report = apply(PLAN, act)
    assert [outcome.step.subject for outcome in report.done] == ["1.mov", "3.mov", "4.mov"]
    assert [(outcome.step.subject, outcome.reason, outcome.exit_status) for outcome in report.failed] == [
        ("2.mov", "The disk is full.", 6)
    ]
    assert (report.exit_status, report.size, report.skipped) == (12, 80, ())
    data = json.loads(json.dumps(report.to_json()))
    assert data["done"][0] == {
        "action": "move", "subject": "1.mov", "target": "sorted/1.mov", "status": "done", "reason": None,
        "to": "sorted/1.mov",
    }
    assert (data["verb"], data["exit_status"], len(data["failed"]), data["size"]) == ("sort", 12, 1, 80)
    with pytest.raises(PartlyDone, match=r"1 of 4 steps failed.*move 2.mov: The disk is full"):
        report.require_whole()


def test_stopping_at_the_first_failure() -> None:
    report = apply(PLAN, act, stop_at_failure=True)
    assert [outcome.status for outcome in report.outcomes] == [Status.DONE, Status.FAILED]


def test_a_fault_of_ours_is_not_smoothed_over() -> None:
    def broken(step: Step) -> None:
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError):
        apply(PLAN, broken)


@pytest.mark.parametrize(
    ("failures", "done", "status"), [([], 2, 0), ([6], 0, 6), ([6, 6], 0, 6), ([6, 11], 0, 12), ([6], 1, 12)]
)
def test_exit_status(failures: list[int], done: int, status: int) -> None:
    step = Step("copy", "a")
    outcomes = [Outcome(step, Status.FAILED, "why", failure) for failure in failures]
    outcomes += [Outcome(step, Status.DONE)] * done
    report = Report("copy", tuple(outcomes))
    assert report.exit_status == status
    if not failures:
        assert report.require_whole() is report


def test_interrupted_and_continued(tmp_path: Path) -> None:
    did: list[str] = []

    def interrupted_at(subject: str) -> Any:
        def do(step: Step) -> Mapping[str, Any]:
            if step.subject == subject:
                raise KeyboardInterrupt
            did.append(step.subject)
            return {"to": step.target}

        return do

    with Journal.open(tmp_path / "journal", journal_head(PLAN)) as journal:
        report = apply(PLAN, interrupted_at("3.mov"), journal=journal)
    assert (report.interrupted, report.exit_status) == (True, 130)
    assert [outcome.step.subject for outcome in report.done] == ["1.mov", "2.mov"]
    with Journal.open(tmp_path / "journal", journal_head(PLAN)) as journal:
        report = apply(PLAN, interrupted_at("nothing"), journal=journal)
        journal.remove()
    assert did == ["1.mov", "2.mov", "3.mov", "4.mov"]  # each once
    assert [outcome.status for outcome in report.outcomes] == [Status.SKIPPED] * 2 + [Status.DONE] * 2
    assert report.skipped[0].result == {"to": "sorted/1.mov"}
    assert report.exit_status == 0


def test_what_failed_is_tried_again(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "journal", journal_head(PLAN)) as journal:
        assert apply(PLAN, act, journal=journal).exit_status == 12
        again = apply(PLAN, lambda step: None, journal=journal)
    assert [outcome.step.subject for outcome in again.done] == ["2.mov"]


def test_a_journal_of_another_plan(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "journal", {"any": "head"}) as journal:
        for entry in ({"step": 99}, {"other": 1}, {"step": "1"}):
            journal.append(entry)
            with pytest.raises(Refused, match="another job"):
                apply(PLAN, act, journal=journal)
