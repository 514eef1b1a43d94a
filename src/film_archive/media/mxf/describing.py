"""From descriptors, labels and the first frame to facts: codec, size, fields, pixel shape, depth, colour, sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from film_archive.core.facts import AudioFacts, ColorFacts
from film_archive.media.bitstream.frame_header import FrameHeader
from film_archive.media.codecs import Codec
from film_archive.media.mxf.colors import code_range, described_color
from film_archive.media.mxf.labels import Naming, picture_codec
from film_archive.media.mxf.metadata import Descriptor, LocalSet
from film_archive.media.mxf.sound import pcm_form

_SEPARATE_FIELDS, _SINGLE_FIELD, _MIXED_FIELDS, _SEGMENTED = 1, 2, 3, 4
_LARGEST_SIDE = 1 << 17
_SQUARE_ENOUGH = Fraction(1, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What is known of a picture track, its codec included (None where nothing tells it)."""

    codec: Codec | None
    note: str | None
    width: int | None
    height: int | None
    scan: str | None
    pixel_aspect: Fraction | None
    bit_depth: int | None
    color: ColorFacts
    diagnostics: tuple[str, ...]


def describe_picture(descriptor: Descriptor | None, labels: Sequence[bytes], header: FrameHeader | None) -> Picture:
    """A picture track from its descriptor and its first frame's header.

    `labels` are the file's essence container labels, used where the descriptor's own says nothing (as Avid's).
    """
    if descriptor is None:
        codec = header.codec if header is not None else None
        return Picture(
            codec=codec,
            note=None if codec is not None else "The file does not describe its picture.",
            width=header.width if header is not None else None,
            height=header.height if header is not None else None,
            scan=header.scan if header is not None else None,
            pixel_aspect=None,
            bit_depth=codec.bit_depth if codec is not None else None,
            color=ColorFacts() if header is None else header.color,
            diagnostics=("The picture track has no descriptor; what is known of it is from its first frame.",),
        )
    values = descriptor.values
    naming, notes = _codec(descriptor, labels, header)
    width, height = _size(values, header, notes)
    bits = naming.codec.bit_depth if naming.codec is not None else None
    bits = bits or values.number(0x3301) or _component_depth(values)
    levels = (values.number(0x3304), values.number(0x3305))
    if levels == (None, None):
        levels = (values.number(0x3407), values.number(0x3406))
    color, unknown = described_color(
        values.label(0x3210),
        values.label(0x321A),
        values.label(0x3219),
        code_range(values.number(0x3301) or bits, *levels),
    )
    return Picture(
        codec=naming.codec,
        note=naming.note,
        width=width,
        height=height,
        scan=_scan(values, header, height),
        pixel_aspect=_pixel_aspect(values, width, height),
        bit_depth=bits if bits is not None and 1 <= bits <= 32 else None,
        color=_filled(color, header),
        diagnostics=(*notes, *unknown),
    )


def _filled(color: ColorFacts, header: FrameHeader | None) -> ColorFacts:
    """With the frame's own tags where the descriptor has none; a camera's log curve is not a gap to be filled."""
    if header is None or color.space is not None:
        return color
    return replace(
        color,
        primaries=color.primaries or header.color.primaries,
        transfer=color.transfer or header.color.transfer,
        matrix=color.matrix or header.color.matrix,
    )


def _codec(descriptor: Descriptor, labels: Sequence[bytes], header: FrameHeader | None) -> tuple[Naming, list[str]]:
    """Labels first, the frame's own header as final truth; a label's profile stays where the header has none."""
    coding = descriptor.values.label(0x3201)
    naming = picture_codec(descriptor.container, coding)
    for label in labels:
        if naming.codec is None:
            naming = picture_codec(label, bytes(16))
    notes: list[str] = []
    if header is None:
        if naming.codec is None:
            listed = " and ".join(label.hex() for label in (descriptor.container, coding) if any(label)) or "none"
            note = f"The codec is not known here (labels: {listed}); archiving, copying and restoring work."
            return Naming(None, note), notes
        return naming, notes
    told, found = naming.codec, header.codec
    if told is None or not _same_family(told, found):
        if told is not None:
            notes.append(f"The labels say {told.name}, but the first frame is {found.name}; the frame is right.")
        return Naming(found), notes
    profile = found.profile
    if told.name == found.name and (profile is None or (told.profile or "").startswith("AVC-Intra")):
        profile = told.profile or found.profile
    bits, intra = found.bit_depth or told.bit_depth, told.intra or found.intra
    return Naming(replace(found, profile=profile, intra=intra, bit_depth=bits)), notes


def _same_family(one: Codec, other: Codec) -> bool:
    return one.name == other.name or {one.name, other.name} <= {"dnxhd", "dnxhr"}


def _size(values: LocalSet, header: FrameHeader | None, notes: list[str]) -> tuple[int | None, int | None]:
    """Display size, else sampled, else stored, else the frame's own; of separate fields the height is doubled."""
    for across, down in ((0x3209, 0x3208), (0x3205, 0x3204), (0x3203, 0x3202)):
        width, height = values.number(across), values.number(down)
        if width and height and width <= _LARGEST_SIDE and height <= _LARGEST_SIDE:
            break
    else:
        return (None, None) if header is None else (header.width or None, header.height or None)
    if values.number(0x320C) in (_SEPARATE_FIELDS, _SEGMENTED):
        whole = header.height if header is not None else None
        if whole is not None and 2 * height > whole + 64:
            notes.append(
                f"The descriptor has fields of {height} lines, but frames have {whole} lines; those are right."
            )
        else:
            height *= 2
    return width, height


def _scan(values: LocalSet, header: FrameHeader | None, height: int | None) -> str | None:
    """ "progressive", "tff" or "bff": the frame's own word where there is one, else layout, line map and dominance."""
    if header is not None and header.scan is not None:
        return header.scan
    layout = values.number(0x320C)
    if layout in (0, _SEGMENTED):
        return "progressive"
    if layout not in (_SEPARATE_FIELDS, _SINGLE_FIELD, _MIXED_FIELDS):
        return None
    lines = values.items.get(0x320D, b"")
    if len(lines) >= 16 and lines[:8] == b"\0\0\0\2\0\0\0\4" and any(lines[8:16]):
        # the first field's first line lies above the second's where their numbers add up to an odd one (21 + 584)
        first, second = int.from_bytes(lines[8:12], "big"), int.from_bytes(lines[12:16], "big")
        top_first = (first + second) % 2 == 1
    elif height is not None:
        top_first = height not in (480, 486)
    else:
        return None
    if values.number(0x3212) == 2:
        top_first = not top_first
    return "tff" if top_first else "bff"


def _pixel_aspect(values: LocalSet, width: int | None, height: int | None) -> Fraction | None:
    """From the display's shape (320E) and size; what is square but for rounding is 1."""
    shape = values.ratio(0x320E)
    if shape is None or not width or not height:
        return None
    aspect = shape * height / width
    if abs(aspect - 1) < _SQUARE_ENOUGH:
        return Fraction(1)
    return aspect if Fraction(1, 4) < aspect < 4 else None


def _component_depth(values: LocalSet) -> int | None:
    """The depth of the first component of an RGBA pixel layout (3401): pairs of code and depth."""
    layout = values.items.get(0x3401, b"")
    return layout[1] if len(layout) >= 2 and layout[0] and layout[1] <= 32 else None


def describe_sound(descriptor: Descriptor | None, samples: int | None) -> AudioFacts | None:
    """One sound track; None where its descriptor does not say channels and rate."""
    if descriptor is None:
        return None
    form = pcm_form(descriptor)
    if not form.channels or not form.sample_rate:
        return None
    codec = form.codec or f"unknown ({descriptor.values.label(0x3D06).hex()})"
    layout = "mono" if form.channels == 1 else None
    return AudioFacts(
        codec=codec,
        channels=form.channels,
        sample_rate=form.sample_rate,
        bits=form.bits,
        samples=samples,
        layout=layout,
    )
