"""The `.otioz` form: one zip, written by the archive's own writer.

Beside `version.txt`, `content.otio` and `media/` a bundle of ours has `.film-archive/`: a mark and the manifest with the
digests of all members, which other programs pass over. So it is an archive, is checked and repaired as one, and a run that
was killed is continued as one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from film_archive.archive import unfinished
from film_archive.archive.unfinished import Completed
from film_archive.archive.writer import ZipWriter
from film_archive.core import files
from film_archive.core.errors import Refused
from film_archive.core.source import printable

SUFFIX = ".otioz"


def begin(target: Path, algorithms: Iterable[str]) -> ZipWriter:
    """A writer of a new bundle; it continues what a killed run has left. Raises Refused where the name is taken."""
    refuse_existing(target)
    return ZipWriter.create(target, algorithms=algorithms)


def working_files(target: Path) -> tuple[Path, ...]:
    """Where the bundle is built, and its journal."""
    return files.temporary_name(target, "work"), files.temporary_name(target, "journal")


def may_be_completed(target: Path) -> bool:
    """Whether a run may have been killed right after it had finished this bundle: its journal is still there."""
    return files.temporary_name(target, "journal").exists()


def take_completed(target: Path) -> Completed | None:
    """What such a run has done, its journal removed; None where there was none."""
    return unfinished.take_completed(target)


def abandon(target: Path) -> bool:
    """Remove what is unfinished; False where there was nothing."""
    return unfinished.take_completed(target) is not None or unfinished.abandon(target)


def refuse_existing(target: Path) -> None:
    """Raise Refused where something has the name that a bundle is to get."""
    if os.path.lexists(target):
        raise Refused(f"{printable(target)} exists already, and bundles are never overwritten; use another name.")
