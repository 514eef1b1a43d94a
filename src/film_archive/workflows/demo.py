"""The main job on real media: make a small production and a cut of it, archive both with proxies, check, extract a scene."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from film_archive.archive.check import check_archive
from film_archive.archive.reader import open_archive
from film_archive.core.errors import Damaged, Refused
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRange, Timecode
from film_archive.editorial.otio_library import Shot, summary, write_cut
from film_archive.workflows.extraction import extract
from film_archive.workflows.inspection import probe_all
from film_archive.workflows.production import create_archive
from film_archive.workflows.timelines import Cut

Say = Callable[[str], None]

HANDLES = 8


@dataclass(slots=True)
class Demo:
    """What the demo did, step by step, with times."""

    folder: Path
    archive: Path
    timeline: Path
    clips: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    cuts: list[Path] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            "folder": printable(self.folder),
            "archive": printable(self.archive),
            "timeline": printable(self.timeline),
            "clips": self.clips,
            "steps": self.steps,
            "cuts": [printable(cut) for cut in self.cuts],
        }


def free_folder() -> Path:
    """Where the demo goes when no folder was named: the first `film-archive-demo` that is not there yet."""
    folder, count = Path("film-archive-demo"), 1
    while folder.exists():
        count += 1
        folder = Path(f"film-archive-demo-{count}")
    return folder


def run_demo(folder: Path, say: Say) -> Demo:
    """Do the main job in a new folder. Every step's result is verified by the next; raises what fails."""
    from film_archive.testing.media import demo_production

    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{printable(folder)} is not empty; name a new folder for the demo.")
    card = folder / "card"
    card.mkdir(parents=True, exist_ok=True)
    demo = Demo(folder, folder / "day01.zip", folder / "day01.otio")
    with _step(demo, "shoot", say, "Making three clips, as cameras would …"):
        demo_production(card)
    with _step(demo, "probe", say, "What they are:"):
        for clip in probe_all([str(card)]).clips:
            demo.clips.append({"path": clip.path, **clip.facts.to_json()})
            facts = clip.facts
            say(
                f"    {Path(clip.path).name}: {facts.profile or facts.codec} {facts.width}×{facts.height} "
                f"{facts.frame_rate.text if facts.frame_rate else '?'} fps, {facts.frames} frames from "
                f"{facts.start_timecode}, reel {facts.reel or '–'}"
            )
    with _step(demo, "edit", say, "Cutting them together, as an editor would, into an OTIO timeline …"):
        _edit(demo)
        say(f"    {printable(demo.timeline)}: a second of each clip")
    with _step(demo, "create", say, f"Archiving all, proxies and timeline inside, in {printable(demo.archive)} …"):
        made = create_archive(demo.archive, [card], timeline=Cut(demo.timeline))
        say(f"    {made.members} members, {made.bytes / 1e6:.1f} MB, {made.proxies} proxies")
    with _step(demo, "check", say, "Reading every byte again …"), open_archive(demo.archive) as archive:
        result = check_archive(archive)
        if not result.ok:
            raise Damaged(f"{printable(demo.archive)}: {result.problems[0].path}: {result.problems[0].what}")
        say(f"    {result.members_checked} members are what their digests say")
    with _step(demo, "bundle", say, "Opening the archive with OpenTimelineIO, since it is an .otioz too …"):
        _open_as_bundle(demo, say)
    with _step(demo, "extract", say, f"Cutting a second out of each clip by timecode, {HANDLES} frames of handles …"):
        for path, start in _clips(demo.archive):
            _cut(demo, path, start, say)
    say("")
    say(f"To look at it: film-archive serve {printable(folder)}")
    return demo


def _edit(demo: Demo) -> None:
    """A second of each clip, one second in, one after the other."""
    shots = []
    for clip in probe_all([str(demo.folder / "card")]).clips:
        start, frames = clip.facts.start_timecode, clip.facts.frames
        if start is None or frames is None:
            raise Damaged(f"{printable(clip.path)} lacks a start timecode or frames; the demo can't go on.")
        second = start.rate.nominal
        shots.append(Shot(Path(clip.path).stem, Path(clip.path), start, frames, FrameRange(second, 2 * second)))
    write_cut(demo.timeline, "Day 1", shots)


def _open_as_bundle(demo: Demo, say: Say) -> None:
    """What any OTIO program sees: the timeline, and every clip's media inside."""
    seen = summary(demo.archive, "otioz")
    with open_archive(demo.archive) as archive:
        for url in seen.urls:
            archive.member(url)
    say(f"    “{seen.name}”: {seen.clips} clips, {seen.seconds:.1f} s, their media in the archive: {', '.join(seen.urls)}")
    say(f'    in Python: opentimelineio.adapters.read_from_file("{demo.archive.name}", "otioz")')


def _clips(archive_path: Path) -> list[tuple[str, Timecode]]:
    with open_archive(archive_path) as archive:
        found = [(member.path, member.media) for member in archive.originals()]
    return [(path, facts.start_timecode) for path, facts in found if facts is not None and facts.start_timecode is not None]


def _cut(demo: Demo, path: str, start: Timecode, say: Say) -> None:
    """One second, one second into the clip."""
    first = start + start.rate.nominal
    output = demo.folder / "cuts" / f"{Path(path).stem}.mov"
    output.parent.mkdir(exist_ok=True)
    done = extract(
        f"{demo.archive}::{path}",
        output,
        in_point=str(first),
        out_point=str(first + start.rate.nominal),
        handles=HANDLES,
    )
    demo.cuts.append(output)
    say(
        f"    {output.name}: {done.selection.frames.count} frames from {done.start}, "
        f"{(done.result.bytes_read if done.result else 0) / 1e6:.1f} MB read"
    )


@contextmanager
def _step(demo: Demo, name: str, say: Say, words: str) -> Iterator[None]:
    say(words)
    begun = time.monotonic()
    yield
    seconds = time.monotonic() - begun
    demo.steps.append({"step": name, "seconds": round(seconds, 3)})
    say(f"    {seconds:.1f} s")
