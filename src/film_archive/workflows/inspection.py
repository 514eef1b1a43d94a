"""What clips are: probing files, folders, sequences and archive members."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from film_archive.core.errors import FilmArchiveError, NotFound, NotMedia
from film_archive.core.facts import MediaFacts
from film_archive.workflows.locating import SEPARATOR, locate


@dataclass(frozen=True, slots=True)
class Probed:
    path: str
    facts: MediaFacts


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found; `failed` has what was named, or looked like media, and could not be read."""

    clips: tuple[Probed, ...]
    failed: tuple[tuple[str, FilmArchiveError], ...]

    @property
    def exit_status(self) -> int:
        """0; where nothing could be probed the first error's status; 12 where some could and some not."""
        if not self.failed:
            return 0
        return 12 if self.clips else self.failed[0][1].exit_status


def probe_all(named: Iterable[str]) -> Inspection:
    """Probe each; a folder means the clips in it (what is no media there is passed over)."""
    clips: list[Probed] = []
    failed: list[tuple[str, FilmArchiveError]] = []
    for what in named:
        try:
            clips.extend(_probe(what))
        except FilmArchiveError as error:
            failed.append((what, error))
    return Inspection(tuple(clips), tuple(failed))


def _probe(what: str) -> Iterator[Probed]:
    from film_archive.media.probe import probe, probe_path

    if SEPARATOR in what:
        with locate(what) as located:
            yield Probed(what, located.facts if located.facts is not None else probe(located.source))
        return
    path = Path(what)
    if not path.exists():
        raise NotFound(f"There is no {what}.")
    found = list(probe_path(path))
    if not found and path.is_dir():
        raise NotMedia(f"There is no media in {what}.")
    for clip in found:
        yield Probed(str(clip.path), clip.facts)
