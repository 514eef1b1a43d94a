"""A verb's work as plain data: the plan it makes first, and the report of what became of it.

`--dry-run` prints the very plan that is applied. Where a journal (`core/journal.py`) is given, a step that an earlier
run finished is not done again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic_core import to_json

from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import Damaged, FilmArchiveError, PartlyDone, Refused
from film_archive.core.journal import Journal

DONE, IN_PART, INTERRUPTED = 0, 12, 130


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a plan does: `action` ("copy", "move", "encode" …) to `subject`, making `target`.

    `size` is the bytes that are read for it.
    """

    action: str
    subject: str
    target: str | None = None
    size: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else the verb needs to know, as JSON has it."""

    def to_json(self) -> dict[str, Any]:
        return {
            "action": self.action,
            "subject": self.subject,
            "target": self.target,
            "size": self.size,
            "details": dict(self.details),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Step:
        return cls(
            action=str(data["action"]),
            subject=str(data["subject"]),
            target=None if data.get("target") is None else str(data["target"]),
            size=int(data.get("size", 0)),
            details=dict(data.get("details") or {}),
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """All steps of a verb, in order. Making one changes nothing."""

    verb: str
    steps: tuple[Step, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all steps."""
        return sum(step.size for step in self.steps)

    @property
    def key(self) -> str:
        """A digest of the plan: a journal of another plan is another job's."""
        hasher = MultiHasher()
        hasher.update(to_json(self.to_json()))
        return hasher.digests()[KEY]

    def to_json(self) -> dict[str, Any]:
        return {
            "verb": self.verb,
            "details": dict(self.details),
            "steps": [step.to_json() for step in self.steps],
            "total": {"steps": len(self.steps), "size": self.size},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Read what `to_json` wrote; raises Damaged where it is not that."""
        try:
            steps = tuple(Step.from_json(step) for step in data["steps"])
            return cls(str(data["verb"]), steps, dict(data.get("details") or {}))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Damaged(f"This is not a plan ({error!r}).") from error


class Status(StrEnum):
    """What became of a step."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A step and what became of it.

    `reason` says why it was skipped or failed, `result` is what the verb tells of it.
    """

    step: Step
    status: Status
    reason: str | None = None
    exit_status: int = DONE
    result: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "action": self.step.action,
            "subject": self.step.subject,
            "target": self.step.target,
            "status": str(self.status),
            "reason": self.reason,
            **self.result,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What was done, skipped and failed, in the plan's order."""

    verb: str
    outcomes: tuple[Outcome, ...] = ()
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def done(self) -> tuple[Outcome, ...]:
        return self._having(Status.DONE)

    @property
    def skipped(self) -> tuple[Outcome, ...]:
        return self._having(Status.SKIPPED)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        return self._having(Status.FAILED)

    @property
    def size(self) -> int:
        """Bytes of the steps that were done."""
        return sum(outcome.step.size for outcome in self.done)

    @property
    def exit_status(self) -> int:
        """0 where nothing failed, 12 where part of it did, else the status that all failures share (or 12)."""
        if self.interrupted:
            return INTERRUPTED
        failures = {outcome.exit_status for outcome in self.failed}
        if not failures:
            return DONE
        return failures.pop() if len(failures) == 1 and len(self.failed) == len(self.outcomes) else IN_PART

    def require_whole(self) -> Report:
        """This report, or PartlyDone where a step failed."""
        if self.failed:
            first = self.failed[0]
            raise PartlyDone(
                f"{self.verb}: {len(self.failed)} of {len(self.outcomes)} steps failed, the others are done; "
                f"the first was {first.step.action} {first.step.subject}: {first.reason}"
            )
        return self

    def to_json(self) -> dict[str, Any]:
        return {
            "verb": self.verb,
            **{str(status): [outcome.to_json() for outcome in self._having(status)] for status in Status},
            "size": self.size,
            "seconds": round(self.seconds, 3),
            "exit_status": self.exit_status,
        }

    def _having(self, status: Status) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.status is status)


Act = Callable[[Step], Mapping[str, Any] | None]
"""Does one step and tells of it in plain data (or nothing); raises FilmArchiveError where it can't."""


def apply(plan: Plan, act: Act, *, journal: Journal | None = None, stop_at_failure: bool = False) -> Report:
    """Do all steps of a plan, one after the other; a step that fails does not keep the others from being done.

    Steps that the journal has are skipped. Ctrl-C ends it after writing down what was done: the report says so.
    """
    begun = time.monotonic()
    outcomes: list[Outcome] = []
    interrupted = False
    finished = _finished(journal, plan)
    try:
        for outcome in _outcomes(plan, act, finished, journal):
            outcomes.append(outcome)
            if stop_at_failure and outcome.status is Status.FAILED:
                break
    except KeyboardInterrupt:
        interrupted = True
    if journal is not None:
        journal.sync()
    return Report(plan.verb, tuple(outcomes), time.monotonic() - begun, interrupted)


def journal_head(plan: Plan) -> dict[str, Any]:
    """What the journal of a plan begins with."""
    return {"verb": plan.verb, "plan": plan.key, "steps": len(plan.steps)}


def _finished(journal: Journal | None, plan: Plan) -> Mapping[int, Mapping[str, Any]]:
    if journal is None:
        return {}
    finished: dict[int, Mapping[str, Any]] = {}
    for entry in journal.entries():
        number = entry.get("step")
        if not isinstance(number, int) or not 0 <= number < len(plan.steps):
            raise Refused(f"The journal {journal.path.name} belongs to another job; finish or abandon that one first.")
        finished[number] = entry.get("result") or {}
    return finished


def _outcomes(
    plan: Plan, act: Act, finished: Mapping[int, Mapping[str, Any]], journal: Journal | None
) -> Iterator[Outcome]:
    for number, step in enumerate(plan.steps):
        if number in finished:
            yield Outcome(step, Status.SKIPPED, "an earlier run has done it", result=finished[number])
            continue
        try:
            result = act(step) or {}
        except FilmArchiveError as error:
            yield Outcome(step, Status.FAILED, str(error), error.exit_status)
            continue
        if journal is not None:
            journal.append({"step": number, "result": dict(result)})
        yield Outcome(step, Status.DONE, result=result)

