"""One cut as it is planned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from film_archive.core.job import Step
from film_archive.media.cutting.recoding import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class CutStep(Step):
    """One range of one clip. Frame numbers are those of the clip, from 0."""

    source: str
    """The media file, the sequence's pattern, or ARCHIVE::MEMBER."""
    output: Path
    """The file to write, or the folder for a sequence's files."""
    first_frame: int
    """The first frame, handles counted in."""
    frames: int
    """How many, handles counted in."""
    head_handle: int
    """Frames of handle before, as many as the clip has."""
    tail_handle: int
    """Frames of handle behind."""
    start_timecode: str | None
    """Of the first frame; null where the clip has no timecode."""
    clip_start: str | None
    """The start timecode of the clip, or the one that was given for it."""
    clip_start_rate: str | None
    """The rate that it counts at."""
    reel: str | None
    """The reel that the cut is marked with."""
    rate: str | None
    """The rate that was given for a clip that does not say its own."""
    digest: str | None = None
    """XXH3-128 of the whole source, where its archive has it."""
    link: bool = False
    """Whether the files of a sequence are hard-linked where they can be."""
    mode: Mode = Mode.COPY
    """How a clip is cut whose frames need each other: "copy", "smart" or "encode"."""
