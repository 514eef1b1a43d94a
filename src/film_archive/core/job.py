"""A verb's work as plain data: the plan that it makes first, the report of what became of it, and what they share.

Every verb that changes something has a plan (a `Plan` with its own kind of `Step`s) and a function that applies it and
returns a `Report`. Making a plan changes nothing; `--dry-run` prints the very plan that is applied, and a plan that was
read back from JSON does the same. A step knows by its `identity` what it was made from: what has changed since is
refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from film_archive.core.errors import Damaged, FilmArchiveError, SourceChanged, from_os_error
from film_archive.core.records import Record
from film_archive.core.source import printable

DONE, IN_PART = 0, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Record):
    """One thing that a plan does."""

    size: int = 0
    """Bytes that are read for it, as far as that is known before."""
    identity: str | None = None
    """Changes when what it is made from does; null where nothing is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Record):
    """All that a verb will do, in order."""

    verb: ClassVar[str]
    steps: tuple[Step, ...]

    @property
    def size(self) -> int:
        """Bytes of all steps."""
        return sum(step.size for step in self.steps)

    def to_json(self) -> dict[str, Any]:
        return {"verb": self.verb, **Record.to_json(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; raises Damaged where it is not that, or the plan of another verb."""
        verb = data.get("verb") if isinstance(data, Mapping) else None
        if verb != cls.verb:
            raise Damaged(f"This is not a plan of `{cls.verb}`, but {'of ' + repr(verb) if verb else 'none at all'}.")
        return super(Plan, cls).from_json(data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure(Record):
    """What could not be done, while the rest was."""

    path: str
    """The file or member."""
    reason: str
    """Why, one sentence."""
    status: int
    """The exit status that this alone would end with."""

    @classmethod
    def of(cls, path: str, error: FilmArchiveError) -> Failure:
        return cls(path=path, reason=str(error), status=error.exit_status)

    def sentence(self) -> str:
        """The reason, with the path in front where it does not say it itself."""
        return self.reason if self.path in self.reason else f"{self.path}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Record):
    """What became of a plan; each verb's report adds its own keys."""

    seconds: float = 0.0
    """How long it took."""

    @property
    def exit_status(self) -> int:
        """0 where all was done."""
        return DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandoned(Record):
    """What `--abandon` did."""

    named: tuple[str, ...]
    """What was named on the command line."""
    abandoned: bool
    """Whether anything unfinished was there, and was removed."""


def status_of(failures: Sequence[Failure], *, any_done: bool) -> int:
    """0 without failures; 12 where part was done; else the status that all failures share (or 12)."""
    statuses = {failure.status for failure in failures}
    if not statuses:
        return DONE
    return IN_PART if any_done or len(statuses) > 1 else statuses.pop()


# What a plan was made from


def identity_of(status: os.stat_result) -> str:
    """Changes when a file's content does: size, modification and change time.

    Neither device nor inode number is in it: they are others after a restart, or after a camera card was put in again.
    """
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


def identity_at(path: Path) -> str:
    """The identity of what is at a path now; raises NotFound, Refused."""
    try:
        return identity_of(path.stat())
    except OSError as error:
        raise from_os_error(error, f"look at {printable(path)}") from error


def require_unchanged(name: str, planned: str | None, found: str) -> None:
    """Raise SourceChanged where something is not what it was when the plan was made."""
    if planned != found:
        raise SourceChanged(
            f"{name} changed since it was looked at; try again when nothing writes to it."
        )
