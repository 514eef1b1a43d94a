"""A camera's clip as frames, whatever it is: a movie, MXF, an image sequence, and each of them in an archive.

What the clip says of itself, in its own metadata or its camera's sidecar, is told in the terms of a plate: colour space by
OpenColorIO's name, squeeze, reel, lens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from numpy.typing import NDArray

from film_archive.archive.reader import open_archive
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import Damaged, NotFound, NotMedia, NotSupported, OutOfRange, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.job import identity_of
from film_archive.core.source import ByteSource, FileSource, printable
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.clips import clip_of_sequence
from film_archive.media.cutting.image_sequence import FilesOnDisk, FrameFiles
from film_archive.media.images import read_pixels
from film_archive.media.probe import index, probe, probe_clip, probe_path
from film_archive.media.sequence import sequence_of
from film_archive.media.stills import FORMATS
from film_archive.workflows.clips import FramesInArchive
from film_archive.workflows.locating import identity_of_member, is_archive, locate_in, only_clip, split

Levels = Literal["auto", "codes", "video"]

DEFAULT_RATE = FrameRate(24, 1)
"""Of sequences that do not say theirs, where the caller gives none either."""

_INSTALL = (
    "X-OCN is decoded only by Sony's own software: install RAW Viewer (Windows or macOS), whose rawexporter makes DPX of it, "
    "and name it as tools.sony_converter; or give its DPX"
)
_IMAGES = frozenset(extension for row in FORMATS for extension in row.extensions)
_STILLS = frozenset(row.name for row in FORMATS)
"""Containers that hold one image."""


@dataclass(frozen=True, kw_only=True)
class SourceClip:
    """A clip that is open to be read; leaving the block closes it.

    Frames are counted from 0 at the clip's first; a sequence's holes count. `missing` are the frames that have no file.
    """

    name: str
    """The file, or the sequence's pattern, without folders."""
    path: str
    """As it was named."""
    facts: MediaFacts
    frames: int
    rate: Fraction
    start_timecode: Timecode | None
    reel: str | None
    width: int
    height: int
    colorspace: str | None
    """OpenColorIO's name, where tags or a sidecar tell it."""
    squeeze: Fraction | None
    """The lens's squeeze, where metadata tells it."""
    camera: Mapping[str, str]
    """What the camera wrote of itself, its lens and its CDL, by name."""
    needs_exporter: bool
    """True for X-OCN, whose frames only Sony's exporter makes."""
    identity: str
    """Changes when its bytes do."""
    missing: frozenset[int] = frozenset()
    as_codes: bool = False
    """Whether samples in video range are code values of the log, as Sony's cameras record them."""
    _source: ByteSource | None = None
    _index: FrameIndex | None = None
    _images: FrameFiles | None = None
    _stack: ExitStack = field(default_factory=ExitStack, repr=False, compare=False)

    @classmethod
    def open(cls, source: str | Path, *, fps: Fraction | None = None, levels: Levels = "auto") -> SourceClip:
        """Open a clip: a movie or MXF, a folder with one image sequence, a pattern or a frame of one, ARCHIVE::MEMBER.

        `fps` is the rate of a clip that does not say its own. `levels` tells how video carries a log: scaled into "video"
        levels, or as "codes"; "auto" takes a camera's own S-Log for codes, all else as it is tagged. Raises NotFound,
        NotMedia, NotSupported (a codec that nothing here decodes; X-OCN opens, and says so when its frames are asked for),
        Damaged, UsageError where more than one clip is meant.
        """
        rate = None if fps is None else FrameRate.of(fps)
        with ExitStack() as stack:
            found = _find(str(source), rate, stack)
            return _described(str(source), found, rate, levels, stack.pop_all())

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def _frame_index(self) -> FrameIndex:
        """Where its frames lie; read at the first frame that is asked for, since a plan asks for none."""
        assert self._source is not None
        return index(self._source) if self._index is None else self._index

    def timecode(self, position: int) -> Timecode | None:
        """The label of a frame; None where the clip has no timecode."""
        if self.start_timecode is None:
            return None
        count = position * self.start_timecode.rate / self.rate
        return self.start_timecode + count.numerator // count.denominator

    def require(self, first: int, last: int) -> None:
        """Raise OutOfRange unless the clip reaches from frame `first` to `last`, both included."""
        if first > last:
            raise OutOfRange(f"{self.name}: frame {first} is behind frame {last}; the in point comes first.")
        if first < 0 or last >= self.frames:
            raise OutOfRange(
                f"{self.name} has no frames {first} to {last}: it has {self.frames}, from 0 to {self.frames - 1}."
            )

    def files(self, first: int, last: int) -> list[Path | None] | None:
        """The files of an image sequence on disk, None for a hole; None for a clip of another kind."""
        self.require(first, last)
        if isinstance(self._images, OneImage):
            return [self._images.path]
        if not isinstance(self._images, FilesOnDisk):
            return None
        sequence = self._images.sequence
        return [sequence.frame(position) for position in range(first, last + 1)]

    def open_image(self, position: int) -> ByteSource | None:
        """The bytes of a frame of an image sequence; None for a hole. The caller closes it."""
        if self._images is None:
            raise UsageError(f"{self.name} is no image sequence.")
        return self._images.open(self._images.first + position)

    @property
    def is_images(self) -> bool:
        """Whether each frame is a file of its own."""
        return self._images is not None

    def image_suffix(self, position: int) -> str:
        """The extension of a frame's file, with its dot."""
        assert self._images is not None
        return Path(self._images.name(self._images.first + position)).suffix.lower()

    def pictures(self, first: int, last: int, *, threads: int = 0) -> Iterator[tuple[int, NDArray[Any]]]:
        """(position, pixels) of the frames from `first` to `last`, both included; frames of `missing` are left out.

        Pixels are (height, width, 3) RGB: uint8 or uint16 for 0 … 1, or floats. Raises OutOfRange, NotSupported for X-OCN,
        Damaged for a frame that can't be decoded: no other is ever given in its stead.
        """
        self.require(first, last)
        if self.needs_exporter:
            raise NotSupported(f"{self.name} can't be decoded here. {_INSTALL}.")
        if self._images is not None:
            yield from self._stills(first, last)
            return
        from film_archive.media.av.code_values import rgb_codes
        from film_archive.media.av.decoding import decode_frames

        assert self._source is not None
        count = last - first + 1
        for each in decode_frames(self._source, start=first, count=count, index=self._frame_index, threads=threads):
            if each.frame is None or each.corrupt:
                raise Damaged(f"{self.name}: frame {each.number} can't be decoded; the file is damaged there.")
            yield each.number, rgb_codes(each.frame, as_codes=self.as_codes)

    def _stills(self, first: int, last: int) -> Iterator[tuple[int, NDArray[Any]]]:
        for position in range(first, last + 1):
            image = self.open_image(position)
            if image is not None:
                with image:
                    yield position, read_pixels(image, self.image_suffix(position).lstrip(".") or self.facts.container)


# Finding what is meant


@dataclass(frozen=True, slots=True)
class OneImage:
    """A single image, as a sequence of one."""

    path: Path

    @property
    def first(self) -> int:
        return 0

    def name(self, number: int) -> str:
        return self.path.name

    def open(self, number: int) -> ByteSource | None:
        return FileSource(self.path) if number == 0 else None

    def place(self, number: int) -> str | None:
        return str(self.path) if number == 0 else None

    def stamp(self, number: int) -> tuple[int, int]:
        with FileSource(self.path) as source:
            return source.status.st_mtime_ns, source.status.st_mode & 0o777


@dataclass(frozen=True, kw_only=True)
class _Found:
    name: str
    facts: MediaFacts
    identity: str
    source: ByteSource | None = None
    index: FrameIndex | None = None
    images: FrameFiles | None = None


def _find(what: str, rate: FrameRate | None, stack: ExitStack) -> _Found:
    path, member_path = split(what)
    place = Path(path)
    if member_path or (is_archive(place) and not (place.is_dir() and not (place / ".film-archive").is_dir())):
        return _in_archive(path, member_path, rate, stack)
    if place.is_file():
        if place.suffix.lower().lstrip(".") in _IMAGES and (sequence := sequence_of(what)) is not None:
            return _sequence(FilesOnDisk(sequence), probe_clip(clip_of_sequence(sequence), rate=rate), what)
        return _on_disk(place, rate, stack)
    found = [each for each in probe_path(what, rate=rate) if each.facts is not None]
    if len(found) != 1:
        names = ", ".join(printable(each.clip.name) for each in found[:5])
        if not found:
            raise NotFound(f"There is no clip in {printable(what)}.")
        raise UsageError(f"{printable(what)} has {len(found)} clips; name one of them: {names}.")
    (only,) = found
    assert only.facts is not None
    if only.clip.sequence is not None:
        return _sequence(FilesOnDisk(only.clip.sequence), only.facts, what)
    return _on_disk(Path(only.clip.parts[0]), rate, stack)


def _on_disk(place: Path, rate: FrameRate | None, stack: ExitStack) -> _Found:
    source = stack.enter_context(FileSource(place))
    facts, identity = probe(source, rate=rate), identity_of(source.status)
    if facts.container in _STILLS:
        return _Found(name=place.name, facts=facts, identity=identity, images=OneImage(place))
    return _file(source, facts, None, identity)


def _in_archive(path: str, member_path: str, rate: FrameRate | None, stack: ExitStack) -> _Found:
    archive = stack.enter_context(open_archive(path))
    member = archive.member(member_path) if member_path else only_clip(archive)
    if member.sequence is not None:
        if member.media is None:
            raise NotMedia(f"{archive.name}::{printable(member.path)} was not known as media when it was archived.")
        images = FramesInArchive(archive, member)
        hasher = MultiHasher()
        hasher.update(images.table.digests)
        return _Found(name=Path(member.path).name, facts=member.media, identity=hasher.digests()[KEY], images=images)
    located = stack.enter_context(locate_in(archive, member.path))
    facts = located.facts if located.facts is not None else probe(located.source, rate=rate)
    return _file(located.source, facts, located.index, identity_of_member(member))


def _file(source: ByteSource, facts: MediaFacts, frames: FrameIndex | None, identity: str) -> _Found:
    if facts.width is None or facts.height is None:
        raise NotMedia(f"{source.name} has no picture.")
    if not facts.decodable and facts.codec != "xocn":
        raise NotSupported(f"{source.name}: {facts.note or 'it can not be decoded here.'}")
    if facts.codec != "xocn" and frames is None and (not facts.frames or facts.diagnostics):
        frames = index(source)  # what is odd about a file may be that its frames can't be addressed; a plan is to say so
    return _Found(name=Path(source.name).name, facts=facts, identity=identity, source=source, index=frames)


def _sequence(images: FilesOnDisk, facts: MediaFacts, what: str) -> _Found:
    hasher = MultiHasher()
    for number in images.sequence.numbers():
        try:
            hasher.update(f"{number}:{identity_of(images.sequence.path(number).stat())}\n".encode())
        except OSError as error:
            raise NotFound(f"{printable(images.sequence.file(number))} is no longer there.") from error
    name = Path(images.sequence.hashes).name
    return _Found(name=name, facts=facts, identity=hasher.digests()[KEY], images=images)


# Saying it in the terms of a plate


def _described(path: str, found: _Found, given: FrameRate | None, levels: Levels, stack: ExitStack) -> SourceClip:
    facts = found.facts
    frames = found.index.frames if found.index is not None else facts.frames or 0
    if not frames:
        raise Damaged(f"{found.name} has no frames.")
    space = colorspace_of(facts)
    missing: frozenset[int] = frozenset()
    if facts.first_frame is not None:
        missing = frozenset(number - facts.first_frame for hole in facts.missing for number in hole)
    start = facts.start_timecode
    rate = facts.frame_rate or given or (None if start is None else start.rate) or DEFAULT_RATE
    return SourceClip(
        name=found.name,
        path=path,
        facts=facts,
        frames=frames,
        rate=rate,
        start_timecode=start,
        reel=facts.reel,
        width=facts.width or 0,
        height=facts.height or 0,
        colorspace=space,
        squeeze=facts.pixel_aspect if facts.pixel_aspect not in (None, 1) else None,
        camera=dict(facts.camera),
        needs_exporter=facts.codec == "xocn",
        identity=found.identity,
        missing=missing,
        as_codes=levels == "codes" or (levels == "auto" and _records_codes(facts)),
        _source=found.source,
        _index=found.index,
        _images=found.images,
        _stack=stack,
    )


def colorspace_of(facts: MediaFacts) -> str | None:
    """OpenColorIO's name of a clip's colour space, in the built-in configs; None where nothing tells it for sure.

    BT.709 tags are not believed: cameras and exporters put them on log as well.
    """
    said = facts.color.space
    if said is None:
        return None
    if said in ("ACEScg", "ACES2065-1"):
        return said
    words = re.sub(r"[\s_-]", "", said).casefold()
    if "slog3" in words:
        gamut = "S-Gamut3.Cine" if "cine" in words else "S-Gamut3" if "gamut3" in words else None
        if gamut is None:
            return None
        return f"S-Log3 Venice {gamut}" if _is_venice(facts) or "venice" in words else f"S-Log3 {gamut}"
    return {"lin_ap1_scene": "ACEScg", "lin_ap0_scene": "ACES2065-1"}.get(said)


def _records_codes(facts: MediaFacts) -> bool:
    """Whether a camera's own metadata says that video is S-Log, whose numbers Sony gives in codes of the signal."""
    return "slog" in re.sub(r"[\s_-]", "", facts.color.space or "").casefold()


_VENICE = re.compile(r"\bVENICE\b|\bMPC-36(?:10|26|28)\b", re.IGNORECASE)
"""VENICE (MPC-3610), VENICE 2 6K (MPC-3626) and 8K (MPC-3628), as their metadata call them."""


def _is_venice(facts: MediaFacts) -> bool:
    return any(_VENICE.search(text) for text in facts.camera.values())
