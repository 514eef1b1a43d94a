"""What a pull may take frames from: every clip of the files, folders and archives that were named, as matching needs them.

Archives tell what they hold from their manifests, without a look at the media; files and folders are probed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from film_archive.archive import layout
from film_archive.archive.reader import Archive
from film_archive.core.digest import KEY
from film_archive.core.errors import FilmArchiveError, NotFound, from_os_error
from film_archive.core.facts import MediaFacts
from film_archive.core.job import Failure, identity_of
from film_archive.core.member import Member
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRate, RateLike, parse_rate
from film_archive.core.wording import amount
from film_archive.editorial.candidates import Candidate
from film_archive.editorial.identity import media_name
from film_archive.media.probe import probe, probe_path
from film_archive.media.raw_cameras import extension_of
from film_archive.media.readers import is_media_extension
from film_archive.media.sequence import IMAGE_EXTENSIONS
from film_archive.workflows.clip_logs import ClipLog
from film_archive.workflows.locating import OpenArchives, identity_of_member, is_archive, split


@dataclass(frozen=True, slots=True)
class SourceClip:
    """A clip that may be meant."""

    what: str
    """As it is opened: a file, a sequence's pattern, ARCHIVE::MEMBER."""
    facts: MediaFacts
    digest: str | None
    """XXH3-128 of its bytes, where an archive has it."""
    identity: str | None
    """Of its file or member, as `open_to_cut` has it; None where it has to be opened to be known."""
    size: int
    """Of its file or member; 0 where it has to be opened to be known."""
    candidate: Candidate
    parts: tuple[str, ...] = ()
    """Of a clip that is spanned over several files: all of them, as they are opened."""

    @property
    def is_sound(self) -> bool:
        """Whether it is a recording without picture."""
        return self.facts.width is None and bool(self.facts.audio)


@dataclass(slots=True)
class Sources:
    """All clips of all sources, by what they are opened as."""

    clips: dict[str, SourceClip] = field(default_factory=dict)
    failed: list[Failure] = field(default_factory=list)
    """What looked like media and could not be read."""
    notes: list[str] = field(default_factory=list)

    def pictures(self) -> list[Candidate]:
        return [clip.candidate for clip in self.clips.values() if not clip.is_sound]

    def all(self) -> list[Candidate]:
        return [clip.candidate for clip in self.clips.values()]

    def recordings(self) -> Iterator[SourceClip]:
        return (clip for clip in self.clips.values() if clip.is_sound)


def gather_sources(
    named: Sequence[str],
    archives: OpenArchives,
    *,
    rate: RateLike | None = None,
    log: ClipLog | None = None,
    leave_out: Path | None = None,
) -> Sources:
    """Look at all that was named. `rate` counts timecode that is kept without one, `log` tells what clips do not say.

    What lies below `leave_out`, where cuts go, is no source: cuts would be taken for what they were made from. Clips of
    equal content are one (the first that was named), by their archives' digests. Raises NotFound where nothing is there at
    all; what can't be read is in `failed`.
    """
    sources = Sources()
    contents: dict[str, str] = {}
    uncounted = []
    for what in named:
        for found in _clips_of(what, archives, rate, sources.failed):
            facts = found.facts if log is None else log.completed(media_name(found.what), found.facts)
            if found.what in sources.clips or (leave_out is not None and _lies_below(found.what, leave_out)):
                continue
            candidate = _candidate(found.what, facts, rate)
            if candidate is None:
                uncounted.append(found.what)
                continue
            same = None if found.digest is None else contents.setdefault(found.digest, found.what)
            if same is not None and same != found.what:
                sources.clips[same] = _also_called(sources.clips[same], found.what)
                continue
            sources.clips[found.what] = SourceClip(
                found.what, facts, found.digest, found.identity, found.size, candidate, found.parts
            )
    if uncounted:
        sources.notes.append(
            f"{amount(len(uncounted), 'clip')} left out without a frame rate ({_some(uncounted)}); give --rate where they count "
            "as the list does"
        )
    return sources


@dataclass(frozen=True, slots=True)
class _Found:
    """A clip before anything is added to what it says itself."""

    what: str
    facts: MediaFacts
    digest: str | None = None
    identity: str | None = None
    size: int = 0
    parts: tuple[str, ...] = ()


def _clips_of(
    what: str, archives: OpenArchives, rate: RateLike | None, failed: list[Failure]
) -> Iterator[_Found]:
    path, member_path = split(what)
    place = Path(path)
    if member_path or (is_archive(place) and (not place.is_dir() or (place / layout.MANIFEST).exists())):
        yield from _members(archives.open(path), path, member_path, rate, failed)
        return
    try:
        clips = probe_path(what, rate=rate)
    except FilmArchiveError as error:
        failed.append(Failure.of(printable(what), error))
        return
    for each in clips:
        if each.facts is not None:
            sequence = each.clip.sequence
            if sequence is not None:
                yield _Found(sequence.hashes, each.facts)
                continue
            if len(each.clip.parts) > 1:
                yield _Found(each.clip.name, each.facts, parts=each.clip.parts)
                continue
            try:
                status = Path(each.clip.name).stat()
            except OSError as error:
                failed.append(Failure.of(printable(each.clip.name), from_os_error(error, f"look at {printable(each.clip.name)}")))
                continue
            yield _Found(each.clip.name, each.facts, None, identity_of(status), status.st_size)
        elif each.problem is not None:
            failed.append(Failure.of(printable(each.clip.name), each.problem))


def _members(
    archive: Archive, path: str, member_path: str, rate: RateLike | None, failed: list[Failure]
) -> Iterator[_Found]:
    """The clips of an archive, or the one that is named; where it has no facts of its media they are looked into."""
    spanned: dict[str, list[str]] = {}
    found: list[_Found] = []
    for member in archive.originals():
        name = f"{path}::{member.path}"
        if member.part_of is not None:
            spanned.setdefault(member.part_of, []).append(name)
        if member_path and member.path != member_path:
            continue
        facts = member.media
        if facts is None and _may_be_clip(member):
            try:
                with archive.source(member) as source:
                    facts = probe(source, rate=rate)
            except FilmArchiveError as error:
                failed.append(Failure.of(printable(name), error))
        if facts is not None and member.sequence is not None:
            found.append(_Found(name, facts))
        elif facts is not None:
            found.append(_Found(name, facts, member.digests.get(KEY), identity_of_member(member), member.size))
    if not found and member_path:
        archive.member(member_path)  # says that it is not there
    if not found and archive.is_foreign:
        problem = NotFound(f"{archive.name} has no clip that is known here, nor a manifest that tells what it has.")
        failed.append(Failure.of(printable(path), problem))
    for clip in found:
        others = spanned.get(clip.what.removeprefix(f"{path}::"))
        yield clip if others is None else replace(clip, parts=(clip.what, *others))


def _may_be_clip(member: Member) -> bool:
    """Whether nobody has looked into a member that is called as clips are: in bundles, and in zips of others."""
    extension = extension_of(member.path)
    looked_into = member.sequence is not None or member.part_of is not None or member.get("media_problem")
    return not looked_into and extension not in IMAGE_EXTENSIONS and is_media_extension(extension)


def _lies_below(what: str, folder: Path) -> bool:
    return Path(os.path.realpath(Path(what).parent)).is_relative_to(os.path.realpath(folder))


def _candidate(clip: str, facts: MediaFacts, rate: RateLike | None) -> Candidate | None:
    """The clip as matching knows it; None where nobody says how it counts."""
    start = facts.start_timecode
    counted = facts.frame_rate
    if counted is None and start is not None:
        counted = start.rate
    if counted is None and rate is not None:
        counted = parse_rate(str(rate))[0]
    if counted is None:
        return None
    frames = facts.frames if facts.frames is not None else _frames_of_sound(facts, start.rate if start else counted)
    return Candidate(clip, frames, counted, start, facts.reel)


def _frames_of_sound(facts: MediaFacts, rate: FrameRate) -> int:
    for track in facts.audio:
        if track.samples is not None and track.sample_rate > 0:
            return math.ceil(Fraction(track.samples, track.sample_rate) * rate)
    return 0


def _also_called(known: SourceClip, other: str) -> SourceClip:
    """A clip that is there once more, perhaps under another name."""
    candidate = known.candidate
    name = media_name(other)
    if name == media_name(candidate.path) or name in candidate.names:
        return known
    more = replace(candidate, names=(*candidate.names, name))
    return replace(known, candidate=more)


def _some(names: Iterable[str]) -> str:
    listed = [printable(media_name(name)) for name in names]
    return ", ".join(listed[:3]) + (", …" if len(listed) > 3 else "")
