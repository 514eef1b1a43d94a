"""Which reader reads a piece of media: the table, and the choice by content.

A format is one module with its reader, one row here, and one line in the suite that all readers pass. What a file is,
its bytes say; its name only breaks ties.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from film_archive.core.errors import Damaged, FilmArchiveError, NotMedia, NotSupported
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate, RateLike, parse_rate
from film_archive.media import stills
from film_archive.media.containers import DEMUXERS, demuxer_of
from film_archive.media.mov import MovFile, is_mov
from film_archive.media.mxf import MxfFile, is_mxf
from film_archive.media.raw_cameras import DNG, extension_of, raw_facts, raw_format, raw_format_by_name
from film_archive.media.raw_cameras import FORMATS as RAW_FORMATS
from film_archive.media.riff import is_wave
from film_archive.media.wave import WaveFile

HEAD = 64
"""How much of a file's beginning the readers look at to know their own."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the caller knows better than the file, for where the file does not say."""

    rate: FrameRate | None = None
    drop_frame: bool | None = None

    @classmethod
    def of(cls, rate: RateLike | None) -> Given:
        if isinstance(rate, str):
            return cls(*parse_rate(rate))
        return cls(None if rate is None else FrameRate.of(rate))


@dataclass(frozen=True, slots=True)
class Reader:
    """A row of the table: how a family of formats is known, and who reads it.

    `knows` sees the source and its first HEAD bytes; it may look further into the source but decides quickly.
    """

    name: str
    extensions: tuple[str, ...]
    knows: Callable[[ByteSource, bytes], bool]
    facts: Callable[[ByteSource, Given], MediaFacts]
    index: Callable[[ByteSource], FrameIndex]


def _is_mov(source: ByteSource, head: bytes) -> bool:
    raw = raw_format(source, head)
    if raw is not None and raw.codec in ("photograph", "heif"):  # Canon's CR3 and HEIF are made of the same boxes
        return False
    return is_mov(head)


def _mov_facts(source: ByteSource, given: Given) -> MediaFacts:
    try:
        return _with_scan(MovFile.open(source).facts(), source)
    except (Damaged, NotSupported) as error:
        return _raw_or_raise(source, given, error)


def _with_scan(facts: MediaFacts, source: ByteSource) -> MediaFacts:
    """With what the pictures say of their fields, where the description leaves that to each of them."""
    if facts.scan is not None or facts.codec != "h264" or not facts.decodable or not facts.frames:
        return facts
    try:
        return replace(facts, scan=_libav().scan_with_libav(source, "mov"))
    except (Damaged, NotSupported):  # then they are no pictures that could be shown, which is told where they are
        return facts


def _raw_or_raise(source: ByteSource, given: Given, error: FilmArchiveError) -> MediaFacts:
    """A camera's raw file in a container is still found where its container makes no sense to the reader."""
    form = raw_format(source, source.read_at(0, HEAD)) or raw_format_by_name(source.name)
    if form is None:
        raise error
    facts = raw_facts(source, form, rate=given.rate)
    return replace(facts, diagnostics=(*facts.diagnostics, str(error)))


def _libav() -> Any:
    """Imported when a file needs it: PyAV takes a fifth of a second, most files have readers of their own."""
    return importlib.import_module("film_archive.media.av.probing")


def _is_raw(source: ByteSource, head: bytes) -> bool:
    return raw_format(source, head) is not None


def _raw_facts(source: ByteSource, given: Given) -> MediaFacts:
    form = raw_format(source, source.read_at(0, HEAD)) or raw_format_by_name(source.name)
    if form is None:
        raise NotMedia(f"{source.name} is of no raw format that is known here.")
    return raw_facts(source, form, rate=given.rate)


def _raw_index(source: ByteSource) -> FrameIndex:
    facts = _raw_facts(source, Given())
    if facts.frames == 1:
        return stills.one_frame(source, facts.frame_rate)
    raise NotSupported(f"{source.name} has no frame index: {facts.note}")


def _demuxed_facts(source: ByteSource, given: Given) -> MediaFacts:
    row = demuxer_of(source, source.read_at(0, HEAD))
    if row is None:
        raise NotMedia(f"{source.name} is in no container that is known here.")
    return _libav().probe_with_libav(source, row.demuxer, container=row.container)  # type: ignore[no-any-return]


def _demuxed_index(source: ByteSource) -> FrameIndex:
    row = demuxer_of(source, source.read_at(0, HEAD))
    if row is None:
        raise NotMedia(f"{source.name} is in no container that is known here.")
    return _libav().index_with_libav(source, row.demuxer)  # type: ignore[no-any-return]


READERS: tuple[Reader, ...] = (
    Reader(
        "mov",
        ("mov", "mp4", "m4v", "m4a", "qt", "3gp", "braw", "mqv", "insv"),
        _is_mov,
        _mov_facts,
        lambda source: MovFile.open(source).index(),
    ),
    Reader(
        "mxf",
        ("mxf",),
        lambda source, head: is_mxf(head),
        lambda source, given: MxfFile.open(source).facts(),
        lambda source: MxfFile.open(source).index(),
    ),
    Reader(
        "wav",
        ("wav", "bwf", "rf64", "wave"),
        lambda source, head: is_wave(head),
        lambda source, given: WaveFile.open(source).facts(rate=given.rate, drop_frame=given.drop_frame),
        lambda source: WaveFile.open(source).index(),
    ),
    Reader(
        "raw",
        tuple(sorted({extension for row in (*RAW_FORMATS, DNG) for extension in row.extensions} - {"braw"})),
        _is_raw,
        _raw_facts,
        _raw_index,
    ),
    Reader(
        "still",
        tuple(extension for row in stills.FORMATS for extension in row.extensions),
        lambda source, head: stills.still_format(head) is not None,
        lambda source, given: stills.still_facts(source, rate=given.rate),
        stills.still_index,
    ),
    Reader(
        "demuxer",
        tuple(extension for row in DEMUXERS for extension in row.extensions),
        lambda source, head: demuxer_of(source, head) is not None,
        _demuxed_facts,
        _demuxed_index,
    ),
)
"""Raw formats come before stills: a raw photograph begins like a TIFF."""

_BY_NAME = Reader(
    "raw by name", (), lambda source, head: raw_format_by_name(source.name) is not None, _raw_facts, _raw_index
)


def reader_of(source: ByteSource) -> Reader:
    """The reader of a source, by its first bytes.

    Raises NotMedia where it is empty or nothing that a reader knows.
    """
    if source.size == 0:
        raise NotMedia(f"{source.name} is empty (0 bytes); copy it again from its original.")
    head = source.read_at(0, HEAD)
    for row in (*READERS, _BY_NAME):
        if row.knows(source, head):
            return row
    if is_media_extension(extension_of(source.name)):
        raise NotMedia(
            f"{source.name} is called like media, but its content is none: it is damaged or has a wrong name."
        )
    raise NotMedia(f"{source.name} is no media of a kind that is known here; it can be archived all the same.")


def is_media_extension(extension: str) -> bool:
    """Whether files of this extension (small letters, no dot) are meant to be media."""
    return any(extension in row.extensions for row in READERS)


def fits(extension: str, reader: Reader, source: ByteSource) -> bool:
    """Whether an extension may stand on what this reader read; of stills and the like, on the very format."""
    if extension not in reader.extensions:
        return reader is _BY_NAME
    head = source.read_at(0, HEAD)
    if reader.name == "still":
        form = stills.still_format(head)
        return form is None or extension in form.extensions
    if reader.name == "demuxer":
        row = demuxer_of(source, head)
        return row is None or extension in row.extensions
    return True
