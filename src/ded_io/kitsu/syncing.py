"""The outbox emptied: what waits is published in order, and what Kitsu has is removed.

Publications of one shot are published one after the other. One that fails is kept and told; the others are tried, unless the
server no longer answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ded_io.kitsu.outbox import Outbox, Pending
from ded_io.kitsu.publication import Publication, Published
from ded_io.kitsu.publishing import PATIENCE, publish
from film_archive.core.errors import FilmArchiveError, StorageError
from film_archive.core.job import Failure, Report, status_of

if TYPE_CHECKING:
    from ded_io.kitsu.connection import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced(Report):
    """What became of what waited in the outbox."""

    host: str
    """The server."""
    published: tuple[Published, ...]
    """What was published; where `problem` says so, it waits on."""
    failures: tuple[Failure, ...]
    """What could not be published and waits on, and files that can't be read."""
    elsewhere: tuple[str, ...]
    """Servers that other entries wait for; they were left alone."""
    waiting: int
    """How many entries are left, those for other servers not counted."""

    @property
    def exit_status(self) -> int:
        unfinished = [
            Failure(path=each.name, reason=each.problem, status=12) for each in self.published if each.problem
        ]
        return status_of([*self.failures, *unfinished], any_done=any(each.done for each in self.published))


def sync(
    outbox: Outbox,
    host: str,
    connecting: Callable[[], Session],
    *,
    only: Publication | None = None,
    normalize: bool = False,
    patience: float = PATIENCE,
) -> Synced:
    """Publish what waits for a server; with `only`, what waits of that publication's shot.

    Nothing is asked of the server where nothing waits. Raises what `connecting` raises; everything then waits on.
    """
    found = outbox.read()
    mine = [each for each in found.pending if each.entry.host == host]
    wanted = [each for each in mine if only is None or each.entry.publication.shot_key == only.shot_key]
    unreadable = found.unreadable if only is None else ()
    published: list[Published] = []
    failures: list[Failure] = []
    if wanted:
        with connecting() as session:
            for pending in wanted:
                try:
                    result = _publish_one(outbox, pending, session, normalize, patience)
                except FilmArchiveError as error:
                    failures.append(Failure.of(pending.entry.publication.name, error))
                    if isinstance(error, StorageError) and not session.is_alive():
                        break
                else:
                    published += [] if result is None else [result]
    left = [each for each in outbox.read().pending if each.entry.host == host]
    return Synced(
        host=host,
        published=tuple(published),
        failures=(*unreadable, *failures),
        elsewhere=tuple(sorted({each.entry.host for each in found.pending} - {host})),
        waiting=len(left),
    )


def _publish_one(
    outbox: Outbox, pending: Pending, session: Session, normalize: bool, patience: float
) -> Published | None:
    """Publish one entry as it stands now and remove it; None where another process has done it meanwhile."""
    publication = pending.entry.publication
    with outbox.publishing(publication):
        now = outbox.again(pending)
        if now is None:
            return None
        result = publish(now.entry.publication, session, normalize=normalize, patience=patience, alone=outbox.making())
        if result.done:
            outbox.remove(now)
    return result


def abandon(outbox: Outbox, name: str) -> tuple[Pending, ...]:
    """Take out what waits under a version's name, not to be published; returns what that was."""
    gone = tuple(each for each in outbox.read().pending if each.entry.publication.name == name)
    for each in gone:
        outbox.remove(each)
    return gone
