"""How our proxies are written: H.264 4:2:0 BT.709 in fragmented MP4, one closed GOP of 12 frames a fragment.

No B-frames (without an edit list they would show everything late by a frame), a keyframe exactly every 12th frame, one
`moof` + `mdat` for each, and one `sidx` before the first that tells where each begins, so that a player can go anywhere
after one small read. Timecode and reel lie in the file's metadata keys (`timecode`, `com.apple.proapps.reel`); there is no
tmcd track, which browsers may refuse.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import BinaryIO

from film_archive.core.errors import UsageError
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.av.coded import CodedPacket
from film_archive.media.av.encoders import Encoder, encoder_for
from film_archive.media.av.encoding import AudioSettings, AudioTrack, ContainerWriter, VideoSettings, VideoTrack
from film_archive.media.av.settings import timescale

GOP = 12
"""Frames in a fragment."""

AAC_FRAME = 1024
"""Samples in a frame of AAC."""

HARDWARE: Mapping[str, Mapping[str, str]] = {
    "h264_nvenc": {"rc": "vbr", "no-scenecut": "1", "strict_gop": "1"},
    "h264_qsv": {"look_ahead": "0"},
    "h264_videotoolbox": {"realtime": "0", "allow_sw": "0"},
}
"""FFmpeg's name of an encoder that is hardware → its options; tried in this order."""

_FLAGS = "cmaf+frag_keyframe+empty_moov+default_base_moof+skip_sidx+skip_trailer+use_metadata_tags"
_MOST_REFERENCES = 0xFFFF
_BIT_RATES = {1: 96_000, 2: 128_000, 6: 320_000}


def fragment_video(
    width: int,
    height: int,
    rate: FrameRate,
    bit_rate: int,
    *,
    preset: str = "superfast",
    pixel_aspect: Fraction = Fraction(1),
    threads: int = 1,
) -> VideoSettings:
    """The picture track of a proxy; width and height are even. `preset` is x264's, or names an encoder of hardware."""
    if width % 2 or height % 2 or min(width, height) < 2:
        raise UsageError(f"A 4:2:0 picture of {width}×{height} is not possible; give even numbers.")
    rates = {"maxrate": str(bit_rate * 3 // 2), "bufsize": str(bit_rate * 2)}
    software = preset not in HARDWARE
    options = {"preset": preset, "x264-params": "open-gop=0:log=none"} if software else dict(HARDWARE[preset])
    return VideoSettings(
        encoder=encoder_for("h264", "High") if software else Encoder(preset, "yuv420p", {"profile": "high"}, intra=False),
        width=width,
        height=height,
        rate=rate,
        bit_rate=bit_rate,
        gop=GOP,
        b_frames=0,
        pixel_aspect=pixel_aspect,
        threads=threads,
        options=options | rates | {"forced-idr": "1"},
    )


def fragment_audio(*, channels: int = 2, sample_rate: int = 48_000, bit_rate: int | None = None) -> AudioSettings:
    """The AAC track of a proxy: mono, stereo, or 5.1 for six channels.

    The run-up packet before sample 0 is left out (its time would be negative), so the first 21 ms of a proxy fade in.
    """
    return AudioSettings(
        codec="aac",
        sample_rate=sample_rate,
        channels=channels,
        bit_rate=bit_rate or _BIT_RATES.get(channels, 64_000 * channels),
        layout="5.1" if channels == 6 else None,
        keep=(0, None),
    )


class FragmentWriter:
    """A proxy that is written into an open binary file, named `name` in errors; `close` makes it whole.

    `frames` is how many pictures there will be: room for the index of their fragments is left before them. `tick` is
    seconds of one tick of the pictures' times (default: one frame).
    """

    def __init__(
        self,
        target: BinaryIO,
        settings: VideoSettings,
        sound: AudioSettings | None = None,
        *,
        frames: int,
        timecode: Timecode | None = None,
        reel: str | None = None,
        metadata: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> None:
        self._tick = settings.tick
        self._scale = timescale(settings.tick)
        self._sink = _IndexedFile(target, -(-frames // GOP))
        self._end = 0
        self._starts: list[int] = []
        options = {"movflags": _FLAGS, "write_tmcd": "0", "use_editlist": "0"}
        self._writer = ContainerWriter(
            self._sink,  # type: ignore[arg-type]  # all of a file that is used
            "mp4",
            options=options,
            metadata=metadata,
            timecode=timecode,
            reel=reel,
            name=name,
        )
        self.video: VideoTrack = self._writer.add_video(settings)
        self.audio: AudioTrack | None = None if sound is None else self._writer.add_audio(sound)

    def write(self, pictures: Iterable[CodedPacket], sound: Iterable[CodedPacket] = ()) -> None:
        """Write all pictures and all sound; both are in order of their times."""
        heard = iter(sound)
        rate = 1 if self.audio is None else self.audio.settings.sample_rate
        waiting = next(heard, None)
        for packet in pictures:
            if packet.key:
                self._starts.append(packet.time)
            self._end = packet.time + packet.duration
            while waiting is not None and Fraction(waiting.time, rate) < packet.time * self._tick:
                self._hear(waiting)
                waiting = next(heard, None)
            self.video.write_coded(packet)
        while waiting is not None:
            self._hear(waiting)
            waiting = next(heard, None)

    def _hear(self, packet: CodedPacket) -> None:
        assert self.audio is not None
        self.audio.write_coded(packet)

    def close(self) -> None:
        """Write the rest and the index."""
        self._writer.close()
        ticks = [round(start * self._tick * self._scale) for start in (*self._starts, self._end)]
        self._sink.finish(self._scale, ticks)

    def abort(self) -> None:
        self._writer.abort()


class _IndexedFile:
    """A file that finds the fragments in what is written through it, and keeps room for a `sidx` before the first."""

    def __init__(self, file: BinaryIO, fragments: int) -> None:
        self._file = file
        self.name = str(getattr(file, "name", "the proxy"))
        self._together = max(1, -(-fragments // _MOST_REFERENCES))
        """Fragments of one reference."""
        self._references = -(-fragments // self._together)
        self._room = 40 + 12 * self._references
        self._place: int | None = None
        self._ends: list[int] = []
        """Offsets at which fragments begin, and where the last one ends."""
        self._left = 0
        self._head = b""
        self._written = 0

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        length = len(view)
        while len(view):
            if not self._left:
                wanted = 8 - len(self._head)
                self._head += bytes(view[:wanted])
                view = view[wanted:]
                if len(self._head) == 8:
                    self._begin(self._head)
                continue
            part = view[: self._left]
            self._file.write(part)
            self._left -= len(part)
            self._written += len(part)
            view = view[len(part) :]
        return length

    def _begin(self, head: bytes) -> None:
        """The header of a top-level box (ISO/IEC 14496-12, 4.2)."""
        size, kind = struct.unpack(">I4s", head)
        if size < 8:
            raise UsageError("A proxy's fragment is too large.")  # 4 GiB within 12 frames
        if kind == b"moof":
            if self._place is None:
                self._place = self._written
                self._file.write(bytes(self._room))
                self._written += self._room
            self._ends.append(self._written)
        self._file.write(head)
        self._written += 8
        self._left, self._head = size - 8, b""

    def finish(self, scale: int, ticks: list[int]) -> None:
        """Write the index (ISO/IEC 14496-12, 8.16.3): for each reference its bytes and its ticks, `ticks` has the edges."""
        expected = -(-len(self._ends) // self._together)
        if self._place is None or len(self._ends) + 1 != len(ticks) or expected != self._references:
            raise UsageError(f"{len(self._ends)} fragments of a proxy are not the groups of pictures that it was to have.")
        step = self._together
        places, times = [*self._ends[::step], self._written], [*ticks[:-1:step], ticks[-1]]
        body = struct.pack(">IIIQQHH", 1 << 24, 1, scale, ticks[0], 0, 0, len(places) - 1)
        for before, after, start, end in zip(places, places[1:], times, times[1:], strict=False):
            body += struct.pack(">III", after - before, end - start, 1 << 31 | 1 << 28)  # begins with a closed GOP
        self._file.seek(self._place)
        self._file.write(struct.pack(">I4s", 8 + len(body), b"sidx") + body)
        self._file.seek(0, 2)

    def tell(self) -> int:
        return self._written

    def seekable(self) -> bool:
        return False

