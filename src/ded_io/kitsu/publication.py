"""What is registered of a plate, and what became of it. Values only: they are kept in the outbox and printed as JSON."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from film_archive.core.errors import UsageError
from film_archive.core.job import DONE, IN_PART
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRate

MOVIES = frozenset({"avi", "m4v", "mkv", "mov", "mp4", "webm", "wmv"})
PICTURES = frozenset({"png", "jpg", "jpeg", "gif"})
"""What Kitsu takes as a preview, by the name's end."""

_NAME = 250
_PROJECT = 80
_TYPE = 40
_SHORT = 20
"""Characters that Kitsu's database has for names, a project's, a type's, and for short names and representations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile(Record):
    """A file, or a sequence of frames, that a plate consists of."""

    output_type: str
    """The name of its output type in Kitsu, as "Plate"."""
    short_name: str
    """The output type's short name, as "plate"."""
    representation: str
    """What it is of the version, at most 20 characters: "main", "proxy"."""
    path: Path
    """Where it lies; of a sequence with a printf place, as `base.%04d.exr`."""
    first_frame: int | None = None
    """The first frame's number; null for a single file."""
    last_frame: int | None = None
    """The last frame's number, which belongs to it."""
    size: int | None = None
    """Bytes, of all frames together."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Algorithm to hex; of a sequence those of its manifest. `xxh128` is shown as Kitsu's checksum."""
    colorspace: str | None = None
    """What its pictures are encoded in."""

    def __post_init__(self) -> None:
        _require_text("output type", self.output_type, _TYPE)
        _require_text("output type's short name", self.short_name, _SHORT)
        _require_text("representation", self.representation, _SHORT)
        if (self.first_frame is None) != (self.last_frame is None):
            raise UsageError(f"{printable(self.path)} has a first frame or a last one, but not both.")

    @property
    def frames(self) -> int:
        """How many files it is."""
        if self.first_frame is None or self.last_frame is None:
            return 1
        return self.last_frame - self.first_frame + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication(Record):
    """One version of one element of one shot, as it is registered in Kitsu.

    Raises UsageError for what Kitsu could not hold.
    """

    project: str
    """The production's name in Kitsu."""
    project_id: str | None = None
    """Its id, where it is not to be found by name."""
    sequence: str
    """The sequence's name in Kitsu."""
    shot: str
    """The shot's name in Kitsu."""
    task_type: str = "Plates"
    """The task type's name in Kitsu."""
    task: str = "pla"
    """The task type's short name."""
    element: str
    """Which element of the shot it is, as "rawPlate"."""
    version: int
    """Of the element, counted from 1."""
    name: str
    """What the version is called on disk, as "sht100_pla_rawPlate_v001"; Kitsu's comment begins with it."""
    fps: FrameRate
    """The plate's rate."""
    frame_in: int
    """The number of the cut's first frame."""
    frame_out: int
    """The number of the cut's last frame, which belongs to it."""
    head_handle: int = 0
    """Frames before `frame_in` that the plate has."""
    tail_handle: int = 0
    """Frames after `frame_out` that the plate has."""
    output_files: tuple[OutputFile, ...] = ()
    """What the version consists of."""
    preview: Path | None = None
    """A movie or picture to look at in Kitsu."""
    status: str = "wfa"
    """The short name of the task status that the comment sets."""
    comment: str = ""
    """What people are told with it."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """More that the shot is to carry in Kitsu, such as its reel and timecode."""

    def __post_init__(self) -> None:
        _require_text("project", self.project, _PROJECT)
        for what, text in (
            ("sequence", self.sequence),
            ("shot", self.shot),
            ("element", self.element),
            ("version's name", self.name),
        ):
            _require_text(what, text, _NAME)
        _require_text("task type", self.task_type, _TYPE)
        _require_text("task type's short name", self.task, _SHORT)
        _require_text("status", self.status, 10)
        object.__setattr__(self, "comment", _clean(self.comment))
        object.__setattr__(self, "metadata", {_clean(key): _clean(value) for key, value in self.metadata.items()})
        if not 1 <= self.version <= 999_999:
            raise UsageError(f"{self.version} can't be a version; they are counted from 1.")
        if self.frame_out < self.frame_in or self.head_handle < 0 or self.tail_handle < 0:
            raise UsageError(f"{self.name} has no frames: it goes from {self.frame_in} to {self.frame_out}.")
        if self.fps <= 0:
            raise UsageError(f"{self.name} has a frame rate of {self.fps}.")
        kinds = [(file.output_type, file.representation) for file in self.output_files]
        if len(set(kinds)) < len(kinds):
            raise UsageError(
                f"Two output files of {self.name} have the same type and representation; Kitsu tells none apart."
            )
        if self.preview is not None and self.preview.suffix.lower().lstrip(".") not in MOVIES | PICTURES:
            raise UsageError(f"Kitsu shows no previews like {printable(self.preview)}; make it an mp4.")

    @property
    def frames(self) -> int:
        """Frames of the cut, without handles."""
        return self.frame_out - self.frame_in + 1

    @property
    def key(self) -> str:
        """What it is, whatever is said of it: the same version of the same element has the same key."""
        return "/".join(
            (self.project_id or self.project, self.sequence, self.shot, self.task, self.element, f"v{self.version:03d}")
        )

    @property
    def shot_key(self) -> str:
        """The shot in its production: publications of one shot are registered one after the other."""
        return "/".join((self.project_id or self.project, self.sequence, self.shot))


class PreviewState(StrEnum):
    """How a preview stands in Kitsu."""

    NONE = "none"
    """There is none to show."""
    READY = "ready"
    """It can be looked at."""
    PROCESSING = "processing"
    """Kitsu had it, and was not done with it when the time was up."""
    BROKEN = "broken"
    """Kitsu could not process it."""
    MISSING = "missing"
    """The file is not where it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published(Record):
    """What became of a publication."""

    name: str
    """The version's name."""
    url: str
    """The shot's page in Kitsu."""
    ids: Mapping[str, str]
    """Kitsu's ids: project, sequence, shot, task type, task, comment, preview, and each output file."""
    created: tuple[str, ...]
    """What Kitsu did not have before."""
    updated: tuple[str, ...]
    """What it had otherwise."""
    unchanged: tuple[str, ...]
    """What it had as it is."""
    preview: PreviewState
    """How the preview stands: none, ready, processing, broken or missing."""
    warnings: tuple[str, ...]
    """What a person should look at."""
    problem: str | None = None
    """Why it is not done in whole, one sentence; null where it is."""

    @property
    def done(self) -> bool:
        """Whether Kitsu has all of it."""
        return self.problem is None

    @property
    def exit_status(self) -> int:
        return DONE if self.done else IN_PART


def _require_text(what: str, text: str, most: int) -> None:
    if (
        not text
        or len(text) > most
        or text != text.strip()
        or not text.isprintable()
        or re.search(r"[\ud800-\udfff]", text)
    ):
        raise UsageError(
            f"{text[:60]!r} can't be the name of a {what} in Kitsu; it has 1 to {most} printable characters."
        )


def _clean(text: str) -> str:
    """Text without what a database of text can't hold: halves of surrogate pairs, control signs."""
    whole = text.encode("utf-8", "replace").decode()
    return "".join(sign for sign in whole if sign in "\n\t" or unicodedata.category(sign) != "Cc")
