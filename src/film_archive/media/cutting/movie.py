"""Cutting a movie: which packets a range of frames needs, and writing them into a new one."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from film_archive.core import copying, files
from film_archive.core.columns import Longs
from film_archive.core.errors import NotSupported
from film_archive.core.frame_index import AudioIndex, FrameIndex
from film_archive.core.source import ByteSource, ConcatSource, MemorySource, printable
from film_archive.core.timecode import FrameRange, Timecode
from film_archive.media.cutting.cuttable import CutBytes, CutResult, Cuttable
from film_archive.media.cutting.mov_writer import CutTrack, MovieLayout, lay_out
from film_archive.media.cutting.user_data import UserData, provenance


@dataclass(frozen=True, eq=False)
class MovieClip(Cuttable):
    """A clip with a picture: where its frames lie, and how its tracks are described in QuickTime's terms."""

    source: ByteSource = field(kw_only=True)
    index: FrameIndex = field(kw_only=True)
    picture: bytes = field(kw_only=True)
    """The picture's sample entry."""
    sound: tuple[bytes, ...] = field(kw_only=True)
    """The sound tracks' sample entries, in the index's order."""
    width: int = field(kw_only=True)
    height: int = field(kw_only=True)
    user_data: UserData = UserData()  # noqa: RUF009  a value that does not change
    suffixes: tuple[str, ...] = (".mov", ".qt", ".mp4", ".m4v")

    def cut(self, frames: FrameRange, target: Path, *, on_bytes: files.OnBytes | None = None) -> CutResult:
        """Write a range of frames with their sound to a new QuickTime file, bit for bit.

        Only the blocks that hold the needed packets are read.
        """
        layout, stored_from, start, diagnostics = self._lay_out(frames)
        shared = 0
        with files.AtomicFile(target, purpose="cut") as new:
            descriptor = new.file.fileno()
            with files.explaining(
                f"write {printable(target)}", needed=lambda: files.unwritten(descriptor, layout.size), folder=target.parent
            ):
                new.file.write(layout.head)
                new.file.flush()
                for run in layout.runs:
                    part = self.source.slice(run.source_offset, run.length)
                    shared += copying.transfer(part, descriptor, run.target_offset, on_bytes=on_bytes)
                new.file.seek(layout.moov_offset)
                new.file.write(layout.moov)
            new.commit()
        read = sum(run.length for run in layout.runs)
        return CutResult(target, frames, start, "copy", read, shared, stored_from, diagnostics)

    def cut_bytes(self, frames: FrameRange) -> CutBytes:
        layout, stored_from, _, diagnostics = self._lay_out(frames)
        parts: list[ByteSource] = [MemorySource(layout.head)]
        position = len(layout.head)
        for run in layout.runs:
            parts.append(MemorySource(bytes(run.target_offset - position)))
            parts.append(self.source.slice(run.source_offset, run.length))
            position = run.target_offset + run.length
        parts.append(MemorySource(bytes(layout.moov_offset - position) + layout.moov))
        return CutBytes(ConcatSource(parts, f"a cut of {self.name}"), ".mov", stored_from, diagnostics)

    def said_of(self, frames: FrameRange) -> bytes:
        """What a cut says about itself: what the clip did, and where the cut comes from."""
        name = self.name.rpartition("::")[2].rpartition("/")[2]
        return self.user_data.with_provenance(provenance(name, self.digest, frames, self.user_data.provenance))

    def _lay_out(self, frames: FrameRange) -> tuple[MovieLayout, int, Timecode | None, tuple[str, ...]]:
        """(the new movie, the first frame that is in it, its start timecode, what was odd)."""
        self.require(frames)
        picture, stored_from = picture_track(self.index, frames, self.picture, self.width, self.height)
        begin, end = seconds_of(self.index, frames)
        sound = [
            sound_track(track, description, begin, end)
            for track, description in zip(self.index.audio, self.sound, strict=True)
        ]
        start, diagnostics = self.shifted_start(frames.first)
        if self.user_data.without_xmp:
            diagnostics = (*diagnostics, "its XMP names the clip's own timecode, and was left out")
        tracks = [picture, *(track for track in sound if track is not None)]
        layout = lay_out(
            tracks,
            self.source.size,
            start=start,
            reel=self.reel,
            user_data=self.said_of(frames),
            created=self.user_data.created,
        )
        return layout, stored_from, start, diagnostics


def picture_track(
    index: FrameIndex, frames: FrameRange, description: bytes, width: int, height: int
) -> tuple[CutTrack, int]:
    """The picture track of a cut, and the number of the first frame that has to be in the file."""
    video = index.video
    assert video is not None
    wanted = index.positions(frames)
    first, last = _decode_start(index, frames), int(wanted.max())
    positions = np.arange(first, last + 1)
    times = video.times[positions]
    times = times - times.min()
    decode = np.sort(times)
    shift = int((decode - times).max())
    composition = times - decode + shift
    after = int(video.times[index.shown[frames.end]]) if frames.end < index.frames else video.end
    begin_time = int(video.times[index.shown[frames.first]])
    base = int(video.times[positions].min())
    steps = np.diff(np.append(decode, max(after - base, int(decode[-1]) + 1)))
    keys = index.keys[positions]
    offsets, counts = _chunks(video.offsets[positions], video.sizes[positions])
    track = CutTrack(
        handler=b"vide",
        description=description,
        timescale=_whole(video.timescale),
        offsets=offsets,
        counts=counts,
        sizes=video.sizes[positions],
        sample_size=0,
        durations=steps,
        composition=None if not composition.any() else composition,
        sync=None if keys.all() else np.nonzero(keys)[0] + 1,
        begin=begin_time - base + shift,
        shown=after - begin_time,
        width=width,
        height=height,
    )
    stored = np.nonzero(np.isin(index.shown, positions))[0]
    return track, int(stored.min(initial=frames.first))


def sound_track(track: AudioIndex, description: bytes, begin: Fraction, end: Fraction) -> CutTrack | None:
    """A sound track from `begin` to `end` seconds; None where it has nothing there."""
    scale = track.packets.timescale
    first, stop = round(begin * scale), round(end * scale)
    return (_pcm if track.frame_bytes else _coded)(track, description, first, stop)


def _pcm(track: AudioIndex, description: bytes, first: int, stop: int) -> CutTrack | None:
    packets = track.packets
    lengths = packets.sizes // track.frame_bytes
    starts = np.maximum(packets.times, first)
    ends = np.minimum(packets.times + lengths, stop)
    inside = np.nonzero(ends > starts)[0]
    if not len(inside):
        return None
    starts, ends = starts[inside], ends[inside]
    offsets = packets.offsets[inside] + (starts - packets.times[inside]) * track.frame_bytes
    return CutTrack(
        handler=b"soun",
        description=description,
        timescale=_whole(packets.timescale),
        offsets=offsets,
        counts=ends - starts,
        sizes=np.zeros(0, np.int64),
        sample_size=track.frame_bytes,
        durations=np.ones(1, np.int64),
        composition=None,
        sync=None,
        begin=0,
        shown=int((ends - starts).sum()),
        delay=int(starts[0]) - first,
    )


def _coded(track: AudioIndex, description: bytes, first: int, stop: int) -> CutTrack | None:
    """Whole packets, one more in front for the decoder to settle; the edit list shows what was asked for."""
    packets = track.packets
    if not len(packets) or stop <= int(packets.times[0]) or first >= packets.end:
        return None
    begin = max(0, int(np.searchsorted(packets.times, first, side="right")) - 2)
    end = max(begin + 1, int(np.searchsorted(packets.times, stop, side="left")))
    positions = np.arange(begin, end)
    times = packets.times[positions]
    following = int(packets.times[end]) if end < len(packets) else max(packets.end, int(times[-1]) + 1)
    offsets, counts = _chunks(packets.offsets[positions], packets.sizes[positions])
    delay = max(0, int(times[0]) - first)
    begin_at = max(first, int(times[0]))
    return CutTrack(
        handler=b"soun",
        description=description,
        timescale=_whole(packets.timescale),
        offsets=offsets,
        counts=counts,
        sizes=packets.sizes[positions],
        sample_size=0,
        durations=np.diff(np.append(times, following)),
        composition=None,
        sync=None,
        begin=begin_at - int(times[0]),
        shown=min(stop, packets.end) - begin_at,
        delay=delay,
    )


def _decode_start(index: FrameIndex, frames: FrameRange) -> int:
    """Where decoding has to start: the keyframe before the range, or the one before that for pictures that lead a keyframe."""
    earliest = int(index.positions(frames).min())
    position = index.keyframe_before(frames.first).position
    assert index.video is not None
    first_time = int(index.video.times[index.shown[frames.first]])
    while position > 0 and int(index.video.times[position]) > first_time:
        position -= 1
        while position > 0 and not index.keys[position]:
            position -= 1
    return min(position, earliest)


def _chunks(offsets: Longs, sizes: Longs) -> tuple[Longs, Longs]:
    """(offset, count) of each run of packets that lie behind one another."""
    breaks = np.nonzero(offsets[1:] != offsets[:-1] + sizes[:-1])[0] + 1
    firsts = np.concatenate((np.zeros(1, np.int64), breaks))
    return offsets[firsts], np.diff(np.append(firsts, len(offsets)))


def seconds_of(index: FrameIndex, frames: FrameRange) -> tuple[Fraction, Fraction]:
    """When a range is shown, in seconds from the clip's first frame."""
    video = index.video
    assert video is not None
    begin = int(video.times[index.shown[frames.first]])
    end = int(video.times[index.shown[frames.end]]) if frames.end < index.frames else video.end
    return Fraction(begin) / video.timescale, Fraction(end) / video.timescale


def _whole(timescale: Fraction) -> int:
    if timescale.denominator != 1:
        raise NotSupported(f"A timescale of {timescale} can't be written into a QuickTime file.")
    return timescale.numerator
