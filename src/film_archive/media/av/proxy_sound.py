"""The sound of a clip's proxies: which channels, and coded once over the whole length for all sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.codec.context import Flags
from numpy.typing import NDArray

from film_archive.core.errors import Damaged, NotSupported, UsageError
from film_archive.core.facts import AudioFacts
from film_archive.core.source import ByteSource
from film_archive.media.av.coded import CodedPacket, CodedWriter
from film_archive.media.av.fragments import AAC_FRAME, fragment_audio
from film_archive.media.av.lanes import Watch
from film_archive.media.av.settings import AudioSettings, layout_of
from film_archive.media.av.sound import decode_audio

_AAC_RATES = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
"""ISO/IEC 14496-3, table 1.18, those that an MP4's sample entry can state (it has 16 bits) and every browser plays."""
_SILENCE = 1 << 16
_SURROUND = ("5.1", "5.1(side)")


@dataclass(frozen=True, slots=True)
class Mix:
    """Which channels of which tracks, both counted from 0, become the proxy's channels in order."""

    channels: tuple[tuple[int, int], ...]
    source_rate: int
    """Samples a second of the original."""

    @property
    def settings(self) -> AudioSettings:
        """How it is coded; other rates than those of `_AAC_RATES` become 48 kHz."""
        rate = self.source_rate if self.source_rate in _AAC_RATES else 48_000
        return fragment_audio(channels=len(self.channels), sample_rate=rate)


def mix_of(audio: Sequence[AudioFacts], audio_map: Sequence[int] | None = None) -> Mix | None:
    """What a proxy lets hear of a clip's tracks: mono, stereo and 5.1 as they are, of discrete channels 1 and 2.

    `audio_map` names channels otherwise, counted from 1 over all tracks: one, two or six of them. None where there is no
    sound. Raises UsageError for channels that are not there.
    """
    places = [(track, channel) for track, facts in enumerate(audio) for channel in range(facts.channels)]
    if not places:
        return None
    if audio_map is not None:
        if len(audio_map) not in (1, 2, 6):
            raise UsageError(f"A proxy has 1, 2 or 6 channels of sound; {len(audio_map)} were named.")
        absent = [number for number in audio_map if not 1 <= number <= len(places)]
        if absent:
            raise UsageError(f"The original has channels 1 to {len(places)}; there is no channel {absent[0]}.")
        chosen = [places[number - 1] for number in audio_map]
    elif audio[0].channels == 6 and audio[0].layout in _SURROUND:
        chosen = places[:6]
    else:
        chosen = [place for place in places[:2] if audio[place[0]].sample_rate == audio[0].sample_rate]
    rates = {audio[track].sample_rate for track, _ in chosen}
    if len(rates) != 1:
        raise UsageError("The channels that were named have different sample rates; name channels of one rate.")
    return Mix(tuple(chosen), rates.pop())


def code_sound(source: ByteSource, mix: Mix, seconds: Fraction, path: Path, maker: str, watch: Watch) -> None:
    """Code a clip's sound into a file of packets: as long as the pictures, to the frame of AAC.

    What is missing at the end is silence, as is all after the first place where it can't be read (the file's notes then
    have it as `damage`); what sounds beyond the last picture is left out.
    """
    settings = mix.settings
    encoder = av.CodecContext.create(settings.codec, "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate = settings.sample_rate
    encoder.layout = layout = settings.layout or layout_of(settings.codec, settings.channels)
    encoder.format = "fltp"
    encoder.time_base = Fraction(1, settings.sample_rate)
    encoder.bit_rate = settings.bit_rate
    encoder.flags |= Flags.bitexact | Flags.global_header
    encoder.open()
    total = int(-(-(seconds * settings.sample_rate) // AAC_FRAME)) * AAC_FRAME
    written = 0
    with CodedWriter(path, maker) as output:

        def put(frame: av.AudioFrame | None) -> None:
            nonlocal written
            for packet in encoder.encode(frame):
                time = packet.pts or 0
                if 0 <= time < total:  # the run-up is left out, and nothing comes after the end
                    output.write(CodedPacket(bytes(packet), time, AAC_FRAME, key=True))
                    written += 1

        place, damage = 0, list[str]()
        for samples in _coded_rate(_readable(source, mix, damage), mix, settings.sample_rate, total):
            watch.check()
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = settings.sample_rate, place, Fraction(1, settings.sample_rate)
            place += len(samples)
            put(frame)
        put(None)
        output.finish({"packets": written} | ({"damage": damage[0]} if damage else {}))


def _readable(source: ByteSource, mix: Mix, damage: list[str]) -> Iterator[NDArray[np.float32]]:
    """The samples up to where they can't be read or decoded; `damage` then gets the reason."""
    try:
        yield from samples_of(source, mix)
    except (Damaged, NotSupported) as error:
        damage.append(str(error))


def _coded_rate(
    runs: Iterator[NDArray[np.float32]], mix: Mix, rate: int, total: int
) -> Iterator[NDArray[np.float32]]:
    """Runs of samples at the rate that is coded, `total` in all: cut, or followed by silence.

    A rate that is not coded is converted by FFmpeg's resampler.
    """
    count = 0
    for samples in runs if rate == mix.source_rate else _resampled(runs, mix.source_rate, rate):
        part = samples[: total - count]
        count += len(part)
        if len(part):
            yield part
        if count >= total:
            return
    while count < total:
        part = np.zeros((min(1 << 16, total - count), len(mix.channels)), np.float32)
        count += len(part)
        yield part


def _resampled(runs: Iterator[NDArray[np.float32]], source: int, target: int) -> Iterator[NDArray[np.float32]]:
    resampler: av.AudioResampler | None = None
    for samples in runs:
        layout = f"{samples.shape[1]} channels" if samples.shape[1] > 2 else ("mono", "stereo")[samples.shape[1] - 1]
        if resampler is None:
            resampler = av.AudioResampler("fltp", layout, target)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=layout)
        frame.sample_rate = source
        for made in resampler.resample(frame):
            yield np.asarray(made.to_ndarray(), np.float32).T
    if resampler is not None:
        for made in resampler.resample(None):
            yield np.asarray(made.to_ndarray(), np.float32).T


def samples_of(source: ByteSource, mix: Mix) -> Iterator[NDArray[np.float32]]:
    """All samples of a mix from the first picture on, (count, channels), full scale being ±1."""
    tracks = list(dict.fromkeys(track for track, _ in mix.channels))
    widest = 1 + max(channel for _, channel in mix.channels)
    readers = {track: _Reader(source, track, widest) for track in tracks}
    while True:
        runs = {track: reader.have() for track, reader in readers.items()}
        if not any(runs.values()):
            return
        length = min(count for count in runs.values() if count)
        taken = {track: reader.take(length) for track, reader in readers.items()}
        yield np.stack([taken[track][:, channel] for track, channel in mix.channels], axis=1)


class _Reader:
    """One track, read run by run; before its first sample and after its last there is silence."""

    def __init__(self, source: ByteSource, track: int, channels: int) -> None:
        self._runs = decode_audio(source, track=track)
        self._next: tuple[int, NDArray[np.float32]] | None = None
        self._waiting: NDArray[np.float32] = np.zeros((0, channels), np.float32)
        self._place = 0

    def have(self) -> int:
        """How many samples wait; 0 is the end."""
        while not len(self._waiting):
            if self._next is None:
                run = next(self._runs, None)
                if run is None:
                    return 0
                self._next = run.position, _as_float(run.samples)
            position, samples = self._next
            silence = min(_SILENCE, position - self._place)
            if silence > 0:  # the track begins late
                self._waiting = np.zeros((silence, samples.shape[1]), np.float32)
            else:
                self._waiting, self._next = samples[self._place - position :], None
        return len(self._waiting)

    def take(self, count: int) -> NDArray[np.float32]:
        """So many samples, which wait, or else as much silence."""
        part, self._waiting = self._waiting[:count], self._waiting[count:]
        self._place += count
        return part if len(part) else np.zeros((count, self._waiting.shape[1]), np.float32)


def _as_float(samples: NDArray[Any]) -> NDArray[np.float32]:
    if samples.dtype == np.float32:
        return samples
    full = np.float32(1 << (15 if samples.dtype == np.int16 else 31))
    return samples.astype(np.float32) / full
