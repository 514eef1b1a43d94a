"""opentimelineio, the library: making timelines, and reading what a file holds as any OTIO program would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from film_archive.core.errors import Damaged
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRange, FrameRate, Timecode


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


@dataclass(frozen=True, slots=True)
class Plate:
    """An image sequence as the one clip of a timeline; times are in frames at `rate`."""

    name: str
    folder: str
    """A URL, or a path relative to the timeline, with "/" at its end."""
    prefix: str
    suffix: str
    padding: int
    first_number: int
    frames: int
    start: int
    """Of the first frame, counted from midnight as timecode does."""
    rate: FrameRate
    head: int
    """Frames before those that are used."""
    used: int
    facts: Mapping[str, str | int]
    """Kept with the clip under the key `film_archive`."""


def plate_timeline(plate: Plate) -> str:
    """A timeline of one clip that plays an image sequence, as OTIO JSON."""
    import opentimelineio as otio

    def span(first: int, frames: int) -> otio.opentime.TimeRange:
        rate = float(plate.rate)
        return otio.opentime.TimeRange(otio.opentime.RationalTime(first, rate), otio.opentime.RationalTime(frames, rate))

    media = otio.schema.ImageSequenceReference(
        target_url_base=plate.folder,
        name_prefix=plate.prefix,
        name_suffix=plate.suffix,
        start_frame=plate.first_number,
        frame_step=1,
        rate=float(plate.rate),
        frame_zero_padding=plate.padding,
        available_range=span(plate.start, plate.frames),
    )
    clip = otio.schema.Clip(plate.name, media, span(plate.start + plate.head, plate.used))
    clip.metadata["film_archive"] = dict(plate.facts)
    timeline = otio.schema.Timeline(plate.name)
    track = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
    track.append(clip)
    timeline.tracks.append(track)
    return str(otio.adapters.write_to_string(timeline, "otio_json"))
