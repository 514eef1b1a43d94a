"""opentimelineio, the library: making timelines, and reading what a file holds as any OTIO program would."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from film_archive.core.errors import Damaged
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRange, Timecode


@dataclass(frozen=True, slots=True)
class Shot:
    """A clip of a timeline: which frames of which file are shown."""

    name: str
    file: Path
    start: Timecode
    """The label of the file's first frame; its ranges in the timeline count from midnight, as timecode does."""
    frames: int
    """How many the file has."""
    used: FrameRange


@dataclass(frozen=True, slots=True)
class Summary:
    """What a timeline holds."""

    name: str
    clips: int
    urls: tuple[str, ...]
    """Of the clips' active media references, in order."""
    seconds: float


def write_cut(path: Path, name: str, shots: Iterable[Shot]) -> None:
    """Write a timeline with one video track, shot after shot; media are referenced by `file://` URLs."""
    import opentimelineio as otio

    def span(shot: Shot, frames: FrameRange) -> otio.opentime.TimeRange:
        first, rate = shot.start.total_frames + frames.first, float(shot.start.rate)
        return otio.opentime.TimeRange(
            otio.opentime.RationalTime(first, rate), otio.opentime.RationalTime(frames.count, rate)
        )

    timeline = otio.schema.Timeline(name)
    track = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
    timeline.tracks.append(track)
    for shot in shots:
        available = span(shot, FrameRange(0, shot.frames))
        media = otio.schema.ExternalReference(shot.file.absolute().as_uri(), available)
        track.append(otio.schema.Clip(shot.name, media, span(shot, shot.used)))
    path.write_text(otio.adapters.write_to_string(timeline, "otio_json"), encoding="utf-8")


def summary(path: Path, adapter: str | None = None) -> Summary:
    """What OTIO makes of a file; `adapter` names one where the file's ending does not ("otioz").

    Raises Damaged where OTIO can't read it.
    """
    import opentimelineio as otio

    try:
        timeline = otio.adapters.read_from_file(str(path), adapter)
        clips = list(timeline.find_clips())
        urls = tuple(getattr(clip.media_reference, "target_url", None) or "" for clip in clips)
        return Summary(timeline.name, len(clips), urls, timeline.duration().to_seconds())
    except (otio.exceptions.OTIOError, ValueError, KeyError, AttributeError) as error:
        raise Damaged(f"OTIO can't read {printable(path)} as a timeline ({error}).") from error
