"""Making proxies: one decode, scaled down in steps, encoded in pieces of fixed length.

A piece is 20 GOPs and has encoders of its own, each with one thread, in serial runs too: so the bytes do not depend on
threads or on where a killed run was taken up again. Pieces and whole proxies that are there already are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from film_archive.core import files
from film_archive.core.errors import NotSupported
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import ByteSource, FileSource
from film_archive.core.timecode import FrameRate
from film_archive.media.av.decoding import decode_frames
from film_archive.media.av.encoding import AudioTrack, ContainerWriter, VideoTrack
from film_archive.media.av.fragments import (
    GOP,
    audio_span,
    fragment_audio,
    fragment_video,
    join_fragments,
    open_fragments,
)
from film_archive.media.av.frames import converted
from film_archive.media.av.sound import decode_audio

PIECE = 20 * GOP
"""Frames in a piece."""

OnFrames = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class ProxyTarget:
    """One size of proxy: its name in the ladder, even width and height in pixels, bits a second.

    `key` tells a file of it from one that was made otherwise; the caller's folder tells one original from another.
    """

    size: str
    width: int
    height: int
    bit_rate: int
    preset: str = "superfast"
    version: int = 1

    @property
    def key(self) -> str:
        return f"{self.size}-{self.width}x{self.height}-{self.bit_rate}-{self.preset}-{self.version}"


@dataclass(frozen=True, slots=True)
class MadeProxy:
    """A proxy that was made. `corrupt` lists frames of the original that could not be decoded and show their neighbour."""

    target: ProxyTarget
    path: Path
    frames: int
    pieces: int
    corrupt: tuple[int, ...] = ()


@dataclass(slots=True)
class _Clip:
    source: ByteSource
    facts: MediaFacts
    index: FrameIndex
    rate: FrameRate
    sound: tuple[tuple[int, int], ...]
    """(track, channel) of each channel of the proxy's sound."""
    sample_rate: int


def make_proxies(
    source: ByteSource,
    facts: MediaFacts,
    index: FrameIndex,
    targets: Sequence[ProxyTarget],
    folder: Path,
    *,
    on_frames: OnFrames | None = None,
) -> list[MadeProxy]:
    """Make one proxy file a target in `folder`, from one decode of the source.

    Every proxy has as many frames as the index. Raises NotSupported where there is no picture that can be decoded,
    Damaged where nothing of it can.
    """
    if facts.frame_rate is None or index.frames == 0 or not facts.decodable:
        raise NotSupported(f"{source.name} has no picture that can be decoded; no proxies were made.")
    sound, sample_rate = proxy_sound(facts)
    clip = _Clip(source, facts, index, facts.frame_rate, sound, sample_rate)
    finished = {target for target in targets if (folder / f"{target.key}.mp4").exists()}
    missing = [target for target in targets if target not in finished]
    ordered = sorted(missing, key=lambda target: target.width * target.height, reverse=True)
    starts = [*range(0, index.frames, PIECE), index.frames]
    for first, end in pairwise(starts):
        paths = [_piece_path(folder, target, first) for target in ordered]
        if paths and not all(path.exists() for path in paths):
            _make_piece(clip, ordered, paths, first, end, _corrupt_path(folder, first), on_frames)
        elif on_frames is not None:
            on_frames(end - first)
    made = []
    corrupt = _corrupt_frames(folder, starts[:-1])
    for target in targets:
        pieces = [_piece_path(folder, target, first) for first in starts[:-1]]
        path = folder / f"{target.key}.mp4"
        if target not in finished:
            _join(pieces, path)
        made.append(MadeProxy(target, path, index.frames, len(pieces), corrupt))
    return made


def proxy_sound(facts: MediaFacts) -> tuple[tuple[tuple[int, int], ...], int]:
    """Which (track, channel) become the proxy's sound, and its sample rate: mono, or two channels as stereo."""
    if not facts.audio:
        return (), 0
    first = facts.audio[0]
    if first.channels >= 2:
        return ((0, 0), (0, 1)), first.sample_rate
    if len(facts.audio) >= 2 and facts.audio[1].sample_rate == first.sample_rate:
        return ((0, 0), (1, 0)), first.sample_rate
    return ((0, 0),), first.sample_rate


def _make_piece(
    clip: _Clip,
    targets: Sequence[ProxyTarget],
    paths: Sequence[Path],
    first: int,
    end: int,
    corrupt_path: Path,
    on_frames: OnFrames | None,
) -> None:
    corrupt: list[int] = []
    with ExitStack() as stack:
        outputs = [stack.enter_context(files.AtomicFile(path, replace=True, purpose="piece")) for path in paths]
        writers = [_open_piece(clip, target, output, first) for target, output in zip(targets, outputs, strict=True)]
        tracks = []
        for (writer, pictures), target in zip(writers, targets, strict=True):
            stack.enter_context(writer)
            tracks.append((pictures, _add_sound(clip, writer, first, end), target))
        _write_sound(clip, [sound for _, sound, _ in tracks if sound is not None], first, end)
        reformatters = [VideoReformatter() for _ in targets]
        for number, picture in _pictures(clip, first, end, corrupt):
            scaled = picture
            for (pictures, _, target), reformatter in zip(tracks, reformatters, strict=True):
                scaled = converted(
                    scaled, target.width, target.height, "yuv420p", matrix=1, full_range=False, reformatter=reformatter
                )
                pictures.write(scaled, at=number)
            if on_frames is not None:
                on_frames(1)
        for writer, _ in writers:
            writer.close()
        files.remove(corrupt_path)
        if corrupt:
            files.write_atomically(corrupt_path, " ".join(map(str, corrupt)).encode())
        for output in outputs:
            output.commit()


def _open_piece(
    clip: _Clip, target: ProxyTarget, output: files.AtomicFile, first: int
) -> tuple[ContainerWriter, VideoTrack]:
    writer = open_fragments(
        output.file, first_frame=first, timecode=clip.facts.start_timecode, reel=clip.facts.reel  # type: ignore[arg-type]
    )
    return writer, writer.add_video(
        fragment_video(target.width, target.height, clip.rate, target.bit_rate, preset=target.preset)
    )


def _add_sound(clip: _Clip, writer: ContainerWriter, first: int, end: int) -> AudioTrack | None:
    if not clip.sound:
        return None
    settings = fragment_audio(
        clip.rate,
        channels=len(clip.sound),
        sample_rate=clip.sample_rate,
        first_frame=first,
        end_frame=end if end < clip.index.frames else None,
    )
    return writer.add_audio(settings)


def _write_sound(clip: _Clip, tracks: Sequence[AudioTrack], first: int, end: int) -> None:
    """The piece's stretch of sound into each size's track, in runs that all channels have."""
    if not tracks:
        return
    begin, stop = audio_span(first, end if end < clip.index.frames else None, clip.rate, clip.sample_rate)
    for position, samples in _samples(clip, begin, stop):
        for track in tracks:
            track.write(samples, at=position)


def _samples(clip: _Clip, begin: int, stop: int | None) -> Iterator[tuple[int, NDArray[Any]]]:
    tracks = {track for track, _ in clip.sound}
    if len(tracks) == 1:
        channels = [channel for _, channel in clip.sound]
        for position, samples in _heard(clip, tracks.pop(), begin, stop):
            yield position, samples[:, [min(channel, samples.shape[1] - 1) for channel in channels]]
        return
    columns = []  # mono tracks side by side; a shorter one is followed by silence
    for track, channel in clip.sound:
        parts = [np.zeros(0, np.int32)]
        for position, samples in _heard(clip, track, begin, stop):
            parts.append(np.zeros(position - begin - sum(map(len, parts)), samples.dtype))
            parts.append(samples[:, channel])
        columns.append(np.concatenate(parts[1:]) if len(parts) > 1 else parts[0])
    length = max(len(column) for column in columns)
    if length:
        kind = max((column.dtype for column in columns), key=lambda dtype: dtype.itemsize)
        yield begin, np.stack([np.pad(column, (0, length - len(column))).astype(kind) for column in columns], axis=1)


def _heard(clip: _Clip, track: int, begin: int, stop: int | None) -> Iterator[tuple[int, NDArray[Any]]]:
    """A track's samples from `begin` to before `stop`, or to where it ends."""
    for run in decode_audio(clip.source, track=track, start=begin):
        samples = run.samples if stop is None else run.samples[: max(0, stop - run.position)]
        if len(samples):
            yield run.position, samples
        if stop is not None and run.position + len(run.samples) >= stop:
            return


def _corrupt_path(folder: Path, first: int) -> Path:
    """Where the numbers of a piece's undecodable frames are kept for a later run."""
    return folder / f"{first:08d}.corrupt"


def _corrupt_frames(folder: Path, starts: Sequence[int]) -> tuple[int, ...]:
    paths = [_corrupt_path(folder, first) for first in starts]
    return tuple(int(word) for path in paths if path.exists() for word in path.read_text("ascii").split())


def _pictures(clip: _Clip, first: int, end: int, corrupt: list[int]) -> Iterator[tuple[int, av.VideoFrame]]:
    """Every frame of the piece; one that can't be decoded shows the one before it, or black."""
    last: av.VideoFrame | None = None
    for picture in decode_frames(clip.source, start=first, count=end - first, index=clip.index):
        if picture.corrupt:
            corrupt.append(picture.number)
        if picture.frame is not None:
            last = picture.frame
        elif last is None:
            last = _black(clip.facts)
        yield picture.number, last


def _black(facts: MediaFacts) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.zeros((facts.height or 2, facts.width or 2, 3), np.uint8), format="rgb24")


def _join(pieces: Sequence[Path], target: Path) -> None:
    sources = [FileSource(piece) for piece in pieces]
    try:
        with files.AtomicFile(target, replace=True, purpose="join") as new:
            join_fragments(sources, new.file)  # type: ignore[arg-type]
            new.commit()
    finally:
        for source in sources:
            source.close()
    for piece in pieces:
        files.remove(piece)


def _piece_path(folder: Path, target: ProxyTarget, first: int) -> Path:
    return folder / f"{target.key}.{first:08d}.piece"
