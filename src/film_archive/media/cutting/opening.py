"""Opening a clip to be cut: one function a container, chosen by its first bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from film_archive.core.errors import Damaged, NotMedia, NotSupported
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import ByteSource
from film_archive.core.timecode import RateLike
from film_archive.media.cutting.cuttable import Cuttable
from film_archive.media.cutting.descriptions import picture_entry, sound_entry
from film_archive.media.cutting.movie import MovieClip
from film_archive.media.cutting.mxf_clip import MxfClip, why_not_mxf
from film_archive.media.cutting.recording import open_recording
from film_archive.media.cutting.user_data import UserData
from film_archive.media.mov import MovFile, Track, is_mov
from film_archive.media.mxf import MxfFile, is_mxf
from film_archive.media.riff import is_wave

_HEAD = 1 << 16


def open_clip(source: ByteSource, *, index: FrameIndex | None = None, rate: RateLike | None = None) -> Cuttable:
    """A clip to be cut; `index` saves making it where it is known, `rate` ("24", "29.97df") counts where the clip has none.

    Raises NotSupported for containers that can't be cut, Damaged where the clip's own index is broken.
    """
    head = source.read_at(0, _HEAD)
    if not head:
        raise NotMedia(f"{source.name} is empty (0 bytes); copy it again from its original.")
    if is_mov(head):
        return _open_mov(source, index)
    if is_mxf(head):
        return _open_mxf(source, index)
    if is_wave(head):
        return open_recording(source, rate)
    raise NotSupported(f"{source.name} can't be cut without re-encoding: it is neither QuickTime, MP4, MXF nor WAV.")


def _open_mov(source: ByteSource, index: FrameIndex | None) -> MovieClip:
    movie = MovFile.open(source)
    facts = movie.facts()
    placed = movie.placed_picture
    if movie.why_empty is not None:
        raise Damaged(f"{source.name} {movie.why_empty}.")
    if placed is None:
        raise NotSupported(f"{source.name} has no picture; sound alone is not cut yet.")
    if movie.movie.fragments:
        raise NotSupported(f"{source.name} is a fragmented MP4, as proxies are; cut its original.")
    frames = movie.index() if index is None else index
    width, height = (int(side) for side in placed.track.display_size)
    return MovieClip(
        name=source.name,
        source=source,
        rate=frames.rate,
        frames=frames.frames,
        index=frames,
        picture=_entry(placed.track, source),
        sound=tuple(_entry(track, source) for track in movie.sound_tracks),
        width=width,
        height=height,
        facts=facts,
        start=facts.start_timecode,
        reel=facts.reel,
        user_data=UserData.of(movie.movie.moov, movie.movie.header.created),
    )


def _open_mxf(source: ByteSource, index: FrameIndex | None) -> Cuttable:
    """A cut is MXF again where that can be right, or QuickTime around the same frames."""
    material = MxfFile.open(source)
    facts = material.facts()
    frames = material.index() if index is None else index
    if frames.frames == 0 and facts.frames is not None:
        raise Damaged(f"{source.name} has no complete frame; if it is still being written, try again later, else copy it again.")
    if frames.frames == 0:
        raise NotSupported(f"{source.name} has no picture; sound alone is not cut yet.")
    known: dict[str, Any] = {
        "name": source.name,
        "facts": facts,
        "rate": frames.rate,
        "frames": frames.frames,
        "start": facts.start_timecode,
        "reel": facts.reel,
        "source": source,
    }
    reason = why_not_mxf(material, frames.intra)
    try:
        movie = _mxf_as_movie(source, facts, frames, known)
    except NotSupported as error:
        if reason is not None:
            raise NotSupported(f"{error} A cut can't be MXF either: {reason}.") from error
        movie = None
    if reason is None:
        return MxfClip(**known, material=material, movie=movie)
    assert movie is not None
    return replace(movie, notes=(f"the cut is a QuickTime movie and no MXF: {reason}",))


def _mxf_as_movie(source: ByteSource, facts: MediaFacts, frames: FrameIndex, known: dict[str, Any]) -> MovieClip:
    first = frames.frame(0)
    aspect = facts.pixel_aspect or 1
    return MovieClip(
        **known,
        index=frames,
        picture=picture_entry(facts, source.read_at(first.offset, min(first.size, 64))),
        sound=tuple(sound_entry(track) for track in facts.audio),
        width=round((facts.width or 0) * aspect),
        height=facts.height or 0,
    )


def _entry(track: Track, source: ByteSource) -> bytes:
    """The one sample entry of a track, as it is in the file."""
    if len(track.descriptions) != 1:
        count = len(track.descriptions)
        raise NotSupported(f"{source.name}: its {track.name} has {count} sample descriptions and can't be cut as one.")
    return track.descriptions[0].raw
