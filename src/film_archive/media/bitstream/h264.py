"""H.264 as far as a probe and an index need it: parameter sets, slice headers, the order in which pictures are shown.

Source: ITU-T H.264, 7.3 (syntax), 8.2.1 (picture order count), E.1.1 (colour); ISO/IEC 14496-15, 5.3.3 (`avcC`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from film_archive.core.facts import ColorFacts
from film_archive.media.bitstream.bits import Bits, UnreadableError
from film_archive.media.bitstream.stream_facts import StreamFacts
from film_archive.media.bitstream.video_usability import usability_color
from film_archive.media.codecs import Codec, h264_codec

NAL_SLICE, NAL_IDR, NAL_PARAMETERS = 1, 5, 7
_WITH_CHROMA_INFO = frozenset((44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244))
_INTRA_SLICES = (2, 7)
_LARGEST_SIDE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceParameters:
    """What a sequence parameter set says; the size is the cropped one of a whole frame."""

    codec: Codec
    width: int
    height: int
    frames_only: bool
    separate_planes: bool
    frame_number_bits: int
    order_type: int
    """How pictures are numbered for display: 0 by `order_bits` of a counter, 2 as they are coded."""
    order_bits: int
    color: ColorFacts = field(default_factory=ColorFacts)


@dataclass(frozen=True, slots=True)
class SliceHeader:
    """The first slice of a picture. `order` is the low bits of its display number, None where it has none."""

    idr: bool
    reference: bool
    intra: bool
    order: int | None


def h264_facts(record: bytes) -> StreamFacts:
    """From an `avcC`'s body. Raises UnreadableError."""
    if len(record) < 4:
        raise UnreadableError
    profile, constraints = record[1], record[2]
    if len(record) < 8 or not record[5] & 31:
        return StreamFacts(h264_codec(profile, constraints))
    length = int.from_bytes(record[6:8], "big")
    unit = record[8 : 8 + length]
    if len(unit) < 4 or len(unit) != length:
        raise UnreadableError
    found = _sequence_parameters(Bits(unit[1:]))
    return StreamFacts(found.codec, found.color, "progressive" if found.frames_only else None)


def nal_units(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(first byte, bytes behind it) of the NAL units of a byte stream; nothing where it is none."""
    if data[:3] != b"\0\0\1" and data[:4] != b"\0\0\0\1":
        return
    place = data.find(b"\0\0\1")
    while 0 <= place < len(data) - 4:
        following = data.find(b"\0\0\1", place + 3)
        end = len(data) if following < 0 else following
        yield data[place + 3], data[place + 4 : end]
        place = following


def parameters_in(frame: bytes) -> SequenceParameters | None:
    """The first sequence parameter set in a frame of a byte stream; None where there is none that can be read."""
    for head, unit in nal_units(frame):
        if head & 31 == NAL_PARAMETERS:
            return sequence_parameters(unit)
    return None


def sequence_parameters(unit: bytes) -> SequenceParameters | None:
    """A sequence parameter set from its bytes behind the NAL header; None where it is cut off or impossible."""
    try:
        return _sequence_parameters(Bits(unit))
    except UnreadableError:
        return None


def stands_alone(frame: bytes) -> bool | None:
    """Whether a picture is intra-coded, by its first slice; None where no slice is in these first bytes."""
    for head, unit in nal_units(frame):
        if head & 31 == NAL_IDR:
            return True
        if head & 31 == NAL_SLICE:
            try:
                bits = Bits(unit[:16])
                bits.number()
                return bits.number() in _INTRA_SLICES
            except UnreadableError:
                return None
    return None


def slice_header(frame: bytes, parameters: SequenceParameters) -> SliceHeader | None:
    """The header of a frame's first slice; None where no slice is in these first bytes."""
    for head, unit in nal_units(frame):
        if head & 31 in (NAL_SLICE, NAL_IDR):
            try:
                return _slice_header(head, Bits(unit[:64]), parameters)
            except UnreadableError:
                return None
    return None


def _slice_header(head: int, bits: Bits, parameters: SequenceParameters) -> SliceHeader:
    idr, reference = head & 31 == NAL_IDR, bool(head >> 5 & 3)
    bits.number()
    intra = bits.number() in _INTRA_SLICES
    bits.number()
    if parameters.separate_planes:
        bits.take(2)
    bits.take(parameters.frame_number_bits)
    if not parameters.frames_only and bits.flag():
        bits.take(1)
    if idr:
        bits.number()
    order = bits.take(parameters.order_bits) if parameters.order_type == 0 else None
    return SliceHeader(idr, reference, intra, order)


def _sequence_parameters(bits: Bits) -> SequenceParameters:
    profile, constraints, _level = bits.take(8), bits.take(8), bits.take(8)
    bits.number()
    chroma, depth, separate = 1, 8, False
    if profile in _WITH_CHROMA_INFO:
        chroma = bits.number()
        separate = chroma == 3 and bits.flag()
        depth = 8 + bits.number()
        bits.number()
        bits.take(1)
        if bits.flag():
            for index in range(12 if chroma == 3 else 8):
                if bits.flag():
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    frame_number_bits = 4 + bits.count(12)
    order_type, order_bits = _display_order(bits)
    bits.number()
    bits.take(1)
    width = 16 * (bits.number() + 1)
    lines = 16 * (bits.number() + 1)
    frames_only = bits.flag()
    fields = 1 if frames_only else 2
    if not frames_only:
        bits.take(1)
    bits.take(1)
    crop = [bits.number() for _ in range(4)] if bits.flag() else [0, 0, 0, 0]
    across = 2 if chroma in (1, 2) and not separate else 1
    down = (2 if chroma == 1 else 1) * fields
    width -= across * (crop[0] + crop[1])
    height = lines * fields - down * (crop[2] + crop[3])
    if not (0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE and depth <= 14):
        raise UnreadableError
    return SequenceParameters(
        codec=h264_codec(profile, constraints, depth),
        width=width,
        height=height,
        frames_only=frames_only,
        separate_planes=separate,
        frame_number_bits=frame_number_bits,
        order_type=order_type,
        order_bits=order_bits,
        color=usability_color(bits) if bits.flag() else ColorFacts(),
    )


def _display_order(bits: Bits) -> tuple[int, int]:
    """(pic_order_cnt_type, bits of the counter); what type 1 adds is passed over."""
    kind = bits.count(2)
    if kind == 0:
        return kind, 4 + bits.count(12)
    if kind == 1:
        bits.take(1)
        bits.signed()
        bits.signed()
        for _ in range(bits.count(255)):
            bits.signed()
    return kind, 0


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last
