"""Cutting a sound recording (WAV, BWF, RF64): the very samples, with the time reference moved to where they begin.

    RIFF or RF64 header │ ds64 │ fmt │ the other chunks that still hold │ JUNK, up to the source's place in a block │ data

Chunks are taken as they are; only the times in `bext` and iXML and the count in `fact` change, the coding history in `bext`
gets a line that says where the cut comes from, and what points into the sound (cue points, loops, peaks) is left out and
said. Sources: EBU Tech 3285 and 3306, EBU R 98, iXML 1.5.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from film_archive import __version__
from film_archive.core import copying, files
from film_archive.core.errors import NotSupported, OutOfRange
from film_archive.core.facts import MediaFacts
from film_archive.core.source import ByteSource, ConcatSource, MemorySource, printable
from film_archive.core.timecode import FrameRange, RateLike, Timecode, parse_rate
from film_archive.media.broadcast import BEXT, samples_to_frames
from film_archive.media.cutting.cuttable import CutBytes, CutResult, Cuttable
from film_archive.media.riff import Chunk, Chunks
from film_archive.media.wave import WaveFile

_BLOCK = 4096
_LARGEST_CHUNK = 64 << 20
_MADE_ANEW = frozenset((b"fmt ", b"data", b"ds64", b"JUNK", b"junk", b"FLLR", b"PAD ", b"fact"))
_POINTS_INTO_SOUND = frozenset((b"cue ", b"plst", b"smpl", b"inst", b"levl", b"PEAK", b"LGWV", b"r64m", b"elm1", b"minf"))
_LARGEST_RIFF = 0xFFFFFFFE
_HEAD_OF_DS64 = 28
_FIXED_BEXT = 602
"""All but the coding history (Tech 3285, 2)."""
_MODES = {1: "M=mono,", 2: "M=stereo,"}


@dataclass(frozen=True, eq=False)
class RecordingClip(Cuttable):
    """A recording whose timecode counts at `rate`; frame n has the samples from its start to that of the next."""

    source: ByteSource = field(kw_only=True)
    wave: WaveFile = field(kw_only=True)
    reference: int | None = field(kw_only=True)
    """The first sample's number since midnight, counted at `reference_rate`; None where nobody knows."""
    reference_rate: int = field(kw_only=True)
    begin: Fraction = field(kw_only=True)
    """Samples from the start of frame 0 to the first sample that is there, never below 0."""
    suffixes: tuple[str, ...] = (".wav", ".bwf", ".wave", ".rf64")

    def starting_at(self, start: Timecode) -> RecordingClip:
        """The first sample is the first of this frame; a start that the recording has anyway changes nothing."""
        if start == self.start:
            return self
        reference = math.ceil(start.total_frames * self.reference_rate / start.rate)
        return replace(self, start=start, reference=reference, begin=Fraction(0))

    def completed_by(self, facts: MediaFacts) -> RecordingClip:
        known = replace(self, facts=facts, reel=facts.reel)
        return known if facts.start_timecode is None else known.starting_at(facts.start_timecode)

    def samples(self, frames: FrameRange) -> tuple[int, int]:
        """(first sample, sample behind the last) of a range of frames, cut at the ends of the recording."""
        assert self.rate is not None
        total = self.wave.samples or 0
        first, end = (
            min(max(0, math.ceil(frame * self.wave.format.sample_rate / self.rate - self.begin)), total)
            for frame in (frames.first, frames.end)
        )
        return first, end

    def cut(self, frames: FrameRange, target: Path, *, on_bytes: files.OnBytes | None = None) -> CutResult:
        head, sound, tail, diagnostics = self._lay_out(frames)
        with files.AtomicFile(target, purpose="cut") as new:
            size = len(head) + sound.size + len(tail)
            with files.explaining(
                f"write {printable(target)}", needed=lambda: files.unwritten(new.file.fileno(), size), folder=target.parent
            ):
                new.file.write(head)
                new.file.flush()
                shared = copying.transfer(sound, new.file.fileno(), len(head), on_bytes=on_bytes)
                new.file.seek(len(head) + sound.size)
                new.file.write(tail)
            new.commit()
        start, notes = self.shifted_start(frames.first)
        return CutResult(target, frames, start, "copy", sound.size, shared, frames.first, (*diagnostics, *notes))

    def cut_bytes(self, frames: FrameRange) -> CutBytes:
        head, sound, tail, diagnostics = self._lay_out(frames)
        source = ConcatSource([MemorySource(head), sound, MemorySource(tail)], f"a cut of {self.name}")
        return CutBytes(source, ".wav", frames.first, (*diagnostics, *self.shifted_start(frames.first)[1]))

    def _lay_out(self, frames: FrameRange) -> tuple[bytes, ByteSource, bytes, tuple[str, ...]]:
        """(all before the samples, the samples, all behind them, what was odd)."""
        self.require(frames)
        first, end = self.samples(frames)
        if first >= end:
            raise OutOfRange(f"{self.name} has no sound in frames {frames.first} to {frames.end - 1}.")
        align = self.wave.format.block_align
        sound = self.source.slice(self.wave.data.offset + first * align, (end - first) * align)
        head, diagnostics = self._head(first, end, (self.wave.data.offset + first * align) % _BLOCK)
        return head, sound, bytes(sound.size % 2), diagnostics

    def _head(self, first: int, end: int, residue: int) -> tuple[bytes, tuple[str, ...]]:
        """Everything before the samples, so long that they keep their place in a block; and what was left out."""
        size = (end - first) * self.wave.format.block_align
        chunks, said = self._chunks(first, end - first)
        fixed = 12 + 8 + _HEAD_OF_DS64 + sum(map(len, chunks)) + 8
        pad = (residue - fixed) % _BLOCK
        if 0 < pad < 8:
            pad += _BLOCK
        if pad:
            chunks.append(b"JUNK" + struct.pack("<I", pad - 8) + bytes(pad - 8))
        length = fixed + pad - 8 + size + size % 2
        if length <= _LARGEST_RIFF and size <= _LARGEST_RIFF:
            head = b"RIFF" + struct.pack("<I", length) + b"WAVE"
            head += b"JUNK" + struct.pack("<I", _HEAD_OF_DS64) + bytes(_HEAD_OF_DS64)
            return head + b"".join(chunks) + b"data" + struct.pack("<I", size), said
        form = b"BW64" if self.wave.form == "BW64" else b"RF64"
        head = form + b"\xff\xff\xff\xff" + b"WAVE"
        head += b"ds64" + struct.pack("<IQQQI", _HEAD_OF_DS64, length, size, end - first, 0)
        return head + b"".join(chunks) + b"data\xff\xff\xff\xff", said

    def _chunks(self, first: int, count: int) -> tuple[list[bytes], tuple[str, ...]]:
        kept: list[bytes] = []
        left_out: list[str] = []
        has_reference = False
        for chunk in Chunks(self.source):
            if chunk.kind == b"fmt ":
                kept.insert(0, _chunk(chunk.kind, self._content(chunk)))
            elif chunk.kind == b"fact":
                kept.append(_chunk(chunk.kind, struct.pack("<I", min(count, 0xFFFFFFFF)) + self._content(chunk)[4:]))
            elif chunk.kind in _MADE_ANEW:
                continue
            elif chunk.kind in _POINTS_INTO_SOUND or chunk.size > _LARGEST_CHUNK:
                left_out.append(chunk.kind.decode("ascii").strip())
            elif chunk.kind == b"bext" and chunk.size >= BEXT:
                has_reference = True
                kept.append(_chunk(chunk.kind, self._moved_bext(self._content(chunk), first, count)))
            elif chunk.kind == b"iXML":
                kept.append(_chunk(chunk.kind, self._moved_ixml(self._content(chunk), first)))
            else:
                kept.append(_chunk(chunk.kind, self._content(chunk)))
        if not has_reference and self.reference is not None:
            kept.insert(1, _chunk(b"bext", self._moved_bext(bytes(_FIXED_BEXT), first, count)))
        said = [f"its {', '.join(left_out)} chunk points into the sound as it was, and was left out"] if left_out else []
        return kept, tuple(said)

    def _content(self, chunk: Chunk) -> bytes:
        return self.source.read_at(chunk.offset, chunk.size)

    def _moved(self, first: int) -> int:
        """The number since midnight of a sample."""
        return (self.reference or 0) + round(Fraction(first * self.reference_rate, self.wave.format.sample_rate))

    def _moved_bext(self, content: bytes, first: int, count: int) -> bytes:
        """The chunk as it was but for the time reference, and a line more of coding history: where the cut comes from."""
        fixed, history = content[:_FIXED_BEXT].ljust(_FIXED_BEXT, b"\0"), content[_FIXED_BEXT:].strip(b"\0")
        if history and not history.endswith(b"\n"):
            history += b"\r\n"
        return fixed[:338] + struct.pack("<Q", self._moved(first)) + fixed[346:] + history + self._coding_history(first, count)

    def _coding_history(self, first: int, count: int) -> bytes:
        """A line as EBU R 98 has them: parameters, and free text behind "T="; ASCII, without commas."""
        form = self.wave.format
        digest = "" if self.digest is None else f"; XXH3-128 {self.digest}"
        name = re.sub(r"[,\x00-\x1f]", "_", self.name.rpartition("/")[2])  # where it lay is nobody's business
        text = f"film-archive {__version__}; cut of {name}; samples {first} to {first + count - 1}{digest}"
        line = f"A=PCM,F={form.sample_rate},W={form.bits},{_MODES.get(form.channels, '')}T={text}\r\n"
        return line.encode("ascii", "backslashreplace")

    def _moved_ixml(self, data: bytes, first: int) -> bytes:
        """The document as it was, byte for byte but for the numbers of its time stamps."""
        stamp = self._moved(first)
        for name, value in (
            (b"TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO", stamp & 0xFFFFFFFF),
            (b"TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI", stamp >> 32),
            (b"BWF_TIME_REFERENCE_LOW", stamp & 0xFFFFFFFF),
            (b"BWF_TIME_REFERENCE_HIGH", stamp >> 32),
        ):
            data = re.sub(rb"(<%s>\s{0,99})\d{1,20}(?=\s{0,99}<)" % name, rb"\g<1>%d" % value, data)
        return data


def open_recording(source: ByteSource, rate: RateLike | None = None) -> RecordingClip:
    """A recording to be cut by timecode.

    Its frames are counted at iXML's rate, else at `rate`; without either its clip has no rate, and no frames. Raises
    NotSupported where its sound is coded in a way that has no sample boundaries.
    """
    wave = WaveFile.open(source)
    total = wave.samples
    if total is None:
        raise NotSupported(f"{source.name} holds {wave.format.codec} sound, which can't be cut at a sample; convert it to PCM.")
    given, drop = (None, None) if rate is None else parse_rate(str(rate))
    facts, kept = wave.facts(rate=given, drop_frame=drop), wave.start_samples
    counting = given if wave.ixml is None else wave.ixml.timecode_rate or given
    sample_rate, begin = wave.format.sample_rate, Fraction(0)
    if counting is not None and kept is not None:
        frame, _ = samples_to_frames(kept.count, kept.rate, counting)
        behind = kept.count - frame * kept.rate / counting
        begin = max(Fraction(0), behind * sample_rate / kept.rate)  # a recorder that rounded down is up to a sample early
    return RecordingClip(
        name=source.name,
        source=source,
        facts=facts,
        rate=counting,
        frames=0 if counting is None else math.ceil((total + begin) * counting / sample_rate),
        start=facts.start_timecode,
        reel=facts.reel,
        wave=wave,
        reference=None if kept is None else kept.count,
        reference_rate=sample_rate if kept is None else kept.rate,
        begin=begin,
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
