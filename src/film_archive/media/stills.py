"""Single images, and image sequences as clips: their facts from their headers. No pixel is decoded.

DPX is read by our own reader, all other formats through OpenImageIO, EXIF through exifread. The table of formats is
here; an image is known by how it begins, never by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice

import numpy as np

from film_archive.core.errors import FilmArchiveError, NotMedia
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex, Packets
from film_archive.core.reels import reel_of_name
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRange, FrameRate, RateLike
from film_archive.media.dpx import dpx_facts, read_dpx
from film_archive.media.exif import ExifFacts, read_exif
from film_archive.media.exr import exr_problem
from film_archive.media.image_attributes import Attributes, image_facts
from film_archive.media.images import open_image
from film_archive.media.sequence import ImageSequence

HEADER = 64
"""Bytes of a file's beginning that tell its format."""


@dataclass(frozen=True, slots=True)
class StillFormat:
    """A format of images: `name` is its container and codec, `matches` looks at the first HEADER bytes."""

    name: str
    extensions: tuple[str, ...]
    matches: Callable[[bytes], bool]
    has_exif: bool = False
    ending: bytes = b""
    """What a whole file has near its end, for formats that mark it."""


def _starts(*magics: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magics)


FORMATS: tuple[StillFormat, ...] = (
    StillFormat("dpx", ("dpx",), _starts(b"SDPX", b"XPDS")),
    StillFormat("exr", ("exr", "sxr", "mxr"), _starts(b"\x76\x2f\x31\x01")),
    StillFormat("tiff", ("tif", "tiff", "tx"), _starts(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), has_exif=True),
    StillFormat("jpeg", ("jpg", "jpeg", "jpe"), _starts(b"\xff\xd8\xff"), has_exif=True, ending=b"\xff\xd9"),
    StillFormat("png", ("png",), _starts(b"\x89PNG\r\n\x1a\n"), has_exif=True, ending=b"IEND"),
    StillFormat("cineon", ("cin",), _starts(b"\x80\x2a\x5f\xd7", b"\xd7\x5f\x2a\x80")),
    StillFormat(
        "jpeg2000", ("jp2", "j2k", "j2c"), _starts(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"), ending=b"\xff\xd9"
    ),
    StillFormat("webp", ("webp",), lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", has_exif=True),
    StillFormat("psd", ("psd", "psb"), _starts(b"8BPS")),
    StillFormat("hdr", ("hdr", "rgbe"), _starts(b"#?RADIANCE", b"#?RGBE")),
    StillFormat(
        "sgi", ("sgi", "rgb", "rgba"), lambda head: head[:2] == b"\x01\xda" and head[2] <= 1 and head[3] in (1, 2)
    ),
    StillFormat("bmp", ("bmp",), lambda head: head[:2] == b"BM" and head[6:10] == b"\0\0\0\0"),
)

_IMAGES_TRIED = 8
"""As many damaged images at the begin of a sequence don't keep the others from being known."""


def still_format(head: bytes) -> StillFormat | None:
    """The format of an image by its first bytes; None where it is none."""
    return next((row for row in FORMATS if len(head) >= 12 and row.matches(head)), None)


def still_facts(source: ByteSource, *, rate: RateLike | None = None) -> MediaFacts:
    """The facts of one image.

    Its start timecode is the one in its header (DPX, EXR), counted at the header's rate, or at `rate` where the
    header has none; with neither the label is kept in `camera["timecode"]`. Raises NotMedia where it is no image,
    Damaged where its header is cut short or contradicts itself.
    """
    form = still_format(source.read_at(0, HEADER))
    if form is None:
        raise NotMedia(f"{source.name} is no image of a format that is known here.")
    given = None if rate is None else FrameRate.of(rate)
    if form.name == "dpx":
        return dpx_facts(read_dpx(source), source.size, given)
    exif = read_exif(source) if form.has_exif else ExifFacts()
    with open_image(source, form.extensions[0]) as image:
        facts = image_facts(form.name, Attributes(image.spec()), exif, given)
    problem = exr_problem(source) if form.name == "exr" else _ending_problem(form, source)
    return facts if problem is None else replace(facts, diagnostics=(*facts.diagnostics, problem))


def still_index(source: ByteSource) -> FrameIndex:
    """One image as an index of one frame: all its bytes."""
    return one_frame(source, still_facts(source).frame_rate)


def one_frame(source: ByteSource, rate: FrameRate | None) -> FrameIndex:
    """An index of one frame that is a whole file."""
    here = np.zeros(1, np.int64), np.array([source.size], np.int64)
    packets = Packets(*here, np.zeros(1, np.int64), 1, Fraction(rate or 1))
    return FrameIndex(packets, np.ones(1, np.bool_), rate)


def sequence_facts(sequence: ImageSequence, facts_of: Callable[[int], MediaFacts]) -> MediaFacts:
    """The facts of a sequence as one clip: those of its first image, and what the names tell.

    `frames` runs from the first number to the last, so that frame n of the clip is the file numbered first + n and
    its time is n frames in, whatever is missing before it; `missing` lists the holes in the numbers of the files.
    `facts_of` gives the facts of a frame by its number; it is asked for the first and the last. Where the first can't be
    read, the first of the next few that can tells the facts. Raises what it raises for the first where none can.
    """
    facts, said = _first_image(sequence, facts_of)
    holes = sequence.missing
    if holes and holes[0].start < 0:
        said.append(f"frames with numbers below 0 are missing as well: {_numbers(holes)}")
    if len(sequence) > 1:
        said += _last_image_problems(sequence, facts_of, facts)
    reel = facts.reel or reel_of_name(sequence.stem)
    return replace(
        facts,
        frames=sequence.span,
        first_frame=sequence.first,
        missing=tuple(FrameRange(max(0, hole.start), hole.stop) for hole in holes if hole.stop > 0),
        reel=reel,
        reel_source=facts.reel_source or (None if reel is None else "file name"),
        diagnostics=tuple(said),
    )


def _first_image(sequence: ImageSequence, facts_of: Callable[[int], MediaFacts]) -> tuple[MediaFacts, list[str]]:
    """(facts as of the first number, what there is to say)."""
    problem: FilmArchiveError | None = None
    for number in islice(sequence.numbers(), _IMAGES_TRIED):
        try:
            facts = facts_of(number)
        except FilmArchiveError as error:
            problem = problem or error
            continue
        said = list(facts.diagnostics)
        if problem is not None:
            why = str(problem).rstrip(".")
            said.append(f"its first image can't be read ({why}); the facts are those of {sequence.file_name(number)}")
            if facts.start_timecode is not None:
                facts = replace(facts, start_timecode=facts.start_timecode - (number - sequence.first))
        return facts, said
    assert problem is not None  # a sequence has images
    raise problem


def _last_image_problems(
    sequence: ImageSequence, facts_of: Callable[[int], MediaFacts], facts: MediaFacts
) -> list[str]:
    """Where the last image contradicts the first: another size, or a timecode that did not run with the numbers."""
    name = sequence.file_name(sequence.last)
    try:
        last = facts_of(sequence.last)
    except FilmArchiveError as error:
        return [f"its last image can't be read: {error}"]
    problems = [f"{name}: {problem}" for problem in last.diagnostics if problem not in facts.diagnostics]
    if (last.container, last.width, last.height) != (facts.container, facts.width, facts.height):
        problems.append(f"{name} is {last.container} {last.width}×{last.height}, unlike the first image")
    if facts.start_timecode is not None and last.start_timecode is not None:
        expected = facts.start_timecode + (sequence.span - 1)
        if last.start_timecode != expected:
            problems.append(
                f"{name} has timecode {last.start_timecode} where {expected} would follow from the first: "
                "timecode and numbers do not run together"
            )
    return problems


def _numbers(holes: tuple[range, ...]) -> str:
    below = [hole for hole in holes if hole.start < 0]
    return ", ".join(f"{hole.start} to {min(hole.stop, 0) - 1}" for hole in below)


def _ending_problem(form: StillFormat, source: ByteSource) -> str | None:
    """A file that lacks its end mark was cut short; what follows the mark (phones append videos) is not looked at."""
    if not form.ending:
        return None
    reach = 1 << 16
    position = source.size
    while position > 0:
        start = max(0, position - reach)
        if form.ending in source.read_at(start, position - start + len(form.ending) - 1):
            return None
        position = start
        if source.size - position > 16 * reach:
            break
    return "it is cut short: its end mark is not there"
