"""What clips are: probing files, folders, sequences and archive members."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from film_archive.core.errors import FilmArchiveError, NotMedia
from film_archive.core.facts import MediaFacts
from film_archive.core.source import printable
from film_archive.core.timecode import RateLike
from film_archive.workflows.locating import locate, split


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


def probe_all(named: Iterable[str], *, rate: RateLike | None = None) -> Inspection:
    """Probe each; a folder means the clips in it (what is no media there is passed over).

    `rate` counts timecode that a file keeps without one (sound, image headers).
    """
    clips: list[Probed] = []
    failed: list[tuple[str, FilmArchiveError]] = []
    for what in named:
        try:
            for path, facts in _probe(what, rate):
                if isinstance(facts, MediaFacts):
                    clips.append(Probed(path, facts))
                else:
                    failed.append((path, facts))
        except FilmArchiveError as error:
            failed.append((printable(what), error))
    return Inspection(tuple(clips), tuple(failed))


def _probe(what: str, rate: RateLike | None) -> Iterator[tuple[str, MediaFacts | FilmArchiveError]]:
    from film_archive.media.probe import probe, probe_path

    if split(what)[1]:
        with locate(what) as located:
            yield what, located.facts if located.facts is not None else probe(located.source, rate=rate)
        return
    found = probe_path(what, rate=rate)
    if not found:
        raise NotMedia(f"There is no media in {printable(what)}.")
    for clip in found:
        if clip.facts is not None:
            yield printable(clip.clip.name), clip.facts
        elif clip.problem is not None:
            yield printable(clip.clip.name), clip.problem
