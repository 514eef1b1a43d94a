"""The headers of a DPX file (SMPTE ST 268-1), read without decoding it.

Own, because readers disagree on where to stop: FFmpeg writes files whose image begins right behind the generic
header, and a reader that takes those pixels for a film and television header finds garbage. Here the industry headers
are read only where the image begins behind them, and each field only where it can be true.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from fractions import Fraction

from film_archive.core.errors import Damaged, UsageError
from film_archive.core.facts import ColorFacts, MediaFacts
from film_archive.core.reels import reel_of_name
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate
from film_archive.media.codeword import CodeWord, header_start, read_code_word, read_plain_digits
from film_archive.media.dates import iso_date

GENERIC = 1664
INDUSTRY = 2048
_UNDEFINED = 0xFFFFFFFF

DESCRIPTORS = {
    1: ("R", 1),
    2: ("G", 1),
    3: ("B", 1),
    4: ("A", 1),
    6: ("Y", 1),
    7: ("CbCr", 1),
    8: ("Z", 1),
    9: ("composite", 1),
    50: ("RGB", 3),
    51: ("RGBA", 4),
    52: ("ABGR", 4),
    100: ("CbYCrY 4:2:2", 3),
    101: ("CbYACrYA 4:2:2:4", 4),
    102: ("CbYCr 4:4:4", 3),
    103: ("CbYCrA 4:4:4:4", 4),
}
"""ST 268-1, table 1: what an image element's descriptor means, and its components."""


@dataclass(frozen=True, slots=True)
class DpxHeader:
    """What a DPX file says of itself; None where a field is undefined or impossible."""

    width: int
    height: int
    descriptor: int
    components: str | None
    bit_depth: int
    transfer: int
    colorimetric: int
    pixel_aspect: Fraction | None
    image_offset: int
    stated_size: int | None
    created: str | None
    creator: str | None
    project: str | None
    source_name: str | None
    source_created: str | None
    input_device: str | None
    input_serial: str | None
    timecode: CodeWord | None
    digits: CodeWord | None
    """The timecode's eight digits taken without flags, as some write 40 and more frames a second."""
    film_rate: float | None
    television_rate: float | None
    interlaced: bool | None
    slate: str | None
    user_identification: str | None
    big_endian: bool
    elements: int
    """Image elements; all else here is of the first."""
    orientation: int
    """0: lines from the top, pixels from the left."""
    packing: int
    """0: packed; 1: filled to 32 bits, padding last (method A); 2: padding first (method B)."""
    encoding: int
    """0: none; 1: run-length."""
    line_padding: int
    """Bytes behind each line."""


def is_dpx(head: bytes) -> bool:
    return head[:4] in (b"SDPX", b"XPDS")


def read_dpx(source: ByteSource) -> DpxHeader:
    """Read the headers of a DPX file; raises Damaged where they are cut short or contradict themselves."""
    head = source.read_at(0, INDUSTRY + 32)
    if not is_dpx(head):
        raise Damaged(f"{source.name} does not begin like a DPX file.")
    if len(head) < GENERIC:
        raise Damaged(f"{source.name} ends within its DPX header, after {len(head)} of {GENERIC} bytes.")
    order = ">" if head[:4] == b"SDPX" else "<"
    fields = _Fields(head, order)
    image_offset, size = fields.number(4), fields.number(16)
    width, height = fields.number(772), fields.number(776)
    if not width or not height:
        raise Damaged(f"{source.name} has a DPX header that states no image size.")
    if image_offset is None or image_offset < GENERIC:
        raise Damaged(
            f"{source.name} has a DPX header in which the image begins at byte {image_offset}, inside the header."
        )
    industry = fields if image_offset >= INDUSTRY and len(head) >= INDUSTRY else None
    film_and_tv = (
        industry if industry is not None and any(byte not in (0, 0xFF) for byte in head[GENERIC:INDUSTRY]) else None
    )
    tv = film_and_tv if film_and_tv is not None and any(head[1920:1972]) else None
    word = None if tv is None else tv.number(1920)
    descriptor = head[800]
    return DpxHeader(
        width=width,
        height=height,
        descriptor=descriptor,
        components=DESCRIPTORS.get(descriptor, (None, 0))[0],
        bit_depth=head[803],
        transfer=head[801],
        colorimetric=head[802],
        pixel_aspect=_aspect(fields.number(1628), fields.number(1632)),
        image_offset=image_offset,
        stated_size=size or None,
        created=iso_date(fields.text(136, 24)),
        creator=fields.text(160, 100),
        project=fields.text(260, 200),
        source_name=fields.text(1432, 100),
        source_created=iso_date(fields.text(1532, 24)),
        input_device=fields.text(1556, 32),
        input_serial=fields.text(1588, 32),
        timecode=None if word is None else read_code_word(word),
        digits=None if word is None else read_plain_digits(word),
        film_rate=None if film_and_tv is None else film_and_tv.rate(1724),
        television_rate=None if tv is None else tv.rate(1940),
        interlaced={0: False, 1: True}.get(head[1928]) if tv is not None else None,
        slate=None if film_and_tv is None else film_and_tv.text(1764, 100),
        user_identification=fields.text(INDUSTRY, 32) if image_offset >= INDUSTRY + 32 else None,
        big_endian=order == ">",
        elements=fields.short(770),
        orientation=fields.short(768),
        packing=fields.short(804),
        encoding=fields.short(806),
        line_padding=fields.number(812) or 0,
    )


class _Fields:
    """Fields at fixed places, with the standard's "undefined" (all bits set) taken out."""

    def __init__(self, head: bytes, order: str) -> None:
        self._head = head
        self._order = order

    def number(self, place: int) -> int | None:
        value: int = struct.unpack_from(f"{self._order}I", self._head, place)[0]
        return None if value == _UNDEFINED else value

    def short(self, place: int) -> int:
        value: int = struct.unpack_from(f"{self._order}H", self._head, place)[0]
        return value

    def rate(self, place: int) -> float | None:
        """Frames a second, where the field can be that."""
        value: float = struct.unpack_from(f"{self._order}f", self._head, place)[0]
        return value if math.isfinite(value) and 1 <= value <= 1000 else None

    def text(self, place: int, length: int) -> str | None:
        """Text up to its first NUL, where all of it is printable; None for an empty or an impossible one."""
        raw = self._head[place : place + length].split(b"\0", 1)[0]
        try:
            text = raw.decode("utf-8").strip()
        except UnicodeDecodeError:
            return None
        return text if text and text.isprintable() else None


def _aspect(horizontal: int | None, vertical: int | None) -> Fraction | None:
    if not horizontal or not vertical:
        return None
    ratio = Fraction(horizontal, vertical)
    return ratio if Fraction(1, 10) <= ratio <= 10 else None


# Facts

_DPX_TRANSFERS = {5: "bt709", 6: "bt709", 7: "bt470bg", 8: "smpte170m", 2: "linear"}
_DPX_PRIMARIES = {5: "bt709", 6: "bt709", 7: "bt470bg", 8: "smpte170m"}
_DPX_SPACES = {1: "printing density", 3: "logarithmic", 13: "ADX"}


def dpx_facts(header: DpxHeader, size: int, given: FrameRate | None) -> MediaFacts:
    """The facts of one DPX of `size` bytes; `given` counts its timecode where its header has no rate."""
    said = []
    stated = header.film_rate or header.television_rate
    if header.film_rate and header.television_rate and _rate(header.film_rate) != _rate(header.television_rate):
        said.append(
            f"its film header says {header.film_rate:g} frames a second, its television header "
            f"{header.television_rate:g}; the first is taken"
        )
    if header.stated_size is not None and header.stated_size > size:
        said.append(f"it is cut short: its header states {header.stated_size} bytes and {size} are there")
    elif header.image_offset >= size:
        said.append("it is cut short: it has a header and no image")
    if header.interlaced:
        said.append("its header says that it is interlaced, but not which field is first")
    rate = None if stated is None else _rate(stated)
    start = header_start(_dpx_word(header, rate or given), rate, given)
    reel = reel_of_name(header.input_device or "") or reel_of_name(header.source_name or "")
    camera = {
        "input_device": header.input_device,
        "input_serial": header.input_serial,
        "source_name": header.source_name,
        "project": header.project,
        "slate": header.slate,
        "timecode": start.label,
    }
    created = header.source_created or header.created
    return MediaFacts(
        container="dpx",
        codec="dpx",
        profile=header.components,
        width=header.width,
        height=header.height,
        frame_rate=start.rate,
        frames=1,
        start_timecode=start.timecode,
        start_source=None if start.timecode is None else "image header",
        reel=reel,
        reel_source=None if reel is None else "image header",
        scan="progressive" if header.interlaced is False else None,
        pixel_aspect=header.pixel_aspect,
        bit_depth=header.bit_depth or None,
        color=ColorFacts(
            primaries=_DPX_PRIMARIES.get(header.colorimetric),
            transfer=_DPX_TRANSFERS.get(header.transfer),
            space=_DPX_SPACES.get(header.transfer),
        ),
        created=created,
        created_source=None if created is None else "image header",
        camera={name: value for name, value in camera.items() if value is not None},
        diagnostics=(*said, *start.diagnostics),
    )


def _dpx_word(header: DpxHeader, rate: FrameRate | None) -> CodeWord | None:
    """The timecode as a word with flags, or as plain digits where only those make a label.

    The standard has eight digits and no flags; some writers set ST 12's drop-frame bit (0x40) all the same, others
    write frames above 39 at 48 or 60 fps, which look like it.
    """
    digits, word = header.digits, header.timecode
    if digits is not None and (word is None or rate is None or digits.frames < rate.nominal):
        return digits if digits.frames < 30 or rate is not None or word is None else word
    return word


def _rate(value: float) -> FrameRate | None:
    """A header's 32-bit float as an exact rate: 23.976 as 24000/1001, else to a thousandth."""
    try:
        return FrameRate.of(round(value, 3))
    except UsageError:
        return None
