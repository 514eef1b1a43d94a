"""Opening what proxies are made of and held against: members of archives, media files, image sequences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from film_archive.archive.reader import Archive
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import FilmArchiveError, NotMedia, NotSupported
from film_archive.core.facts import MediaFacts
from film_archive.core.job import identity_at, identity_of, require_unchanged
from film_archive.core.member import Member
from film_archive.core.records import Record
from film_archive.core.source import ByteSource, FileSource, printable
from film_archive.core.timecode import parse_rate
from film_archive.media.clips import Clip, clip_of_sequence
from film_archive.media.sequence import ImageSequence, sequence_of
from film_archive.proxy.original import Original
from film_archive.workflows.clip_logs import ClipLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Images(Record):
    """The images of a sequence: from the first to the last, by the numbers in the files' names."""

    pattern: str
    """As people write it: "shot.####.exr"."""
    first: int
    """Of the first file."""
    last: int
    """Of the last one."""


@dataclass(frozen=True, slots=True)
class NamedClip:
    """A clip of the file system: a file, or the images of a sequence."""

    clip: Clip
    facts: MediaFacts
    identity: str
    size: int

    @property
    def path(self) -> Path:
        """The file; of a sequence its first."""
        return Path(self.clip.parts[0])

    @property
    def images(self) -> Images | None:
        sequence = self.clip.sequence
        return None if sequence is None else Images(pattern=sequence.hashes, first=sequence.first, last=sequence.last)

    @property
    def stem(self) -> str:
        """What its proxies are named after."""
        sequence = self.clip.sequence
        return self.path.stem if sequence is None else sequence.stem.rstrip("._- ") or "images"


def clips_at(path: Path, rate: str | None, log: ClipLog | None) -> list[NamedClip | tuple[str, FilmArchiveError]]:
    """The clips that a path means: a file, a frame or the pattern of a sequence, or a folder with clips in it.

    Those of a folder that can't be read come with their problem. Raises what `probe_path` raises.
    """
    from film_archive.media.probe import ProbedClip, probe_clip, probe_path

    sequence = sequence_of(path) if path.is_file() else None
    if sequence is not None:
        clip = clip_of_sequence(sequence)
        found: tuple[ProbedClip, ...] = (ProbedClip(clip, probe_clip(clip, rate=rate)),)
    else:
        found = probe_path(path, rate=rate)
    if not found:
        raise NotMedia(f"There is no media in {printable(path)}.")
    return [
        (printable(each.clip.name), each.problem or NotSupported("It can't be read."))
        if each.facts is None
        else _named(each.clip, known(each.facts, str(each.clip.name), rate, log))
        for each in found
    ]


def known(facts: MediaFacts, path: str, rate: str | None, log: ClipLog | None) -> MediaFacts:
    """The facts with what the caller tells: a log, and the rate of images that have none of their own."""
    if log is not None:
        facts = log.completed(path, facts)
    if facts.frame_rate is None and rate is not None and facts.width:
        facts = replace(facts, frame_rate=parse_rate(rate)[0])
    return facts


def _named(clip: Clip, facts: MediaFacts) -> NamedClip:
    paths = [Path(part) for part in clip.parts] if clip.sequence is None else list(clip.sequence.paths())
    size = sum(path.stat().st_size for path in paths)
    return NamedClip(clip, facts, _identity(paths), size)


def _identity(paths: list[Path]) -> str:
    if len(paths) == 1:
        return identity_at(paths[0])
    hasher = MultiHasher()
    for path in paths:
        hasher.update(f"{path.name}\0{identity_at(path)}\n".encode("utf-8", "surrogateescape"))
    return hasher.digests()[KEY]


@contextmanager
def opened_clip(
    path: Path, images: Images | None, identity: str | None, rate: str | None, log: ClipLog | None
) -> Iterator[Original]:
    """A clip of the file system; raises SourceChanged where it is not what it was when its identity was taken."""
    from film_archive.media.probe import index, probe, probe_clip

    if images is None:
        with FileSource(path) as source:
            if identity is not None:
                require_unchanged(source.name, identity, identity_of(source.status))
            facts = known(probe(source, rate=rate), str(path), rate, log)
            yield Original(source.name, facts, source, index(source) if facts.decodable else None)
        return
    sequence = _limited(path, images)
    clip = clip_of_sequence(sequence)
    if identity is not None:
        require_unchanged(printable(clip.name), identity, _identity(list(sequence.paths())))
    facts = known(probe_clip(clip, rate=rate), clip.name, rate, log)

    def open_frame(number: int) -> ByteSource | None:
        place = sequence.frame(number)
        return None if place is None else FileSource(place)

    yield Original(printable(clip.name), facts, open_frame=open_frame)
    if identity is not None:
        require_unchanged(printable(clip.name), identity, _identity(list(sequence.paths())))


def _limited(path: Path, images: Images) -> ImageSequence:
    found = sequence_of(path)
    sequence = None if found is None else found.limited_to(range(images.first, images.last + 1))
    if sequence is None:
        raise NotMedia(f"{printable(path)} is no frame of a sequence any more; nothing was made of it.")
    return sequence


@contextmanager
def opened_member(archive: Archive, member: Member, facts: MediaFacts | None = None) -> Iterator[Original]:
    """A clip of an archive; `facts` are those of its line unless others are given. Raises NotSupported where it has none."""
    from film_archive.media.probe import index

    name = f"{archive.name}::{printable(member.path)}"
    facts = facts or member.media
    if facts is None:
        raise NotSupported(f"{name} has no picture that can be decoded here; no proxies were made.")
    if member.sequence is None:
        with archive.source(member) as source:
            yield Original(source.name, facts, source, index(source) if facts.decodable else None)
        return
    names = member.sequence
    numbers = set(member.frame_table().numbers.tolist())
    first = min(numbers) if facts.first_frame is None else facts.first_frame

    def open_frame(number: int) -> ByteSource | None:
        return archive.source(names.path(first + number)) if first + number in numbers else None

    yield Original(name, facts, open_frame=open_frame)
