"""A QuickTime movie around bytes that lie in another file: new tables, the old payload.

    ftyp │ mdat (the timecode sample) │ free │ mdat header, ending on a block │ whole blocks of the source … │ moov

The payload is taken in whole 4096-byte blocks around what is needed and laid on block borders, so that a file system that
can share blocks does; the few foreign bytes at both ends are referenced by nothing. Offsets are 64-bit throughout. The movie's
timescale is the picture's, so that every duration is exact. Sources: QuickTime File Format; ISO/IEC 14496-12.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from film_archive.core.timecode import Timecode

BLOCK = 4096
MERGE = 1 << 20
"""Ranges of the source that are nearer than this to each other are taken as one."""

Longs = NDArray[np.int64]
_IDENTITY = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


@dataclass(frozen=True, eq=False)
class CutTrack:
    """A track of the new movie; offsets are still those in the source.

    `durations` and `times` in ticks of `timescale`, in decode order; `times` are presentation times with 0 for the first
    decoded sample's earliest; what is shown are `shown` ticks from `begin` on. A PCM track has `sample_size` > 0 and
    gives the samples of each chunk in `counts`.
    """

    handler: bytes
    description: bytes
    """The whole sample entry (`stsd` child) as the source had it."""
    timescale: int
    offsets: Longs
    """Of each chunk, in the source."""
    counts: Longs
    """Samples in each chunk."""
    sizes: Longs
    """Of each sample; empty where `sample_size` is not 0."""
    sample_size: int
    durations: Longs
    """Of each sample; one number for all where they are equal."""
    composition: Longs | None
    """Presentation minus decode time of each sample; None where all are 0."""
    sync: Longs | None
    """Numbers (from 1) of the samples that stand alone; None where all do."""
    begin: int
    shown: int
    delay: int = 0
    """Ticks before the first sample is shown."""
    width: int = 0
    height: int = 0
    """Of the picture as displayed."""
    language: int = 0x55C4
    """ISO 639-2 packed; "und"."""
    further: tuple[bytes, ...] = ()
    """More sample entries, for chunks that the first does not describe."""
    described: Longs | None = None
    """The number of the entry that describes each chunk, from 1; None where it is the first for all."""

    @property
    def sample_count(self) -> int:
        return int(self.counts.sum())

    @property
    def payload(self) -> tuple[Longs, Longs]:
        """(offset, length) of each chunk in the source."""
        if self.sample_size:
            return self.offsets, self.counts * self.sample_size
        ends = np.cumsum(self.counts)
        sums = np.concatenate((np.zeros(1, np.int64), np.cumsum(self.sizes)))
        return self.offsets, sums[ends] - sums[ends - self.counts]


@dataclass(frozen=True, slots=True)
class Run:
    """Whole blocks of the source, and where they go."""

    source_offset: int
    length: int
    target_offset: int

    @property
    def shift(self) -> int:
        return self.target_offset - self.source_offset


@dataclass(frozen=True, slots=True)
class MovieLayout:
    """Everything but the payload: what stands before it, where its runs go, and the moov behind."""

    head: bytes
    runs: tuple[Run, ...]
    moov: bytes
    moov_offset: int

    @property
    def size(self) -> int:
        return self.moov_offset + len(self.moov)

    @property
    def payload_size(self) -> int:
        """Bytes of all runs."""
        return sum(run.length for run in self.runs)


def needed_runs(tracks: Sequence[CutTrack], source_size: int) -> list[tuple[int, int]]:
    """(offset, end) of the source's blocks that hold all chunks, merged where they are near each other, in order."""
    starts = np.concatenate([track.payload[0] for track in tracks])
    lengths = np.concatenate([track.payload[1] for track in tracks])
    starts, lengths = starts[lengths > 0], lengths[lengths > 0]
    order = np.argsort(starts, kind="stable")
    lows = starts[order] // BLOCK * BLOCK
    highs = np.minimum(-(-(starts + lengths)[order] // BLOCK) * BLOCK, source_size)
    reach = np.maximum.accumulate(highs)
    breaks = np.nonzero(lows[1:] > reach[:-1] + MERGE)[0]
    firsts = np.concatenate((np.zeros(1, np.int64), breaks + 1))
    lasts = np.concatenate((breaks, np.array([len(lows) - 1])))
    return [(int(lows[first]), int(reach[last])) for first, last in zip(firsts, lasts, strict=True)] if len(lows) else []


def lay_out(
    tracks: Sequence[CutTrack],
    source_size: int,
    *,
    start: Timecode | None,
    reel: str | None,
    user_data: bytes = b"",
    created: int = 0,
) -> MovieLayout:
    """Plan the whole file. `start` is the timecode of the first shown frame; `user_data` whole atoms (udta, meta) to keep.

    `created` are seconds since 1904.
    """
    brand = _atom(b"ftyp", b"qt  ", struct.pack(">I", 0x20050300), b"qt  ")
    timecode_at = len(brand) + 8
    head = brand + (b"" if start is None else _atom(b"mdat", struct.pack(">i", start.total_frames)))
    payload_at = -(-(len(head) + 8 + 16) // BLOCK) * BLOCK
    pad = payload_at - 16 - len(head)
    runs, target = [], payload_at
    for offset, end in needed_runs(tracks, source_size):
        runs.append(Run(offset, end - offset, target))
        target += -(-(end - offset) // BLOCK) * BLOCK
    data_end = runs[-1].target_offset + runs[-1].length if runs else payload_at
    head += _atom(b"free", bytes(pad - 8)) + struct.pack(">I4sQ", 1, b"mdat", data_end - payload_at + 16)
    moov = _movie(tracks, runs, start, reel, timecode_at, user_data, created)
    return MovieLayout(head, tuple(runs), moov, data_end)


def _movie(
    tracks: Sequence[CutTrack],
    runs: Sequence[Run],
    start: Timecode | None,
    reel: str | None,
    timecode_at: int,
    user_data: bytes,
    created: int,
) -> bytes:
    picture = next((track for track in tracks if track.handler == b"vide"), None)
    timescale = picture.timescale if picture is not None else tracks[0].timescale
    length = max(_in_scale(track.delay + track.shown, track.timescale, timescale) for track in tracks)
    timecode_id = len(tracks) + 1 if start is not None and picture is not None else 0
    parts = [_track(track, number, timescale, runs, timecode_id) for number, track in enumerate(tracks, 1)]
    if start is not None and picture is not None:
        parts.append(_timecode_track(start, reel, timecode_id, picture, timecode_at, timescale))
    mvhd = struct.pack(">QQIQIH10x", created, created, timescale, length, 0x10000, 0x100)
    mvhd += _IDENTITY + bytes(24) + struct.pack(">I", len(parts) + 1)
    return _atom(b"moov", _full(b"mvhd", 1, 0, mvhd), *parts, user_data)


def _track(track: CutTrack, number: int, movie_scale: int, runs: Sequence[Run], timecode_id: int) -> bytes:
    sound = track.handler == b"soun"
    reference = _atom(b"tref", _atom(b"tmcd", struct.pack(">I", timecode_id))) if timecode_id and not sound else b""
    media_header = (
        _full(b"smhd", 0, 0, bytes(4)) if sound else _full(b"vmhd", 0, 1, struct.pack(">H3H", 0x40, 0x8000, 0x8000, 0x8000))
    )
    media = _atom(
        b"mdia",
        _media_header(track.timescale, int(_total(track)), track.language),
        _handler(b"mhlr", track.handler, b"SoundHandler" if sound else b"VideoHandler"),
        _atom(
            b"minf",
            media_header,
            _handler(b"dhlr", b"url ", b"DataHandler"),
            _data_reference(),
            _sample_table(track, runs),
        ),
    )
    shown = _in_scale(track.delay + track.shown, track.timescale, movie_scale)
    header = _track_header(number, shown, 0xF, track.width, track.height, volume=0x100 if sound else 0)
    return _atom(b"trak", header, _edits(track, movie_scale), reference, media)


def _timecode_track(
    start: Timecode, reel: str | None, number: int, picture: CutTrack, sample_at: int, movie_scale: int
) -> bytes:
    """One sample for the whole movie, in the picture's ticks where the rates are the same."""
    rate = start.rate
    timescale, frame = rate.numerator, rate.denominator
    frames = Fraction(picture.shown, picture.timescale) * rate
    duration = -(-frames.numerator // frames.denominator) * frame
    name = b"" if reel is None else reel.encode("utf-8")
    entry = struct.pack(">6xHIIIIBx", 1, 0, (1 if start.drop_frame else 0) | 2, timescale, frame, rate.nominal)
    entry += _atom(b"name", struct.pack(">HH", len(name), 0), name) if name else b""
    tcmi = struct.pack(">HHHxx3H3H", 0, 0, 12, 0, 0, 0, 0xFFFF, 0xFFFF, 0xFFFF) + b"\x0dLucida Grande"
    table = _atom(
        b"stbl",
        _full(b"stsd", 0, 0, struct.pack(">I", 1), _atom(b"tmcd", entry)),
        _full(b"stts", 0, 0, struct.pack(">III", 1, 1, duration)),
        _full(b"stsc", 0, 0, struct.pack(">IIII", 1, 1, 1, 1)),
        _full(b"stsz", 0, 0, struct.pack(">II", 4, 1)),
        _full(b"co64", 0, 0, struct.pack(">IQ", 1, sample_at)),
    )
    information = _atom(
        b"gmhd",
        _full(b"gmin", 0, 0, struct.pack(">H3HHxx", 0x40, 0x8000, 0x8000, 0x8000, 0)),
        _atom(b"tmcd", _full(b"tcmi", 0, 0, tcmi)),
    )
    media = _atom(
        b"mdia",
        _media_header(timescale, duration, 0x55C4),
        _handler(b"mhlr", b"tmcd", b"TimeCodeHandler"),
        _atom(b"minf", information, _handler(b"dhlr", b"url ", b"DataHandler"), _data_reference(), table),
    )
    shown = _in_scale(picture.shown, picture.timescale, movie_scale)
    edit = _atom(b"edts", _full(b"elst", 0, 0, struct.pack(">IIiI", 1, min(shown, 0xFFFFFFFF), 0, 0x10000)))
    return _atom(b"trak", _track_header(number, shown, 0x2, picture.width, picture.height, volume=0), edit, media)


def _sample_table(track: CutTrack, runs: Sequence[Run]) -> bytes:
    parts = [
        _full(b"stsd", 0, 0, struct.pack(">I", 1 + len(track.further)), track.description, *track.further),
        _full(b"stts", 0, 0, _runs_table(_per_sample(track.durations, track.sample_count))),
    ]
    if track.composition is not None:
        parts.append(_full(b"ctts", 0, 0, _runs_table(track.composition)))
    if track.sync is not None:
        parts.append(_full(b"stss", 0, 0, struct.pack(">I", len(track.sync)), track.sync.astype(">u4").tobytes()))
    parts.append(_full(b"stsc", 0, 0, _chunk_table(track.counts, track.described)))
    if track.sample_size:
        parts.append(_full(b"stsz", 0, 0, struct.pack(">II", track.sample_size, track.sample_count)))
    else:
        parts.append(_full(b"stsz", 0, 0, struct.pack(">II", 0, len(track.sizes)), track.sizes.astype(">u4").tobytes()))
    offsets = _moved(track.offsets, runs)
    parts.append(_full(b"co64", 0, 0, struct.pack(">I", len(offsets)), offsets.astype(">u8").tobytes()))
    return _atom(b"stbl", *parts)


def _per_sample(durations: Longs, count: int) -> tuple[Longs, Longs] | Longs:
    """One duration for all samples as a single run, without writing it down for each of 170 million."""
    if len(durations) == 1 and count != 1:
        return np.array([count], np.int64), durations
    return durations


def _runs_table(column: tuple[Longs, Longs] | Longs) -> bytes:
    counts, values = column if isinstance(column, tuple) else run_lengths(column)
    rows = np.stack((counts, values), axis=1)
    return struct.pack(">I", len(rows)) + rows.astype(">i4").tobytes()


def run_lengths(values: Longs) -> tuple[Longs, Longs]:
    """(how often, value) of each run of equal numbers."""
    if not len(values):
        return values, values
    changes = np.nonzero(np.diff(values))[0] + 1
    firsts = np.concatenate((np.zeros(1, np.int64), changes))
    return np.diff(np.append(firsts, len(values))), values[firsts]


def _chunk_table(counts: Longs, described: Longs | None) -> bytes:
    """Runs of chunks with as many samples, of one description."""
    numbers = np.ones(len(counts), np.int64) if described is None else described
    alike = (counts[1:] == counts[:-1]) & (numbers[1:] == numbers[:-1])
    firsts = np.concatenate((np.zeros(min(1, len(counts)), np.int64), np.flatnonzero(~alike) + 1))
    rows = np.stack((firsts + 1, counts[firsts], numbers[firsts]), axis=1)
    return struct.pack(">I", len(rows)) + rows.astype(">u4").tobytes()


def _moved(offsets: Longs, runs: Sequence[Run]) -> Longs:
    """Chunks' offsets in the new file."""
    starts = np.array([run.source_offset for run in runs], np.int64)
    shifts = np.array([run.shift for run in runs], np.int64)
    moved: Longs = offsets + shifts[np.searchsorted(starts, offsets, side="right") - 1]
    return moved


def _total(track: CutTrack) -> int:
    if len(track.durations) == 1:
        return int(track.durations[0]) * track.sample_count
    return int(track.durations.sum())


def _edits(track: CutTrack, movie_scale: int) -> bytes:
    """The edit list: a delay where sound begins late, then what is shown."""
    entries = []
    if track.delay:
        entries.append((_in_scale(track.delay, track.timescale, movie_scale), -1))
    entries.append((_in_scale(track.shown, track.timescale, movie_scale), track.begin))
    body = b"".join(struct.pack(">QqI", duration, time, 0x10000) for duration, time in entries)
    return _atom(b"edts", _full(b"elst", 1, 0, struct.pack(">I", len(entries)), body))


def _in_scale(ticks: int, of: int, to: int) -> int:
    return ticks if of == to else round(Fraction(ticks * to, of))


def _track_header(number: int, duration: int, flags: int, width: int, height: int, *, volume: int) -> bytes:
    body = struct.pack(">QQI4xQ8xHHHxx", 0, 0, number, duration, 0, 0, volume)
    return _full(b"tkhd", 1, flags, body, _IDENTITY, struct.pack(">II", width << 16, height << 16))


def _media_header(timescale: int, duration: int, language: int) -> bytes:
    return _full(b"mdhd", 1, 0, struct.pack(">QQIQHH", 0, 0, timescale, duration, language, 0))


def _handler(component: bytes, subtype: bytes, name: bytes) -> bytes:
    return _full(b"hdlr", 0, 0, component, subtype, bytes(12), bytes([len(name)]), name)


def _data_reference() -> bytes:
    return _atom(b"dinf", _full(b"dref", 0, 0, struct.pack(">I", 1), _full(b"url ", 0, 1)))


def _atom(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return _atom(kind, struct.pack(">I", version << 24 | flags), *parts)

