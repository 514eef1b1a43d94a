"""What a check comes to: problems, each with its kind, and the exit status that follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from film_archive.core.errors import Damaged, NotFound, NotSupported, OutOfRange, PartlyDone


class Kind(StrEnum):
    DAMAGED = "damaged"
    """Bytes or structure are not what they should be."""
    LACKING = "lacking"
    """Of a bundle: a reference of its timeline leads to nothing in it."""
    OUTSIDE = "outside"
    """Of a bundle: its timeline shows what its media do not have; every byte may be what it was."""
    UNREADABLE = "unreadable"
    """Nothing is known to be wrong: this program can't read it, so it can't tell."""
    UNFINISHED = "unfinished"
    """All that was finished is whole; an add behind it is under way, or was interrupted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where: a member's path, or the part of the archive."""

    path: str
    what: str
    kind: Kind = Kind.DAMAGED


_STATUS = {
    Kind.DAMAGED: Damaged.exit_status,
    Kind.LACKING: NotFound.exit_status,
    Kind.OUTSIDE: OutOfRange.exit_status,
    Kind.UNREADABLE: NotSupported.exit_status,
    Kind.UNFINISHED: PartlyDone.exit_status,
}
"""The worst first."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    files_read: int
    """How many files' bytes were held against their digests: those of originals, our own, each frame of a sequence."""
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        return not self.problems

    def of(self, kind: Kind) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.kind == kind)

    @property
    def exit_status(self) -> int:
        """That of the worst problem; 0 where there is none."""
        return next((status for kind, status in _STATUS.items() if self.of(kind)), 0)
