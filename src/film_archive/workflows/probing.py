"""What clips are: files, sequences and members, each with what is known of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from film_archive.core.errors import FilmArchiveError, NotMedia
from film_archive.core.facts import MediaFacts
from film_archive.core.job import Failure, status_of
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.core.timecode import RateLike
from film_archive.workflows.locating import locate, split

if TYPE_CHECKING:
    from film_archive.workflows.clip_logs import ClipLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed(Record):
    """A clip, and its media facts."""

    path: str
    """The file, the sequence's pattern, or ARCHIVE::MEMBER."""
    facts: MediaFacts
    """What is known of it."""

    def to_json(self) -> dict[str, Any]:
        """The facts' keys beside the path."""
        return {"path": self.path, **self.facts.to_json()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection(Record):
    """What `probe` found."""

    media: tuple[Probed, ...]
    """The clips."""
    failed: tuple[Failure, ...]
    """What was named, or looked like media, and could not be read."""

    @property
    def exit_status(self) -> int:
        """0; the status that all failures share where nothing could be probed; 12 where some could and some not."""
        return status_of(self.failed, any_done=bool(self.media))


def probe_all(named: Iterable[str], *, rate: RateLike | None = None, log: ClipLog | None = None) -> Inspection:
    """Probe each; a folder means the clips in it (what is no media there is passed over).

    `rate` counts timecode that a file keeps without one (sound, image headers). `log` completes what a clip does not say.
    """
    clips: list[Probed] = []
    failed: list[Failure] = []
    for what in named:
        try:
            for path, facts in _probe(what, rate):
                if isinstance(facts, MediaFacts):
                    facts = facts if log is None else log.completed(path, facts)
                    clips.append(Probed(path=path, facts=facts))
                else:
                    failed.append(Failure.of(path, facts))
        except FilmArchiveError as error:
            failed.append(Failure.of(printable(what), error))
    return Inspection(media=tuple(clips), failed=tuple(failed))


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
