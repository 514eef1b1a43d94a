"""Cutting a clip: which packets a range of frames needs, and writing them into a new movie."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from film_archive.core import copying, files
from film_archive.core.columns import Longs
from film_archive.core.errors import NotSupported, OutOfRange
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import AudioIndex, FrameIndex
from film_archive.core.source import ByteSource, printable
from film_archive.core.timecode import FrameRange, Timecode
from film_archive.media.cutting.mov_writer import CutTrack, MovieLayout, lay_out


@dataclass(frozen=True, slots=True, eq=False)
class CutSource:
    """A clip that can be cut: its bytes, where its frames lie, and how its tracks are described in QuickTime's terms."""

    source: ByteSource
    index: FrameIndex
    picture: bytes
    """The picture's sample entry."""
    sound: tuple[bytes, ...]
    """The sound tracks' sample entries, in the index's order."""
    width: int
    height: int
    facts: MediaFacts
    """What the clip says of itself."""
    start: Timecode | None
    reel: str | None
    user_data: bytes = b""

    def starting_at(self, start: Timecode) -> CutSource:
        """The same clip with a start timecode that the caller knows."""
        return replace(self, start=start)

    def completed_by(self, facts: MediaFacts) -> CutSource:
        """The same clip with start timecode and reel as these facts have them."""
        return replace(self, facts=facts, start=facts.start_timecode, reel=facts.reel)


@dataclass(frozen=True, slots=True)
class CutResult:
    """What was written. `mode` is "copy": no frame was encoded again."""

    path: Path
    frames: FrameRange
    start: Timecode | None
    mode: str
    bytes_read: int
    shared: int
    stored_from: int
    """The first frame in the file: before `frames.first` where a long-GOP clip has to be decoded from a keyframe."""
    diagnostics: tuple[str, ...] = ()


def cut_movie(clip: CutSource, frames: FrameRange, target: Path, *, on_bytes: files.OnBytes | None = None) -> CutResult:
    """Write a range of frames with their sound to a new QuickTime file, bit for bit.

    Raises OutOfRange where frames are not there, Refused where the target exists. Only the blocks that hold the
    needed packets are read.
    """
    layout, stored_from, start, diagnostics = _laid_out(clip, frames)
    shared = 0
    with files.AtomicFile(target, purpose="cut") as new:
        descriptor = new.file.fileno()
        with files.explaining(
            f"write {printable(target)}",
            needed=lambda: files.unwritten(descriptor, layout.size),
            folder=target.parent,
            state="nothing was left there, and the same command can be run again when there is room",
        ):
            new.file.write(layout.head)
            new.file.flush()
            for run in layout.runs:
                part = clip.source.slice(run.source_offset, run.length)
                shared += copying.transfer(part, descriptor, run.target_offset, on_bytes=on_bytes)
            new.file.seek(layout.moov_offset)
            new.file.write(layout.moov)
            new.file.flush()
        new.commit()
    return CutResult(target, frames, start, "copy", layout.payload_size, shared, stored_from, diagnostics)


def bytes_to_read(clip: CutSource, frames: FrameRange) -> int:
    """How many bytes of the clip `cut_movie` would read; raises what it raises before it writes."""
    return _laid_out(clip, frames)[0].payload_size


def _laid_out(clip: CutSource, frames: FrameRange) -> tuple[MovieLayout, int, Timecode | None, tuple[str, ...]]:
    """The new movie, the first frame that is stored in it, its start timecode, and what is odd about that."""
    if clip.index.video is None or frames.count == 0:
        raise OutOfRange(f"{clip.source.name} has no frames {frames.first} to {frames.end - 1} to cut.")
    picture, stored_from = picture_track(clip.index, frames, clip.picture, clip.width, clip.height)
    begin, end = _seconds(clip.index, frames)
    sound = [
        sound_track(track, description, begin, end)
        for track, description in zip(clip.index.audio, clip.sound, strict=True)
    ]
    start, diagnostics = shifted_start(clip, frames.first)
    tracks = [picture, *(track for track in sound if track is not None)]
    layout = lay_out(tracks, clip.source.size, start=start, reel=clip.reel, user_data=clip.user_data)
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


def shifted_start(clip: CutSource, frames: int) -> tuple[Timecode | None, tuple[str, ...]]:
    """The timecode of a frame, at the rate that the clip's timecode counts in."""
    start, rate = clip.start, clip.index.rate
    if start is None or rate is None:
        return start, ()
    count = Fraction(frames) * start.rate / rate
    whole = count.numerator // count.denominator
    if whole != count:
        return start + whole, ("the cut begins between two timecode frames; the earlier one is its start",)
    return start + whole, ()


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


def _seconds(index: FrameIndex, frames: FrameRange) -> tuple[Fraction, Fraction]:
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
