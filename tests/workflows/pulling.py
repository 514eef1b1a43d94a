"""Footage, lists and what is read back, for the tests of pulls."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from film_archive.core.timecode import FrameRate, Timecode
from film_archive.testing.media import ClipSpec, cached_clip
from film_archive.testing.stills import SequenceSpec, cached_sequence
from film_archive.testing.wave import WaveSpec, cached_wave
from film_archive.workflows.pull import Pulled, PulledEvent
from tests.reading import codes_of

RATE = FrameRate(24, 1)


def at(label: str) -> Timecode:
    return Timecode.from_string(label, RATE)


ONE = ClipSpec(name="A001C001_240101_R1AB", width=96, height=54, frames=72, start=at("01:00:00:00"), reel="A001R1AB")
TWO = ClipSpec(name="A001C002_240101_R1AB", width=96, height=54, frames=48, start=at("01:10:00:00"), reel="A001R1AB")
THREE = ClipSpec(name="B001C001_240101_R2CD", width=96, height=54, frames=48, start=at("02:00:00:00"), reel="B001R2CD")
PLATE = SequenceSpec(name="sh010", frames=24, start=at("03:00:00:00"), width=96, height=54)
TAKE = WaveSpec(name="S001T001", rate=RATE, samples=96_000, start=at("01:00:01:00"))
CLIPS = (ONE, TWO, THREE)


def media(folder: Path, footage: Path, *specs: ClipSpec) -> Path:
    """A folder with clips."""
    folder.mkdir(parents=True, exist_ok=True)
    for spec in specs or CLIPS:
        shutil.copy2(cached_clip(spec, footage), folder)
    return folder


def with_plate(folder: Path, footage: Path) -> Path:
    (folder / "plates").mkdir(parents=True, exist_ok=True)
    for path in cached_sequence(PLATE, footage):
        shutil.copy2(path, folder / "plates")
    return folder


def with_take(folder: Path, footage: Path) -> Path:
    shutil.copy2(cached_wave(TAKE, footage), folder)
    return folder


def write_list(path: Path, *events: str) -> Path:
    """An EDL of events without their numbers and record sides, which are laid one after the other; other lines follow theirs."""
    lines, record = ["TITLE: CUT", "FCM: NON-DROP FRAME"], at("10:00:00:00")
    for number, event in enumerate(events, 1):
        first, *rest = event.splitlines()
        if "|" in first:  # how long it is in record, where that is not as long as its source
            first, length = first.split("|")
            end = record + int(length)
        else:
            words = first.split()
            end = record + at(words[-2]).frames_until(at(words[-1]))
        lines += [f"{number:03}  {first.strip()} {record} {end}", *(line.replace("RECORD", str(record)) for line in rest)]
        record = end
    path.write_text("\n".join(lines) + "\n")
    return path


def by_event(done: Pulled) -> dict[str, PulledEvent]:
    return {event.event: event for event in done.events}


def numbers_of(path: Path) -> list[int | None]:
    """The frames that the pictures of a cut say that they are."""
    return [None if code is None else code.number for code in codes_of(path)]


def expected_numbers(event: PulledEvent) -> list[int]:
    assert event.first_frame is not None
    assert event.frames is not None
    return list(range(event.first_frame, event.first_frame + event.frames))


def record_of(done: Pulled) -> dict[str, Any]:
    assert done.record is not None
    found = json.loads(done.record.read_text())
    assert isinstance(found, dict)
    return found


def path_of(url: str) -> Path:
    return Path(unquote(urlparse(url).path))


def state(folder: Path) -> dict[str, object]:
    """All that is in a folder, but for the times of writing: in the record, and in the hash lists, of which the number counts."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name.startswith("ascmhl/"):
            name = "ascmhl/" + path.suffix
            found[name] = int(found.get(name, 0)) + 1  # type: ignore[call-overload]
        elif path.name.endswith(".pull.json"):
            document = json.loads(path.read_text())
            for cut in document["cuts"]:
                for file in cut["files"]:
                    file.pop("mtime_ns")
            found[name] = document
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found
