"""Sample descriptions (`stsd` entries) of picture tracks: codec, size, pixel aspect, scan, colour.

Sources: QuickTime File Format, "Video Media" and "Video Sample Description Extensions"; ISO/IEC 14496-12, 12.1; for
the codecs' own configuration see `media/bitstream`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

from film_archive.core.facts import ColorFacts
from film_archive.media.bitstream.bits import UnreadableError
from film_archive.media.bitstream.h264 import h264_facts
from film_archive.media.bitstream.h265 import h265_facts
from film_archive.media.bitstream.stream_facts import StreamFacts
from film_archive.media.codecs import VIDEO_FOURCC, Codec
from film_archive.media.color_tags import color_facts
from film_archive.media.mov.atoms import Atom, Notes, kind_text

MAX_DESCRIPTIONS = 1024
_VIDEO_FIXED = 78
"""Bytes of a picture entry behind its size and kind."""
_SCANS = {1: "tff", 6: "bff", 9: "tff", 14: "bff"}
"""`fiel` detail → which field is shown first. 9 and 14: interleaved fields, the topmost line early or late (Apple's TN2162 and
ImageCompression.h); the QuickTime File Format tells these two the other way round, so a frame that says itself is believed."""
_DOUBTFUL = (9, 14)

# MPEG-4 object types (ISO/IEC 14496-1, table 5; registered at mp4ra.org) that name a codec other than the entry's own.
OBJECT_TYPES = {
    0x20: "mpeg4", 0x21: "h264", 0x23: "h265", 0x40: "aac",
    **dict.fromkeys(range(0x60, 0x66), "mpeg2"), 0x66: "aac", 0x67: "aac", 0x68: "aac", 0x69: "mp3", 0x6A: "mpeg1",
    0x6B: "mp3", 0x6C: "mjpeg", 0x6D: "png", 0x6E: "jpeg2000", 0xA5: "ac3", 0xA6: "eac3", 0xA9: "dts", 0xAD: "opus",
    0xDD: "vorbis",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Description:
    """One entry of a sample description table as the file has it; its kind is the codec's four letters."""

    atom: Atom
    data_reference: int

    @property
    def raw(self) -> bytes:
        return bytes(self.atom.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFacts:
    """What the description of a picture track says. Sizes in pixels, as stored."""

    codec: Codec
    width: int
    height: int
    pixel_aspect: Fraction | None = None
    clean_size: tuple[Fraction, Fraction] | None = None
    scan: str | None = None
    scan_doubtful: bool = False
    """Whether it is told by a number that programs read in two ways."""
    color: ColorFacts = field(default_factory=ColorFacts)
    encrypted: bool = False


def parse_descriptions(stsd: Atom) -> tuple[Description, ...]:
    """The entries of a description table. Raises Damaged where there are fewer than it promises."""
    (count,) = stsd.unpack("I", 4)
    entries = stsd.children(8)
    if count > len(entries) or count > MAX_DESCRIPTIONS:
        raise stsd.damaged(f"promises {count} descriptions and holds {len(entries)}")
    return tuple(Description(entry, entry.unpack("H", 6)[0]) for entry in entries[:count])


def picture_facts(entry: Atom, notes: Notes) -> PictureFacts:
    """Read a picture track's description; what can't be read of its extensions is noted and left out."""
    width, height = entry.unpack("HH", 24)
    extensions = {atom.kind: atom for atom in reversed(entry.children(_VIDEO_FIXED, lenient=True))}
    fourcc, encrypted = entry.kind, False
    if fourcc == b"encv":
        fourcc, encrypted = original_format(extensions), True
    stream = _stream_facts(fourcc, extensions, notes)
    color = stream.color
    if b"colr" in extensions:
        color = _merged(_color(extensions[b"colr"]), color)
    if b"ACLR" in extensions and color.range is None:
        color = replace(color, range={1: "limited", 2: "full"}.get(_word(extensions[b"ACLR"], 8)))
    return PictureFacts(
        codec=replace(stream.codec, decodable=False) if encrypted else stream.codec,
        width=width,
        height=height,
        pixel_aspect=_pixel_aspect(extensions.get(b"pasp")),
        clean_size=_clean_size(extensions.get(b"clap")),
        scan=_scan(extensions.get(b"fiel")) or stream.scan,
        scan_doubtful=_is_doubtful(extensions.get(b"fiel")),
        color=color,
        encrypted=encrypted,
    )


def original_format(extensions: dict[bytes, Atom]) -> bytes:
    """The codec behind an encrypted entry (`sinf/frma`)."""
    scheme = extensions.get(b"sinf")
    for atom in () if scheme is None else scheme.children(lenient=True):
        if atom.kind == b"frma" and len(atom.body) >= 4:
            return bytes(atom.body[:4])
    return b"enc "


def codec_name(fourcc: bytes) -> str:
    """A name for four letters that the table doesn't have."""
    return kind_text(fourcc).strip().lower() or "unknown"


def object_type(esds: Atom) -> int | None:
    """The MPEG-4 object type of an elementary stream descriptor (ISO/IEC 14496-1, 7.2.6.5 and 7.2.6.6)."""
    data = bytes(esds.body[4:260])
    tag, position = _descriptor(data, 0)
    if tag == 3 and len(data) > position + 2:
        flags = data[position + 2]
        position += 3 + (2 if flags & 0x80 else 0) + (2 if flags & 0x20 else 0)
        if flags & 0x40 and len(data) > position:
            position += 1 + data[position]
        tag, position = _descriptor(data, position)
    return data[position] if tag == 4 and position < len(data) else None


def aac_channels(esds: Atom) -> int | None:
    """The channels that an AAC stream's own configuration states (ISO/IEC 14496-3, 1.6.2.1); None where it states none.

    The sample entry's count is 2 in many MP4 files whatever the sound is.
    """
    word = _aac_configuration(esds)
    return None if word is None else (0, 1, 2, 3, 4, 5, 6, 8)[word >> 3 & 15]


def aac_object_type(esds: Atom) -> int | None:
    """The audio object type of an AAC stream (ISO/IEC 14496-3, 1.5.1.1; 2 is AAC-LC); None where it states none."""
    word = _aac_configuration(esds)
    return None if word is None else word >> 11


def _aac_configuration(esds: Atom) -> int | None:
    """The first 16 bits of an AudioSpecificConfig: object type, rate, channels."""
    data = bytes(esds.body[4:260])
    start = data.find(b"\x05")
    while start >= 0:
        _, position = _descriptor(data, start)
        if position + 2 <= len(data) and object_type(esds) == 0x40:
            word = data[position] << 8 | data[position + 1]
            kind, rate, channels = word >> 11, word >> 7 & 15, word >> 3 & 15
            if kind in (1, 2, 3, 4) and rate < 13 and 1 <= channels <= 7:
                return word
        start = data.find(b"\x05", start + 1)
    return None


def _descriptor(data: bytes, position: int) -> tuple[int, int]:
    """(tag, where the content starts); the length takes one to four bytes of seven bits."""
    if position >= len(data):
        return -1, position
    tag = data[position]
    for _ in range(4):
        position += 1
        if position >= len(data) or not data[position] & 0x80:
            break
    return tag, position + 1


def _stream_facts(fourcc: bytes, extensions: dict[bytes, Atom], notes: Notes) -> StreamFacts:
    codec = VIDEO_FOURCC.get(fourcc)
    if codec is None:
        notes.add(f"the codec '{kind_text(fourcc)}' is not one that is known here")
        return StreamFacts(Codec(codec_name(fourcc)))
    try:
        if codec.name == "h264" and b"avcC" in extensions:
            facts = h264_facts(bytes(extensions[b"avcC"].body))
            if codec.profile is not None:  # the four letters name the recording format, which says more
                facts = replace(facts, codec=replace(codec, bit_depth=facts.codec.bit_depth or codec.bit_depth))
            return facts
        if codec.name == "h265" and b"hvcC" in extensions:
            return h265_facts(bytes(extensions[b"hvcC"].body))
    except UnreadableError:
        notes.add("the codec's parameter sets can't be read; bit depth and profile are not known")
    if b"vpcC" in extensions:
        return _vp9(codec, extensions[b"vpcC"])
    if b"av1C" in extensions:
        bits = _word(extensions[b"av1C"], 0) >> 8 & 0xFF
        return StreamFacts(replace(codec, bit_depth=12 if bits & 0x20 else 10 if bits & 0x40 else 8))
    if b"esds" in extensions:
        name = OBJECT_TYPES.get(object_type(extensions[b"esds"]) or 0, codec.name)
        return StreamFacts(codec if name == codec.name else Codec(name, None, 8, name in ("mjpeg", "png", "jpeg2000")))
    return StreamFacts(codec)


def _vp9(codec: Codec, vpcc: Atom) -> StreamFacts:
    """The VP codec configuration box (webmproject.org, VP Codec ISO Media File Format Binding)."""
    body = bytes(vpcc.body[4:10])
    if len(body) < 6:
        return StreamFacts(codec)
    color = color_facts(body[3], body[4], body[5], bool(body[2] & 1))
    return StreamFacts(replace(codec, profile=f"Profile {body[0]}", bit_depth=body[2] >> 4), color)


def _word(atom: Atom, offset: int) -> int:
    """32 bits of an extension, 0 where it is too short."""
    return int.from_bytes(atom.body[offset : offset + 4], "big")


def _pixel_aspect(pasp: Atom | None) -> Fraction | None:
    if pasp is None or len(pasp.body) < 8:
        return None
    horizontal, vertical = pasp.unpack("II")
    return Fraction(horizontal, vertical) if horizontal and vertical else None


def _clean_size(clap: Atom | None) -> tuple[Fraction, Fraction] | None:
    if clap is None or len(clap.body) < 32:
        return None
    width, width_over, height, height_over = clap.unpack("4i")
    if min(width, width_over, height, height_over) <= 0:
        return None
    return Fraction(width, width_over), Fraction(height, height_over)


def _scan(fiel: Atom | None) -> str | None:
    if fiel is None or len(fiel.body) < 2:
        return None
    fields, detail = fiel.unpack("BB")
    return "progressive" if fields == 1 else _SCANS.get(detail) if fields == 2 else None


def _is_doubtful(fiel: Atom | None) -> bool:
    return fiel is not None and len(fiel.body) >= 2 and fiel.unpack("BB")[0] == 2 and fiel.unpack("BB")[1] in _DOUBTFUL


def _color(colr: Atom) -> ColorFacts:
    """`nclc` (QuickTime) or `nclx` (ISO, with a range); ICC profiles are no tags."""
    body = bytes(colr.body[:11])
    if body[:4] not in (b"nclc", b"nclx") or len(body) < 10:
        return ColorFacts()
    primaries, transfer, matrix = colr.unpack("HHH", 4)
    full = bool(body[10] & 0x80) if body[:4] == b"nclx" and len(body) > 10 else None
    return color_facts(primaries, transfer, matrix, full)


def _merged(container: ColorFacts, stream: ColorFacts) -> ColorFacts:
    """The container's tags, and the stream's where it has none."""
    return ColorFacts(
        primaries=container.primaries or stream.primaries,
        transfer=container.transfer or stream.transfer,
        matrix=container.matrix or stream.matrix,
        range=container.range or stream.range,
    )
