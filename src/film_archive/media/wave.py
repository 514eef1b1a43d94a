"""WAV and its large and broadcast forms (RIFF, RF64, BW64, BWF): what is in them, read by our own reader.

Sources: EBU Tech 3285 (BWF), EBU Tech 3306 (RF64), ITU-R BS.2088 (BW64), Microsoft's WAVEFORMATEXTENSIBLE. Recordings
of which the recorder never wrote the final sizes (its battery fell out) are read to the end of the file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from film_archive.core.errors import Damaged, NotMedia
from film_archive.core.facts import AudioFacts, MediaFacts
from film_archive.core.frame_index import AudioIndex, FrameIndex, Packets
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate, RateLike, Timecode, frames_per_day
from film_archive.media.broadcast import Bext, Ixml, read_bext, read_ixml, samples_to_frames
from film_archive.media.riff import Chunk, Chunks, is_wave

_LARGEST_TEXT = 1 << 24
_MOST_PACKETS = 1 << 20

_PCM = {8: "pcm_u8", 16: "pcm_s16le", 24: "pcm_s24le", 32: "pcm_s32le", 64: "pcm_s64le"}
_FLOAT = {32: "pcm_f32le", 64: "pcm_f64le"}
_OTHER = {
    0x0002: "adpcm_ms",
    0x0006: "pcm_alaw",
    0x0007: "pcm_mulaw",
    0x0011: "adpcm_ima_wav",
    0x0050: "mp2",
    0x0055: "mp3",
}
_EXTENSIBLE = 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_SPEAKERS = (
    "FL",
    "FR",
    "FC",
    "LFE",
    "BL",
    "BR",
    "FLC",
    "FRC",
    "BC",
    "SL",
    "SR",
    "TC",
    "TFL",
    "TFC",
    "TFR",
    "TBL",
    "TBC",
    "TBR",
)
_LAYOUTS = {
    0x4: "mono",
    0x3: "stereo",
    0xB: "2.1",
    0x7: "3.0",
    0x33: "quad",
    0x37: "5.0",
    0x3F: "5.1",
    0x60F: "5.1(side)",
    0x63F: "7.1",
}


@dataclass(frozen=True, slots=True)
class WaveFormat:
    """The `fmt ` chunk: how samples are coded."""

    codec: str
    channels: int
    sample_rate: int
    block_align: int
    """Bytes of one sample of all channels (PCM), or of one coded block."""
    bits: int | None
    """Bits of a sample that count; they can be fewer than its bytes have."""
    pcm: bool
    layout: str | None = None


@dataclass(frozen=True, slots=True)
class StartSamples:
    """Samples since midnight at the first sample of a recording, and who says so."""

    count: int
    rate: int
    source: str


@dataclass(frozen=True, slots=True)
class WaveFile:
    """An opened WAV."""

    source: ByteSource
    form: str
    """"RIFF", "RF64" or "BW64"."""
    format: WaveFormat
    data: Chunk
    bext: Bext | None = None
    ixml: Ixml | None = None
    diagnostics: tuple[str, ...] = field(default=())

    @classmethod
    def open(cls, source: ByteSource) -> WaveFile:
        """Read the chunks; raises NotMedia where it is no WAV, Damaged where no format or no sound is in it."""
        return _read(source)

    @property
    def samples(self) -> int | None:
        """Samples of one channel; None where that takes decoding."""
        return self.data.size // self.format.block_align if self.format.pcm else None

    @property
    def start_samples(self) -> StartSamples | None:
        """Where the sound begins: by iXML's own count, which says its rate, else by bext's time reference."""
        ixml = self.ixml or Ixml()
        if ixml.timestamp is not None and ixml.timestamp_rate:
            return StartSamples(ixml.timestamp, ixml.timestamp_rate, "iXML")
        if self.bext is None:
            return None
        return StartSamples(self.bext.time_reference, ixml.timestamp_rate or self.format.sample_rate, "bext")

    def facts(self, *, rate: RateLike | None = None, drop_frame: bool | None = None) -> MediaFacts:
        """The facts of the file.

        The start timecode is counted at iXML's rate, else at `rate`; with neither it stays a count of samples, in
        `camera["time_reference"]`.
        """
        said = list(self.diagnostics)
        start = self._start(None if rate is None else FrameRate.of(rate), drop_frame, said)
        bext, ixml = self.bext, self.ixml or Ixml()
        kept = self.start_samples
        notes = {
            "time_reference": None if kept is None else str(kept.count),
            "time_reference_rate": None if kept is None else str(kept.rate),
            "recorder": None if bext is None else bext.originator,
            "originator_reference": None if bext is None else bext.originator_reference,
            "project": ixml.project,
            "scene": ixml.scene,
            "take": ixml.take,
            "note": ixml.note,
            "circled": None if ixml.circled is None else str(ixml.circled).lower(),
            "user_bits": ixml.user_bits,
            "take_id": ixml.family,
            "tracks": ", ".join(f"{place} {name}" for place, name in sorted(ixml.tracks.items())) or None,
        }
        created = None if bext is None else bext.created
        layout = self.format
        return MediaFacts(
            container="wav",
            codec=layout.codec,
            profile="BWF" if bext is not None and self.form == "RIFF" else self.form if self.form != "RIFF" else None,
            start_timecode=start,
            start_source=None if start is None or kept is None else kept.source,
            reel=ixml.tape,
            reel_source=None if ixml.tape is None else "iXML",
            audio=(
                AudioFacts(
                    codec=layout.codec,
                    channels=layout.channels,
                    sample_rate=layout.sample_rate,
                    bits=layout.bits,
                    samples=self.samples,
                    layout=layout.layout,
                ),
            ),
            created=created,
            created_source=None if created is None else "bext",
            camera={name: text for name, text in notes.items() if text is not None},
            diagnostics=tuple(said),
        )

    def index(self) -> FrameIndex:
        """Where the sound lies: PCM in packets of a second (longer where that makes a million), all else in one."""
        form = self.format
        if form.pcm:
            total = self.data.size // form.block_align
            step = max(form.sample_rate, -(-total // _MOST_PACKETS), 1)
            times = np.arange(0, total, step, dtype=np.int64)
            sizes = np.minimum(step, total - times) * form.block_align
            packets = Packets(
                self.data.offset + times * form.block_align, sizes, times, total, Fraction(form.sample_rate)
            )
            track = AudioIndex(packets, form.sample_rate, form.channels, form.block_align, form.codec)
        else:
            here = np.array([self.data.offset], np.int64), np.array([self.data.size], np.int64)
            packets = Packets(*here, np.zeros(1, np.int64), 1, Fraction(1))
            track = AudioIndex(packets, form.sample_rate, form.channels, 0, form.codec)
        return FrameIndex(None, np.zeros(0, np.bool_), None, (track,), self.diagnostics)

    def _start(self, given: FrameRate | None, given_drop: bool | None, said: list[str]) -> Timecode | None:
        ixml = self.ixml or Ixml()
        rate = ixml.timecode_rate or given
        kept = self.start_samples
        if kept is None or rate is None:
            return None
        drop = (given_drop if ixml.drop_frame is None else ixml.drop_frame) or False
        if drop and not rate.can_drop:
            said.append(f"drop-frame is asked for at {rate.text}, where there is none; counted as non-drop")
            drop = False
        other = None if self.bext is None else self.bext.time_reference
        if kept.source == "iXML" and kept.rate == self.format.sample_rate and other not in (None, kept.count):
            said.append(f"it begins at sample {other} by its bext, at {kept.count} by its iXML; the latter is taken")
        frames, rest = samples_to_frames(kept.count, kept.rate, rate)
        if rest:
            said.append(f"its sound begins {rest} samples after the start of its first frame")
        if frames >= frames_per_day(rate.nominal, drop):
            said.append("its time reference lies behind midnight and was counted on into the next day")
        return Timecode.from_frame(frames, rate, drop)


def _read(source: ByteSource) -> WaveFile:
    head = source.read_at(0, 12)
    if not is_wave(head):
        raise NotMedia(f"{source.name} does not begin like a WAV.")
    form: WaveFormat | None = None
    data: Chunk | None = None
    bext: Bext | None = None
    ixml: Ixml | None = None
    chunks = Chunks(source)
    for chunk in chunks:
        if chunk.kind == b"fmt " and form is None:
            form = _format(source.read_at(chunk.offset, min(chunk.size, 64)), source.name)
        elif chunk.kind == b"data" and data is None:
            data = chunk
        elif chunk.kind == b"bext" and bext is None:
            bext = read_bext(source.read_at(chunk.offset, min(chunk.size, _LARGEST_TEXT)))
            if bext is None:
                chunks.said.append(f"its bext chunk has only {chunk.size} bytes and was left unread")
        elif chunk.kind == b"iXML" and ixml is None:
            ixml = _ixml(source, chunk, chunks.said)
    if form is None:
        raise Damaged(f"{source.name} is a WAV without a format chunk; it is damaged or cut short.")
    if data is None:
        raise Damaged(f"{source.name} is a WAV without sound; it is damaged or cut short.")
    whole = data.size - data.size % form.block_align if form.pcm else data.size
    if whole != data.size:
        chunks.said.append(f"its sound ends within a sample: the last {data.size - whole} bytes are left out")
    name = head[:4].decode("ascii")
    return WaveFile(source, name, form, replace(data, size=whole), bext, ixml, tuple(chunks.said))


def _ixml(source: ByteSource, chunk: Chunk, said: list[str]) -> Ixml | None:
    if chunk.size > _LARGEST_TEXT:
        said.append(f"its iXML has {chunk.size} bytes and was left unread")
        return None
    ixml = read_ixml(source.read_at(chunk.offset, chunk.size), source.name)
    if ixml.problem is not None:
        said.append(f"its iXML was left unread: {ixml.problem}")
    return ixml


def _format(data: bytes, name: str) -> WaveFormat:
    if len(data) < 14:
        raise Damaged(f"{name} is a WAV whose format chunk has only {len(data)} bytes.")
    tag, channels, sample_rate, _, block_align = struct.unpack_from("<HHIIH", data)
    bits = struct.unpack_from("<H", data, 14)[0] if len(data) >= 16 else 0
    layout = None
    if tag == _EXTENSIBLE and len(data) >= 40:
        valid, mask = struct.unpack_from("<HI", data, 18)
        if data[26:40] == _GUID_TAIL:
            tag = struct.unpack_from("<H", data, 24)[0]
        bits = valid or bits
        layout = _layout(mask)
    if not channels or not sample_rate or not block_align:
        raise Damaged(f"{name} is a WAV whose format chunk says {channels} channels at {sample_rate} Hz.")
    container = 8 * (block_align // channels)
    codec = {1: _PCM, 3: _FLOAT}.get(tag, {}).get(container)
    if codec is not None and block_align % channels == 0:
        return WaveFormat(codec, channels, sample_rate, block_align, bits or container, True, layout)
    if tag in (1, 3):
        raise Damaged(f"{name} is a WAV of {block_align} bytes for a sample of {channels} channels: impossible.")
    codec = _OTHER.get(tag, f"wav_0x{tag:04x}")
    pcm = codec in ("pcm_alaw", "pcm_mulaw")
    return WaveFormat(codec, channels, sample_rate, block_align, bits or None, pcm, layout)


def _layout(mask: int) -> str | None:
    if mask == 0:
        return None
    named = _LAYOUTS.get(mask)
    return named or "+".join(name for place, name in enumerate(_SPEAKERS) if mask >> place & 1) or None
