"""Restoring from tape: whole files by pattern or digest, and only the frames that a timecode range or an edit list means.

A clip on a cartridge is a source of bytes like any other, so a part of it is cut as from a disk: the frame index is read, then
the extents of its frames and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from film_archive.core.errors import NotSupported
from film_archive.core.progress import Progress
from film_archive.tape.choosing import Choice
from film_archive.tape.holdings import Holdings
from film_archive.tape.records import RestorePlan, TapeRestored
from film_archive.tape.restore_planning import plan_restore
from film_archive.tape.restoring import apply_restore


@dataclass(frozen=True, slots=True)
class RestoreWishes:
    """What is wanted. `start`, `end` and `duration` are source timecodes; `end` is exclusive."""

    choice: Choice = field(default_factory=Choice)
    start: str | None = None
    end: str | None = None
    duration: str | None = None
    handles: int = 0
    edit_list: Path | None = None
    whole: bool = False
    rate: str | None = None


def plan_restoring(holdings: Holdings, wishes: RestoreWishes, folder: Path) -> RestorePlan:
    """The pick list, and what is read from each cartridge in which order."""
    if wishes.start is not None or wishes.edit_list is not None:
        raise NotSupported("Parts of clips are not restored yet.")
    return plan_restore(holdings, wishes.choice, folder)


def apply_restoring(plan: RestorePlan, holdings: Holdings, *, progress: Progress | None = None) -> TapeRestored:
    """Restore as planned."""
    return apply_restore(plan, holdings, progress=progress)
