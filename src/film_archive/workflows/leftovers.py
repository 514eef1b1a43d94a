"""What killed runs leave of an archive, where it lies, and removing it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from film_archive.archive import folder, layout, unfinished
from film_archive.archive.folder import FolderWriter
from film_archive.core import files
from film_archive.core.errors import NoSpace, SourceChanged, StorageError


def proxy_folder(target: Path) -> Path:
    """Where the proxies of an archive are made before they go into it; pieces of a killed run wait there."""
    return target / layout.WORK / "proxies" if target.is_dir() else files.temporary_name(target, "proxies")


def working_files(target: Path) -> tuple[Path, Path]:
    """Where a zip is built, and its journal."""
    return files.temporary_name(target, "work"), journal_of(target)


def journal_of(target: Path) -> Path:
    """Where the journal of a zip in the making is."""
    return files.temporary_name(target, "journal")


def has_unfinished(target: Path) -> bool:
    """Whether a run has left something that the next one continues."""
    if target.is_dir():
        return (target / layout.WORK).exists()
    target = target.resolve()
    return any(path.exists() for path in (*working_files(target), proxy_folder(target)))


@contextlib.contextmanager
def saying_what_is_left(is_left: Callable[[], bool]) -> Iterator[None]:
    """Where a disk or a source fails and something unfinished is kept, say what continues and what removes it."""
    try:
        yield
    except (StorageError, SourceChanged) as error:
        if not is_left():
            raise
        said = str(error).rstrip(".")
        if isinstance(error, NoSpace):
            said += "; run the same command again when there is room, or with --abandon to remove what is unfinished."
        else:
            said += "; what was finished is kept, the same command continues, and with --abandon removes it."
        raise type(error)(said) from error


def forget_completed(target: Path) -> None:
    """Remove what a run has left that was killed when all was done, and only its working files were still there."""
    if target.is_dir():
        folder.take_completed(target)
    else:
        unfinished.take_completed(target.resolve() if target.exists() else target)


def abandon_unfinished(target: Path) -> bool:
    """Remove what a killed create or add has left; False where there was nothing."""
    if not target.is_dir():
        target = target.resolve() if target.exists() else target
        done = unfinished.take_completed(target) is not None or unfinished.abandon(target)
        pieces = proxy_folder(target)
        done = pieces.is_dir() or done
        files.remove_tree(pieces)
        return done
    if not (target / layout.WORK).exists():
        return False
    if folder.take_completed(target) is None and (target / layout.WORK).exists():
        listed = (target / layout.MANIFEST).exists()
        with FolderWriter.add_to(target) if listed else FolderWriter.create(target) as begun:
            begun.abandon()
    return True
