"""What clips are: files, sequences and members, each with what is known of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from film_archive.archive.reader import open_archive
from film_archive.core.errors import FilmArchiveError, NotMedia
from film_archive.core.facts import MediaFacts
from film_archive.core.job import Failure, status_of
from film_archive.core.member import Member
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.core.timecode import RateLike
from film_archive.workflows.gathering import LeftOut
from film_archive.workflows.locating import SEPARATOR, is_archive, split

if TYPE_CHECKING:
    from film_archive.workflows.clip_logs import ClipLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed(Record):
    """A clip, and its media facts."""

    path: str
    """The file, the sequence's pattern, or ARCHIVE::MEMBER."""
    facts: MediaFacts
    """What is known of it."""
    parts: tuple[str, ...] = ()
    """Of a clip that is spanned over several files: all of them, in order."""

    def to_json(self) -> dict[str, Any]:
        """The facts' keys beside the path."""
        return {"path": self.path, **self.facts.to_json(), "parts": list(self.parts)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection(Record):
    """What `probe` found."""

    media: tuple[Probed, ...]
    """The clips."""
    failed: tuple[Failure, ...]
    """What was named, or looked like media, and could not be read."""
    left_out: tuple[LeftOut, ...] = ()
    """What lies among the clips of a folder and is no file: pipes, sockets, devices."""

    @property
    def exit_status(self) -> int:
        """0; the status that all failures share where nothing could be probed; 12 where some could and some not."""
        return status_of(self.failed, any_done=bool(self.media))


def probe_all(named: Iterable[str], *, rate: RateLike | None = None, log: ClipLog | None = None) -> Inspection:
    """Probe each; a folder or an archive means the clips in it (what is no media there is passed over).

    `rate` counts timecode that a file keeps without one (sound, image headers). `log` completes what a clip does not say.
    """
    clips: list[Probed] = []
    failed: list[Failure] = []
    left_out: list[LeftOut] = []
    for what in named:
        try:
            for found in _probe(what, rate, left_out):
                if isinstance(found, Failure):
                    failed.append(found)
                else:
                    clips.append(found if log is None else replace(found, facts=log.completed(found.path, found.facts)))
        except FilmArchiveError as error:
            failed.append(Failure.of(printable(what), error))
    return Inspection(media=tuple(clips), failed=tuple(failed), left_out=tuple(left_out))


def _probe(what: str, rate: RateLike | None, left_out: list[LeftOut]) -> Iterator[Probed | Failure]:
    from film_archive.media.probe import probe, probe_path

    path, member_path = split(what)
    if member_path:
        with open_archive(path) as archive:
            member = archive.member(member_path)
            facts = member.media
            if facts is None:
                with archive.source(member) as source:
                    facts = probe(source, rate=rate)
            yield Probed(path=what, facts=facts, parts=_parts(path, member))
        return
    if is_archive(Path(what)) and not Path(what).is_dir():
        yield from _in_archive(what, rate)
        return

    def leave_out(path: str, kind: str) -> None:
        left_out.append(LeftOut(path=printable(path), reason=f"is {kind}"))

    found = probe_path(what, rate=rate, on_left_out=leave_out)
    if not found:
        raise NotMedia(f"There is no media in {printable(what)}.")
    for each in found:
        name = printable(each.clip.name)
        if each.facts is not None:
            parts = each.clip.parts if each.clip.sequence is None and len(each.clip.parts) > 1 else ()
            yield Probed(path=name, facts=each.facts, parts=tuple(map(printable, parts)))
        elif each.problem is not None:
            yield Failure.of(name, each.problem)


def _in_archive(what: str, rate: RateLike | None) -> Iterator[Probed | Failure]:
    """The clips of an archive, by its manifest; of another program's zip those members that are called as media are."""
    from film_archive.media.probe import probe

    count = 0
    with open_archive(what) as archive:
        for member in archive.originals():
            name = f"{printable(what)}{SEPARATOR}{printable(member.path)}"
            facts = member.media
            if facts is None and not _may_be_clip(member, archive.is_foreign):
                continue
            count += 1
            try:
                if facts is None:
                    with archive.source(member) as source:
                        facts = probe(source, rate=rate)
                yield Probed(path=name, facts=facts, parts=_parts(what, member))
            except FilmArchiveError as error:
                yield Failure.of(name, error)
    if not count:
        raise NotMedia(f"There is no media in {printable(what)} that is known as such; name a member: {printable(what)}::MEMBER.")


def _may_be_clip(member: Member, foreign: bool) -> bool:
    """Whether a member of which nothing is known is worth a look."""
    if not foreign:
        return member.sequence is None and bool(member.get("media_problem"))
    from film_archive.media.raw_cameras import extension_of
    from film_archive.media.readers import is_media_extension

    return is_media_extension(extension_of(member.path))


def _parts(archive: str, member: Member) -> tuple[str, ...]:
    """The parts of a clip in an archive, as a user names them."""
    return tuple(f"{printable(archive)}{SEPARATOR}{printable(part)}" for part in member.parts)
