"""A proxy's fragments: where each begins, when it is shown, and what a player has to know to decode them.

A proxy is fragmented MP4 of which each fragment (`moof` + `mdat`, ISO/IEC 14496-12, 8.8) begins with a keyframe. The
index is computed from the file's own tables; nothing of it is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from film_archive.core.errors import NotSupported
from film_archive.core.source import ByteSource
from film_archive.media.mov import Atom, MovFile, Track
from film_archive.media.mov.descriptions import aac_object_type

_PICTURE_FIELDS, _SOUND_FIELDS = 78, 28
"""Bytes of a sample entry before its extensions (ISO/IEC 14496-12, 12.1.3 and 12.2.3, version 0)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FragmentIndex:
    """The fragments of one file, in order.

    Fragment n has the bytes `offsets[n]` to before `offsets[n + 1]`, and shows from `times[n]` to before `times[n + 1]`
    ticks of 1/`timescale` s, frames `frames[n]` to before `frames[n + 1]`: all three have one entry more than there are
    fragments, for the end. `init` bytes at the file's beginning describe the tracks.
    """

    init: int
    offsets: tuple[int, ...]
    times: tuple[int, ...]
    frames: tuple[int, ...]
    timescale: Fraction
    codecs: str
    width: int
    height: int
    shortest: int
    """Ticks of the shortest frame."""
    vfr: bool
    size: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def frame_rate(self) -> Fraction:
        """Frames a second; where they differ, that of the shortest, which is what HLS calls the frame rate."""
        return Fraction(self.timescale) / self.shortest

    @property
    def duration(self) -> Fraction:
        """Seconds."""
        return Fraction(self.times[-1] - self.times[0]) / self.timescale


def read_fragments(source: ByteSource) -> FragmentIndex:
    """The fragment index of a file.

    Raises NotSupported where its fragments can't be played one by one (none, no H.264 picture, pictures that lead a
    keyframe), Damaged and NotMedia where it can't be read.
    """
    movie = MovFile.open(source)
    index = movie.index()
    starts = np.array([place.start for place in movie.movie.fragments], np.int64)
    track = next((track for track in movie.movie.tracks if track.handler == b"vide"), None)
    if index.video is None or not index.frames or track is None or not len(starts):
        raise NotSupported(f"{source.name} is no fragmented MP4 with a picture, so it can't be played in pieces.")
    video, order = index.video, index.shown
    numbers = np.full(len(video), -1, np.int64)
    numbers[order] = np.arange(len(order))
    owners = np.searchsorted(starts, video.offsets, side="right") - 1
    begins, firsts = np.unique(owners, return_index=True)
    if begins[0] < 0 or not index.keys[0]:
        raise NotSupported(f"{source.name} does not begin with a fragment that begins with a keyframe.")
    earliest = np.minimum.accumulate(video.times[::-1])[::-1]  # of all that is decoded from each packet on
    # Where something that is decoded later is shown earlier (an open GOP), a fragment needs the one before it.
    whole = [int(first) for first in firsts if index.keys[first] and earliest[first] == video.times[first]]
    if not whole or whole[0] != 0 or numbers[whole].min() < 0:
        raise NotSupported(f"{source.name} has fragments that can't be played by themselves.")
    steps = np.diff(np.append(video.times[order], video.end))
    begin_times = np.append(video.times[whole], video.end)
    if not (np.diff(begin_times) > 0).all() or not (np.diff(starts) > 0).all() or steps.min() < 1:
        raise NotSupported(f"{source.name} has fragments that last no time, so they can't be played one after the other.")
    return FragmentIndex(
        init=int(starts[0]),
        offsets=(*(int(starts[owners[first]]) for first in whole), _media_end(movie)),
        times=(*(int(video.times[first]) for first in whole), int(video.end)),
        frames=(*(int(numbers[first]) for first in whole), index.frames),
        timescale=video.timescale,
        codecs=",".join((_picture_codec(track), *(_sound_codec(sound) for sound in movie.sound_tracks))),
        width=int(track.display_size[0]),
        height=int(track.display_size[1]),
        shortest=int(steps.min()),
        vfr=index.vfr,
        size=source.size,
    )


def _media_end(movie: MovFile) -> int:
    """Where the last fragment's media ends; what may lie behind it (an index of the file's own) is not played."""
    return max(place.end for place in movie.movie.places if place.kind in (b"moof", b"mdat"))


def _picture_codec(track: Track) -> str:
    """As RFC 6381 writes it, from the picture's own configuration (ISO/IEC 14496-15, 5.3.3.1)."""
    entry = track.descriptions[0].atom
    for extension in entry.children(_PICTURE_FIELDS, lenient=True):
        if extension.kind == b"avcC" and len(extension.body) >= 4:
            profile, compatible, level = extension.unpack("BBB", 1)
            return f"avc1.{profile:02x}{compatible:02x}{level:02x}"
    raise NotSupported(f"{entry.file} is not H.264 in MP4, which is what players take in pieces.")


def _sound_codec(track: Track) -> str:
    entry: Atom = track.descriptions[0].atom
    for extension in entry.children(_SOUND_FIELDS, lenient=True):
        kind = aac_object_type(extension) if extension.kind == b"esds" else None
        if kind is not None:
            return f"mp4a.40.{kind}"
    raise NotSupported(f"{entry.file} has sound that is not AAC, which is what players take in pieces.")
