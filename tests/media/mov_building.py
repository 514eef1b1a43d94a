"""QuickTime files built atom by atom, for tests of what no encoder at hand writes."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from film_archive.core.source import MemorySource
from film_archive.media.mov import MovFile

IDENTITY = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)


def atom(kind: bytes, *parts: bytes, wide: bool = False) -> bytes:
    body = b"".join(parts)
    if wide:
        return struct.pack(">I4sQ", 1, kind, len(body) + 16) + body
    return struct.pack(">I4s", len(body) + 8, kind) + body


def full(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    return atom(kind, struct.pack(">I", version << 24 | flags), *parts)


def table(kind: bytes, *rows: tuple[int, ...] | int, version: int = 0) -> bytes:
    """A counted table of 32-bit numbers; negative ones are written as two's complement."""
    cells = [cell & 0xFFFFFFFF for row in rows for cell in (row if isinstance(row, tuple) else (row,))]
    return full(kind, struct.pack(f">I{len(cells)}I", len(rows), *cells), version=version)


def stsz(size: int, count: int, sizes: list[int] | None = None) -> bytes:
    return full(b"stsz", struct.pack(f">II{len(sizes or [])}I", size, count, *(sizes or [])))


def co64(*offsets: int) -> bytes:
    return full(b"co64", struct.pack(f">I{len(offsets)}Q", len(offsets), *offsets))


def elst(*edits: tuple[int, int], version: int = 0, rate: int = 1 << 16) -> bytes:
    layout = ">Qqi" if version else ">Iii"
    rows = b"".join(struct.pack(layout, duration, media, rate) for duration, media in edits)
    return full(b"elst", struct.pack(">I", len(edits)), rows, version=version)


def picture_entry(fourcc: bytes = b"jpeg", width: int = 64, height: int = 48, *extensions: bytes) -> bytes:
    size = struct.pack(">HHIIIH", width, height, 72 << 16, 72 << 16, 0, 1)
    fixed = bytes(6) + struct.pack(">H", 1) + bytes(16) + size
    return atom(fourcc, fixed + bytes(32) + struct.pack(">Hh", 24, -1), *extensions)


def sound_entry(
    fourcc: bytes = b"sowt", channels: int = 2, bits: int = 16, rate: int = 48000, *extensions: bytes, version: int = 0,
    v1: tuple[int, int, int, int] = (1, 2, 4, 2),
) -> bytes:  # fmt: skip
    fixed = bytes(6) + struct.pack(">HHHIHHhHI", 1, version, 0, 0, channels, bits, 0, 0, rate << 16)
    return atom(fourcc, fixed, struct.pack(">4I", *v1) if version == 1 else b"", *extensions)


def sound_entry_v2(channels: int, bits: int, rate: float, flags: int, packet_bytes: int) -> bytes:
    fixed = bytes(6) + struct.pack(">HHHIHHhHI", 1, 2, 0, 0, 3, 16, -2, 0, 1 << 16)
    more = struct.pack(">IdI4s4I", 72, rate, channels, b"\x7f\0\0\0", bits, flags, packet_bytes, 1)
    return atom(b"lpcm", fixed, more)


def timecode_entry(
    timescale: int = 24, duration: int = 1, nominal: int = 24, flags: int = 0, reel: bytes | None = None, pad: int = 1
) -> bytes:
    name = b"" if reel is None else atom(b"name", struct.pack(">HH", len(reel), 0), reel)
    fixed = bytes(6) + struct.pack(">HIIIIB", 1, 0, flags, timescale, duration, nominal) + bytes(pad)
    return atom(b"tmcd", fixed, name)


@dataclass
class TrackPlan:
    """A track to build: its media as chunks (each a list of samples), everything else as finished atoms.

    `tables` replaces any of the generated stbl atoms of the same kind, or adds to them (None leaves one out).
    """

    handler: bytes
    entries: list[bytes]
    chunks: list[list[bytes]]
    stts: list[tuple[int, int]]
    timescale: int = 24
    id: int = 1
    enabled: bool = True
    display: tuple[int, int] = (64, 48)
    matrix: bytes = IDENTITY
    edits: bytes = b""
    sample_size: int = 0
    tables: dict[bytes, bytes | None] = field(default_factory=dict)
    in_trak: list[bytes] = field(default_factory=list)
    dref: bytes = full(b"url ", flags=1)
    header_version: int = 0
    wide_offsets: bool = False

    def trak(self, offsets: list[int]) -> bytes:
        samples = [sample for chunk in self.chunks for sample in chunk]
        made: dict[bytes, bytes | None] = {
            b"stsd": full(b"stsd", struct.pack(">I", len(self.entries)), *self.entries),
            b"stts": table(b"stts", *self.stts),
            b"stsc": table(b"stsc", *((n + 1, len(chunk), 1) for n, chunk in enumerate(self.chunks))),
            b"stsz": stsz(self.sample_size, len(samples), None if self.sample_size else [len(s) for s in samples]),
            b"stco": co64(*offsets) if self.wide_offsets else table(b"stco", *offsets),
        }
        made |= self.tables
        stbl = atom(b"stbl", *(part for part in made.values() if part is not None))
        media = {b"vide": full(b"vmhd", bytes(8), flags=1), b"soun": full(b"smhd", bytes(4))}.get(
            self.handler, atom(b"gmhd", full(b"gmin", bytes(12)))
        )
        dinf = atom(b"dinf", full(b"dref", struct.pack(">I", 1), self.dref))
        ticks = sum(count * delta for count, delta in self.stts)
        if self.header_version:
            mdhd = full(b"mdhd", struct.pack(">QQIQHH", 0, 0, self.timescale, ticks, 0, 0), version=1)
            times = struct.pack(">QQIIQ", 0, 0, self.id, 0, ticks)
        else:
            mdhd = full(b"mdhd", struct.pack(">IIIIHH", 0, 0, self.timescale, ticks & 0xFFFFFFFF, 0, 0))
            times = struct.pack(">IIIII", 0, 0, self.id, 0, ticks & 0xFFFFFFFF)
        width, height = self.display
        tkhd = full(
            b"tkhd", times, bytes(16), self.matrix, struct.pack(">II", width << 16, height << 16),
            version=self.header_version, flags=int(self.enabled),
        )  # fmt: skip
        hdlr = full(b"hdlr", b"mhlr", self.handler, bytes(12), b"\0")
        mdia = atom(b"mdia", mdhd, hdlr, atom(b"minf", media, dinf, stbl))
        return atom(b"trak", tkhd, atom(b"edts", self.edits) if self.edits else b"", mdia, *self.in_trak)


def movie(
    *tracks: TrackPlan,
    timescale: int = 600,
    created: int = 0,
    in_moov: tuple[bytes, ...] = (),
    brand: bytes | None = b"qt  ",
    faststart: bool = False,
    before_mdat: bytes = b"",
    header_version: int = 0,
    wide_mdat: bool = False,
    open_mdat: bool = False,
) -> bytes:
    """A whole file: chunks interleaved in the order first of each track, second of each track, …"""
    ftyp = b"" if brand is None else atom(b"ftyp", brand, bytes(4), brand)
    offsets: list[list[int]] = [[0] * len(track.chunks) for track in tracks]
    if header_version:
        mvhd = full(b"mvhd", struct.pack(">QQIQ", created, created, timescale, 0), bytes(80), version=1)
    else:
        mvhd = full(b"mvhd", struct.pack(">IIII", created, created, timescale, 0), bytes(80))

    def moov() -> bytes:
        traks = [track.trak(places) for track, places in zip(tracks, offsets, strict=True)]
        return atom(b"moov", mvhd, *traks, *in_moov)

    position = len(ftyp) + len(before_mdat) + (len(moov()) if faststart else 0) + (16 if wide_mdat else 8)
    payload = b""
    for number in range(max((len(track.chunks) for track in tracks), default=0)):
        for track, places in zip(tracks, offsets, strict=True):
            if number < len(track.chunks):
                places[number] = position + len(payload)
                payload += b"".join(track.chunks[number])
    mdat = atom(b"mdat", payload, wide=wide_mdat)
    if open_mdat:
        mdat = b"\0\0\0\0mdat" + payload
    return ftyp + (moov() if faststart else b"") + before_mdat + mdat + (b"" if faststart else moov())


def video(frames: int = 6, per_chunk: int = 2, delta: int = 1, **changes: object) -> TrackPlan:
    """A picture track of small frames of different sizes."""
    samples = [bytes([n % 255 + 1]) * (10 + 3 * (n % 5)) for n in range(frames)]
    chunks = [samples[n : n + per_chunk] for n in range(0, frames, per_chunk)]
    plan = TrackPlan(b"vide", [picture_entry()], chunks, [(frames, delta)])
    for name, value in changes.items():
        assert hasattr(plan, name)
        setattr(plan, name, value)
    return plan


def pcm(
    frames: int = 200, per_chunk: int = 60, entry: bytes | None = None, size: int = 4, **changes: object
) -> TrackPlan:
    """A PCM track whose table counts single samples of `size` bytes."""
    data = [struct.pack(">I", n)[-size:].rjust(size, b"\0") for n in range(frames)]
    chunks = [data[n : n + per_chunk] for n in range(0, frames, per_chunk)]
    plan = TrackPlan(
        b"soun", [entry or sound_entry()], chunks, [(frames, 1)], timescale=48000, id=2, display=(0, 0),
        sample_size=size,
    )  # fmt: skip
    for name, value in changes.items():
        assert hasattr(plan, name)
        setattr(plan, name, value)
    return plan


def timecode(
    values: list[int], entry: bytes | None = None, durations: list[int] | None = None, **changes: object
) -> TrackPlan:
    """A timecode track with one sample a stretch; durations in 24ths of a second unless the timescale is changed."""
    plan = TrackPlan(
        b"tmcd", [entry or timecode_entry()], [[struct.pack(">i", value)] for value in values],
        [(1, duration) for duration in durations or [6] * len(values)], id=3, display=(0, 0),
    )  # fmt: skip
    for name, value in changes.items():
        assert hasattr(plan, name)
        setattr(plan, name, value)
    return plan


def refers(*tracks: int) -> bytes:
    """A reference to timecode tracks, in a picture's track."""
    return atom(b"tref", atom(b"tmcd", struct.pack(f">{len(tracks)}I", *tracks)))


def opened(data: bytes) -> MovFile:
    return MovFile.open(MemorySource(data, "clip.mov"))
