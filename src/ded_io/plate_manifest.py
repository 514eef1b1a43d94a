"""The manifest of a version container: every file with its digest, every frame with where it comes from.

It is written last, before the container gets its name, and never changed. It is what a re-ingest is compared with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from film_archive.core.digest import KEY, digest_source
from film_archive.core.errors import Damaged, FilmArchiveError, from_os_error
from film_archive.core.records import Record
from film_archive.core.source import FileSource, printable

NAME = "manifest.json"
SCHEMA_VERSION = 1
_LARGEST = 1 << 28


@dataclass(frozen=True, slots=True)
class PlateFile(Record):
    """A file of the container."""

    path: str
    """Relative to the container, with "/"."""
    size: int
    """Bytes."""
    xxh128: str
    """XXH3-128 of its bytes, hex."""
    number: int | None = None
    """The frame's number; null for what is no frame."""
    source_frame: int | None = None
    """Which frame of the clip it is, from 0."""
    timecode: str | None = None
    """The clip's timecode of that frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateManifest(Record):
    """What a version container holds, and of what it was made."""

    schema_version: int = SCHEMA_VERSION
    """Of this document."""
    tool: str
    """The program and its version."""
    ingest_id: str
    """Digest of all that decides what the plate is; the same input has the same."""
    project: str
    """The show."""
    shot: str
    """The shot's whole name."""
    task: str
    """The task's short name."""
    element: str
    """Which of the shot's plates."""
    version: int
    """The version."""
    source: str
    """The clip, as it was named."""
    reel: str | None
    """The clip's reel."""
    rate: str
    """Frames a second, as a fraction."""
    start_timecode: str | None
    """Of the first frame, handles included."""
    in_number: int
    """The number of the in point's frame."""
    out_number: int
    """The number of the out point's frame, which belongs to the shot."""
    first_number: int
    """The number of the first frame, handles included."""
    last_number: int
    """The number of the last frame, handles included."""
    head: int
    """Handle frames before the in point."""
    tail: int
    """Handle frames after the out point."""
    source_colorspace: str
    """What the clip's frames were taken as."""
    colorspace: str
    """What the plate's frames are."""
    squeeze: str
    """The lens's squeeze that was undone, as a fraction."""
    notes: str
    """As editorial wrote them."""
    speed: str | None
    """Of a retime in the cut; the plate has the covering frames as they were shot."""
    files: tuple[PlateFile, ...]
    """All files but this one."""

    def to_bytes(self) -> bytes:
        return json.dumps(self.to_json(), indent=1, ensure_ascii=False).encode() + b"\n"

    def frames(self) -> Iterator[PlateFile]:
        """The plate's frames, in order."""
        return (file for file in self.files if file.number is not None)


def read_manifest(container: Path) -> PlateManifest:
    """The manifest of a container. Raises NotFound where it has none, Damaged where it can't be read."""
    path = container / NAME
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise from_os_error(error, f"read {printable(path)}") from error
    try:
        if len(data) > _LARGEST:
            raise ValueError("it is too large")
        document = json.loads(data)
        if not isinstance(document, dict):
            raise ValueError("it is no object")
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{printable(path)} is not a manifest of a plate ({error}).") from error
    return PlateManifest.from_json(document)


def problems(container: Path, manifest: PlateManifest, *, digests: bool) -> Iterator[str]:
    """What is not as the manifest says: missing files, other sizes and, if asked for, other bytes."""
    for file in manifest.files:
        path = container / file.path
        try:
            size = path.stat().st_size
        except OSError:
            yield f"{printable(path)} is missing."
            continue
        if size != file.size:
            yield f"{printable(path)} has {size} bytes and not {file.size}."
        elif digests:
            try:
                with FileSource(path) as source:
                    found = digest_source(source)[KEY]
            except FilmArchiveError as error:
                yield str(error)
                continue
            if found != file.xxh128:
                yield f"{printable(path)} is not what it was when it was placed: its digest differs."
