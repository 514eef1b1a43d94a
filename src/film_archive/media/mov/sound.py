"""Sample descriptions of sound tracks: codec, channels, rate, and for PCM how many bytes a sample of all channels
takes.

The classic fields lie: `in24` comes with "16 bits", high rates with "1 Hz". So the codec decides the sample size, and
version 2 of the description its rate. Source: QuickTime File Format, "Sound Sample Descriptions (Version 0, 1, 2)";
ISO/IEC 14496-12, 12.2; ISO/IEC 23003-5 (`ipcm`, `fpcm`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from film_archive.media.codecs import AUDIO_FOURCC
from film_archive.media.mov.atoms import Atom, Notes, kind_text
from film_archive.media.mov.descriptions import OBJECT_TYPES, aac_channels, codec_name, object_type, original_format

_FIXED_BITS = {b"in24": 24, b"in32": 32, b"fl32": 32, b"fl64": 64, b"ulaw": 8, b"alaw": 8}
_LAYOUTS = {
    100: "mono", 101: "stereo", 102: "stereo", 103: "matrix stereo", 106: "binaural", 108: "quad", 113: "L R C",
    114: "C L R", 115: "4.0", 116: "4.0", 117: "5.0", 118: "5.0", 119: "5.0", 120: "5.0", 121: "5.1", 122: "5.1",
    123: "5.1", 124: "5.1", 125: "6.1", 126: "7.1", 127: "7.1", 128: "7.1", 147: "discrete",
}  # fmt: skip
"""CoreAudio channel layout tags (CoreAudioBaseTypes.h), without the channel count in their low half."""
_LABELS = {
    1: "L", 2: "R", 3: "C", 4: "LFE", 5: "Ls", 6: "Rs", 7: "Lc", 8: "Rc", 9: "Cs", 10: "Lsd", 11: "Rsd", 33: "Rls",
    34: "Rrs", 38: "Lt", 39: "Rt", 42: "mono",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundFacts:
    """What the description of a sound track says.

    `frame_bytes` is the size of one PCM sample of all channels, 0 for coded sound. Coded sound of a constant rate
    (ima4, MACE) has `packet_samples` samples in `packet_bytes` bytes; for other codecs both are 0.
    """

    codec: str
    channels: int
    sample_rate: int
    bits: int | None = None
    frame_bytes: int = 0
    packet_samples: int = 0
    packet_bytes: int = 0
    layout: str | None = None


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fixed part, of whichever version; `length` is that of the entry's body before its extensions."""

    version: int
    length: int
    channels: int
    bits: int
    rate: int
    flags: int = 0
    packet_samples: int = 0
    packet_bytes: int = 0


def sound_facts(entry: Atom, timescale: int, notes: Notes, *, iso_entries: bool = False) -> SoundFacts:
    """Read a sound track's description. `iso_entries`: the table has ISO's version 1, its entries no extra fields."""
    fields = _fields(entry, iso_entries)
    extensions = {atom.kind: atom for atom in reversed(entry.children(fields.length, lenient=True))}
    if b"wave" in extensions:
        inner = reversed(extensions[b"wave"].children(lenient=True))
        extensions = {atom.kind: atom for atom in inner} | extensions
    fourcc = original_format(extensions) if entry.kind == b"enca" else entry.kind
    rate = fields.rate or timescale
    layout = _layout(extensions.get(b"chan"))
    pcm = _pcm(fourcc, fields, extensions)
    if pcm is not None:
        name, bits = pcm
        frame_bytes = (bits + 7) // 8 * fields.channels
        if fields.version in (1, 2) and fields.packet_bytes not in (0, frame_bytes):
            notes.add(f"its description says {fields.packet_bytes} bytes a sample, {name} takes {frame_bytes}")
        return SoundFacts(codec=name, channels=fields.channels, sample_rate=rate, bits=bits, frame_bytes=frame_bytes,
                          layout=layout)  # fmt: skip
    name = AUDIO_FOURCC.get(fourcc, "")
    if fourcc == b"mp4a" and b"esds" in extensions:
        name = OBJECT_TYPES.get(object_type(extensions[b"esds"]) or 0, name)
        stated = aac_channels(extensions[b"esds"])
        if stated is not None and stated != fields.channels:
            fields = replace(fields, channels=stated)
    if not name:
        name = codec_name(fourcc)
        notes.add(f"the codec '{kind_text(fourcc)}' is not one that is known here")
    samples, size = fields.packet_samples, fields.packet_bytes
    if fourcc == b"ima4" and not size:
        samples, size = 64, 34 * fields.channels
    return SoundFacts(codec=name, channels=fields.channels, sample_rate=rate, packet_samples=samples, packet_bytes=size,
                      layout=layout)  # fmt: skip


def _fields(entry: Atom, iso_entries: bool) -> _Fields:
    """Raises Damaged where the entry is too short, or says what can't be (no channels, 2 GHz)."""
    (version,) = entry.unpack("H", 8)
    channels, bits, _compression, _packet, rate = entry.unpack("HHHHI", 16)
    fields = _Fields(version, 28, channels, bits, rate >> 16)
    if version == 1 and not iso_entries:
        samples, _bytes_a_packet, bytes_a_frame, _bytes_a_sample = entry.unpack("4I", 28)
        fields = _Fields(1, 44, channels, bits, rate >> 16, 0, samples, bytes_a_frame)
    elif version == 2 and not iso_entries:
        length, _, _, channels, _, bits, flags, packet_bytes, packet_samples = entry.unpack("9I", 28)
        (exact,) = struct.unpack_from(">d", entry.body, 32)
        # A rate of 0 stands for "as the timescale"; NaN fails both comparisons.
        rate = round(exact) if 0 <= exact < 1 << 31 else -1
        length = length - 8 if 72 <= length <= entry.size else 64
        fields = _Fields(2, length, channels, bits, rate, flags, packet_samples, packet_bytes)
    if not 1 <= fields.channels <= 1024 or fields.rate < 0 or max(fields.packet_samples, fields.packet_bytes) > 1 << 30:
        raise entry.damaged(f"describes {fields.channels} channels at a rate that can't be")
    return fields


def _pcm(fourcc: bytes, fields: _Fields, extensions: dict[bytes, Atom]) -> tuple[str, int] | None:
    """(codec, bits) of PCM, or None where it is not PCM."""
    if fourcc == b"lpcm" and fields.version == 2:
        if not 1 <= fields.bits <= 64:
            return None
        kind = "f" if fields.flags & 1 else "s" if fields.flags & 4 else "u"
        # Samples that aren't packed lie in wider words; the width is what the packet says.
        packed = bool(fields.flags & 8) or not fields.packet_bytes
        bits = fields.bits if packed else fields.packet_bytes * 8 // fields.channels
        return _pcm_name(kind, (bits + 7) // 8 * 8, bool(fields.flags & 2))
    if fourcc in (b"ipcm", b"fpcm"):
        settings = extensions.get(b"pcmC")
        known = settings is not None and len(settings.body) >= 6
        little = bool(settings.body[4] & 1) if known and settings is not None else False
        bits = settings.body[5] if known and settings is not None else fields.bits
        return _pcm_name("s" if fourcc == b"ipcm" else "f", bits, not little) if bits in (8, 16, 24, 32, 64) else None
    if fourcc in (b"ulaw", b"alaw"):
        return AUDIO_FOURCC[fourcc], 8
    if fourcc in _FIXED_BITS:
        endian = extensions.get(b"enda")
        little = endian is not None and int.from_bytes(endian.body[:2], "big") == 1
        return _pcm_name("f" if fourcc.startswith(b"fl") else "s", _FIXED_BITS[fourcc], not little)
    bits = fields.bits if fields.bits in (8, 16, 24, 32) else 16
    if fourcc in (b"twos", b"sowt", b"lpcm"):
        return _pcm_name("s", bits, fourcc != b"sowt")
    if fourcc in (b"raw ", b"NONE", bytes(4)):
        return _pcm_name("u" if bits == 8 else "s", bits, True)
    return None


def _pcm_name(kind: str, bits: int, big: bool) -> tuple[str, int]:
    return f"pcm_{kind}{bits}" + ("" if bits == 8 else "be" if big else "le"), bits


def _layout(chan: Atom | None) -> str | None:
    if chan is None or len(chan.body) < 16:
        return None
    tag, _bitmap, count = chan.unpack("3I", 4)
    if tag == 0 and 0 < count <= 64 and len(chan.body) >= 16 + 20 * count:
        labels = [chan.unpack("I", 16 + 20 * index)[0] for index in range(count)]
        return " ".join(_LABELS.get(label, "?") for label in labels)
    return _LAYOUTS.get(tag >> 16)
