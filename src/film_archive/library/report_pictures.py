"""Pictures for reports: one frame of each clip, small, and what it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from film_archive.core.errors import FilmArchiveError
from film_archive.core.facts import MediaFacts
from film_archive.core.source import FileSource
from film_archive.core.timecode import FrameRate
from film_archive.library.report_page import Picture
from film_archive.media.clips import Clip, find_clips
from film_archive.media.probe import index, probe_clip

_BOX = (320, 180)
_MOST = 1000
"""Clips of a report that have a picture; a card has fewer."""


def pictures_of(paths: Iterable[str]) -> Iterator[Picture]:
    """A picture of each clip that is among files. What is no media has none; what can't be decoded has its facts."""
    made = 0
    for clip in find_clips(paths).clips:
        try:
            facts = probe_clip(clip)
        except (FilmArchiveError, OSError):  # no media: the report's tables have it
            continue
        if facts.width is None and not facts.audio:
            continue
        if made == _MOST:
            return
        made += 1
        yield Picture(clip.name.rpartition("/")[2], tuple(_said(facts)), _jpeg(clip, facts) if facts.width else None)


def _said(facts: MediaFacts) -> Iterator[str]:
    what = [" ".join(word for word in (facts.codec, facts.profile) if word)]
    if facts.width:
        what.append(f"{facts.width}×{facts.height}")
    yield ", ".join(word for word in what if word)
    if facts.frames is not None:
        yield f"{facts.frames} frames" + (f" at {_rate(facts.frame_rate)} fps" if facts.frame_rate is not None else "")
    if facts.start_timecode is not None:
        yield f"from {facts.start_timecode}"
    if facts.reel is not None:
        yield f"reel {facts.reel}"


def _rate(rate: FrameRate) -> str:
    exact = Fraction(rate)
    return str(exact) if exact.denominator == 1 else f"{float(exact):.3f}"


def _jpeg(clip: Clip, facts: MediaFacts) -> bytes | None:
    """The frame in the middle; None where it can't be decoded."""
    from film_archive.media.av.clip_pictures import FilePictures
    from film_archive.media.av.posters import poster
    from film_archive.media.av.still_pictures import StillPictures

    aspect = facts.pixel_aspect or Fraction(1)
    try:
        if clip.sequence is not None:
            sequence = clip.sequence
            stills = StillPictures(clip.name, facts, lambda number: FileSource(sequence.file(sequence.first + number)))
            return poster(stills, 0, _BOX, pixel_aspect=aspect)
        with FileSource(clip.parts[0]) as source:
            frames = index(source)
            number = max(0, frames.keyframe_before(frames.frames // 2).number) if frames.frames else 0
            return poster(FilePictures(source, facts, frames), number, _BOX, pixel_aspect=aspect)
    except FilmArchiveError:  # a codec that is not decoded here, or a damaged file: the facts stand without a picture
        return None
