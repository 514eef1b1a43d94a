"""A clip opened to be cut, whatever a user points at: a file, an image sequence, and either of them in an archive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from film_archive.archive import layout
from film_archive.archive.reader import Archive, open_archive
from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import NotFound, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_table import FrameTable, SequenceName
from film_archive.core.job import identity_of
from film_archive.core.member import Member
from film_archive.core.source import ByteSource, FileSource, printable
from film_archive.core.timecode import RateLike, parse_rate
from film_archive.media.clips import clip_of_sequence
from film_archive.media.cutting.cuttable import Cuttable
from film_archive.media.cutting.image_sequence import FilesOnDisk, sequence_clip
from film_archive.media.cutting.opening import open_clip
from film_archive.media.probe import probe, probe_clip, probe_path
from film_archive.media.sequence import ImageSequence, sequence_from_pattern
from film_archive.workflows.clip_logs import ClipLog
from film_archive.workflows.cuts import completed
from film_archive.workflows.frame_proof import FrameDigests, MovieDigests, SequenceDigests
from film_archive.workflows.locating import Located, OpenArchives, identity_of_member, is_archive, locate_in, split


@dataclass(frozen=True, slots=True)
class OpenedClip:
    """A clip that can be cut as long as it is open, and what it was made from."""

    clip: Cuttable
    identity: str
    """Changes when its bytes do."""
    size: int
    """Bytes of all of it."""
    digest: str | None
    """XXH3-128 of all of it, as its archive has it; None where nobody knows."""
    frame_digests: FrameDigests | None = None
    """Of each of its frames, where it lies in an archive."""


@dataclass(frozen=True, eq=False)
class FramesInArchive:
    """The files of a sequence in an archive."""

    archive: Archive
    member: Member
    table: FrameTable = field(init=False)
    sequence: SequenceName = field(init=False)

    def __post_init__(self) -> None:
        sequence = self.member.sequence
        assert sequence is not None
        object.__setattr__(self, "sequence", sequence)
        object.__setattr__(self, "table", self.member.frame_table())

    @cached_property
    def first(self) -> int:
        return int(self.table.numbers[0]) if len(self.table) else 0

    def name(self, number: int) -> str:
        return layout.place_of(self._member(number)).rpartition("/")[2]

    def open(self, number: int) -> ByteSource | None:
        if self.table.find(number) is None:
            return None
        return self.archive.source(self._member(number))

    def place(self, number: int) -> str | None:
        return None if self.table.find(number) is None else f"{self.archive.path}::{self._member(number).path}"

    def stamp(self, number: int) -> tuple[int, int]:
        frame = self.table.find(number)
        assert frame is not None
        return frame.mtime_ns, frame.mode & 0o777

    def _member(self, number: int) -> Member:
        path = self.sequence.path(number)
        found = self.member.frame_member(path)
        return Member.make(path, self.member.role, 0) if found is None else found


@contextmanager
def open_to_cut(
    what: str,
    *,
    rate: RateLike | None = None,
    log: ClipLog | None = None,
    link: bool = False,
    archives: OpenArchives | None = None,
) -> Iterator[OpenedClip]:
    """Open a clip to be cut. `what` is a file, a pattern of a sequence ("a.####.exr"), or ARCHIVE::MEMBER of either.

    A folder or an archive with one clip may be named without it. `rate` ("24", "29.97df") counts where the clip does not
    say its own, `log` tells what it does not say. With `link` the files of a sequence on disk become hard links. An archive
    that is among `archives` is not opened again. Raises what `open_clip` raises, NotFound, UsageError where more than one
    clip is meant.
    """
    sequence = _sequence_on_disk(what)
    if sequence is not None:
        yield _on_disk(sequence, what, rate, log, link)
        return
    path, member_path = split(what)
    if not member_path and not is_archive(Path(path)):
        with FileSource(path) as source:
            yield _one_file(Located(source, None, None, None), what, rate, log)
        return
    with ExitStack() as stack:
        archive = archives.open(path) if archives is not None else stack.enter_context(open_archive(path))
        member = _sequence_member(archive, member_path)
        if member is not None:
            yield _in_archive(archive, member, what, rate, log)
        else:
            with locate_in(archive, member_path) as located:
                opened = _one_file(located, what, rate, log)
                assert located.member is not None
                yield replace(opened, frame_digests=MovieDigests(archive, located.member))


def _one_file(located: Located, what: str, rate: RateLike | None, log: ClipLog | None) -> OpenedClip:
    source, member = located.source, located.member
    clip = open_clip(source, index=located.index, rate=rate)
    facts = located.facts
    if facts is None and (clip.start is None or clip.reel is None):
        facts = probe(source, rate=rate)  # its sidecars may know more
    if log is not None:
        facts = log.completed(member.path if member is not None else what, clip.facts if facts is None else facts)
    clip = completed(clip, facts)
    if member is not None:
        digest = member.digests.get(KEY)
        return OpenedClip(clip.identified(digest), identity_of_member(member), source.size, digest)
    assert isinstance(source, FileSource)
    return OpenedClip(clip, identity_of(source.status), source.size, None)


def _on_disk(sequence: ImageSequence, what: str, rate: RateLike | None, log: ClipLog | None, link: bool) -> OpenedClip:
    facts = _counted(probe_clip(clip_of_sequence(sequence), rate=rate), rate)
    facts = facts if log is None else log.completed(sequence.printf, facts)
    hasher, size = MultiHasher(), 0
    with files.explaining(f"look at the files of {printable(what)}"):
        for number in sequence.numbers():
            status = sequence.path(number).stat()
            hasher.update(f"{number}:{identity_of(status)}\n".encode())
            size += status.st_size
    clip = sequence_clip(printable(sequence.hashes), FilesOnDisk(sequence), facts, link=link)
    return OpenedClip(clip, hasher.digests()[KEY], size, None)


def _in_archive(
    archive: Archive, member: Member, what: str, rate: RateLike | None, log: ClipLog | None
) -> OpenedClip:
    images = FramesInArchive(archive, member)
    facts = member.media
    if facts is None:
        raise UsageError(f"{archive.name}::{printable(member.path)} was not known as media when it was archived.")
    facts = _counted(facts, rate)
    facts = facts if log is None else log.completed(member.path, facts)
    clip = sequence_clip(f"{archive.name}::{printable(member.path)}", images, facts)
    hasher = MultiHasher()
    hasher.update(images.table.digests)
    digests = SequenceDigests(images.table, images.sequence)
    return OpenedClip(clip, hasher.digests()[KEY], int(images.table.sizes.sum()), None, digests)


def _counted(facts: MediaFacts, rate: RateLike | None) -> MediaFacts:
    """The facts of a sequence that does not say its rate, at the caller's."""
    if facts.frame_rate is not None or rate is None:
        return facts
    return replace(facts, frame_rate=parse_rate(str(rate))[0])


def _sequence_on_disk(what: str) -> ImageSequence | None:
    """The sequence that a pattern means, or the only clip of a folder that is no archive."""
    path = Path(what)
    if path.is_dir() and not (path / layout.MANIFEST).exists():
        found = [each for each in probe_path(path) if each.facts is not None]
        if not found:
            raise NotFound(f"{printable(what)} is a folder without a clip in it.")
        if len(found) != 1:
            names = ", ".join(printable(each.clip.name) for each in found[:5])
            raise UsageError(f"{printable(what)} has {len(found)} clips; name one of them: {names}.")
        if found[0].clip.sequence is not None:
            return found[0].clip.sequence
        raise UsageError(f"{printable(what)} is a folder; name the clip in it: {printable(found[0].clip.name)}.")
    try:
        path.lstat()
    except OSError:
        return None if split(what)[1] else sequence_from_pattern(what)
    return None


def _sequence_member(archive: Archive, member_path: str) -> Member | None:
    """The image sequence that a member path means; of an archive of one clip the only one."""
    if not member_path:
        clips = [member for member in archive.originals() if member.get("media")]
        return clips[0] if len(clips) == 1 and clips[0].sequence is not None else None
    try:
        member = archive.member(member_path)
    except NotFound:
        return _by_pattern(archive, member_path)
    return member if member.sequence is not None else None


def _by_pattern(archive: Archive, pattern: str) -> Member | None:
    """A sequence named with `####` instead of `%04d`."""
    for member in archive.originals():
        sequence = member.sequence
        if sequence is not None and pattern == f"{sequence.prefix}{'#' * sequence.digits}{sequence.suffix}":
            return member
    return None
