"""The main job on real media: make a small production and a cut of it, archive both with proxies, check, extract a scene."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from film_archive.core import files
from film_archive.core.errors import Damaged, NoSpace, Refused
from film_archive.core.job import Plan, Report, Step
from film_archive.core.progress import Progress, quiet
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRange, Timecode
from film_archive.core.wording import amount
from film_archive.editorial.otio_library import Shot, summary, write_cut
from film_archive.workflows.checking import check
from film_archive.workflows.extraction import extract
from film_archive.workflows.listing import list_members
from film_archive.workflows.probing import Probed, probe_all
from film_archive.workflows.production import create_archive
from film_archive.workflows.timelines import Cut

Say = Callable[[str], None]

HANDLES = 8
ARCHIVE, TIMELINE = "day01.zip", "day01.otio"
NEEDED = 300_000_000
"""Bytes that the demo writes, rounded up: its footage, the archive of it with proxies, the cuts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoStep(Record):
    """One step of the demo."""

    step: str
    """Its name."""
    seconds: float
    """How long it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo(Report):
    """What the demo did, step by step, with times."""

    folder: Path
    """Where it was made."""
    archive: Path
    """The archive in it."""
    timeline: Path
    """The cut of the clips, an OTIO timeline."""
    clips: tuple[Probed, ...]
    """The footage, with its media facts."""
    steps: tuple[DemoStep, ...]
    """What was done."""
    cuts: tuple[Path, ...]
    """The files that were cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlanStep(Step):
    """One step that the demo would take."""

    step: str
    """Its name."""
    does: str
    """What it does, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan(Plan):
    """What the demo would do, and where."""

    verb: ClassVar[str] = "demo"
    folder: Path
    """The new folder that it would make, the only place where anything is written."""
    archive: Path
    """The archive in it."""
    timeline: Path
    """The cut of the clips, an OTIO timeline."""
    bytes: int
    """How much it writes, at most."""
    steps: tuple[DemoPlanStep, ...]
    """What it would do, in order."""


_STEPS = {
    "shoot": "make three clips, as cameras would",
    "probe": "say what they are",
    "edit": "cut them together into an OTIO timeline",
    "create": "archive all, proxies and timeline inside",
    "check": "read every byte again",
    "bundle": "open the archive with OpenTimelineIO",
    "extract": "cut a second out of each clip by timecode",
}


def plan_demo(folder: Path) -> DemoPlan:
    """What a demo in a new folder would do; raises Refused where the folder is none or holds something, NoSpace."""
    if os.path.lexists(folder) and not folder.is_dir():
        raise Refused(f"{printable(folder)} is there and no folder; name a new folder for the demo.")
    with files.explaining(f"look into {printable(folder)}"):
        if folder.exists() and any(folder.iterdir()):
            raise Refused(f"{printable(folder)} is not empty; name a new folder for the demo.")
    files.require_space(folder, NEEDED, f"The demo in {printable(folder)}")
    return DemoPlan(
        folder=folder,
        archive=folder / ARCHIVE,
        timeline=folder / TIMELINE,
        bytes=NEEDED,
        steps=tuple(DemoPlanStep(step=name, does=does) for name, does in _STEPS.items()),
    )


def as_planned(plan: DemoPlan) -> Demo:
    """What a dry run says: the report as far as it can be known."""
    return Demo(folder=plan.folder, archive=plan.archive, timeline=plan.timeline, clips=(), steps=(), cuts=())


def free_folder() -> Path:
    """Where the demo goes when no folder was named: the first `film-archive-demo` that is not there yet."""
    folder, count = Path("film-archive-demo"), 1
    while folder.exists():
        count += 1
        folder = Path(f"film-archive-demo-{count}")
    return folder


def run_demo(folder: Path, say: Say, *, progress: Progress | None = None) -> Demo:
    """Do the main job in a new folder. Every step's result is verified by the next; raises what fails."""
    plan_demo(folder)
    card = folder / "card"
    with files.explaining(f"make the folder {printable(card)}"):
        card.mkdir(parents=True, exist_ok=True)
    try:
        return _Run(folder, card, say, progress or quiet()).demo()
    except NoSpace as error:
        raise NoSpace(
            f"{str(error).rstrip('.')}. The demo is not finished: remove {printable(folder)}, and run it where there is room."
        ) from error


class _Run:
    def __init__(self, folder: Path, card: Path, say: Say, progress: Progress) -> None:
        self.folder = folder
        self.card = card
        self.archive = folder / ARCHIVE
        self.timeline = folder / TIMELINE
        self.say = say
        self.progress = progress
        self.steps: list[DemoStep] = []
        self.clips: tuple[Probed, ...] = ()
        self.cuts: list[Path] = []

    def demo(self) -> Demo:
        from film_archive.testing.media import demo_production

        begun = time.monotonic()
        with self.step("shoot", "Making three clips, as cameras would …"), files.explaining(f"write {printable(self.card)}"):
            demo_production(self.card)
        with self.step("probe", "What they are:"):
            self.clips = probe_all([str(self.card)]).media
            for clip in self.clips:
                self.say(f"    {_described(clip)}")
        with self.step("edit", "Cutting them together, as an editor would, into an OTIO timeline …"):
            self.edit()
            self.say(f"    {printable(self.timeline)}: a second of each clip")
        with self.step("create", f"Archiving all, proxies and timeline inside, in {printable(self.archive)} …"):
            made = create_archive(self.archive, [self.card], timeline=Cut(self.timeline), progress=self.progress)
            inside = f"{amount(made.clips, 'clip')}, {amount(made.proxies or 0, 'proxy', 'proxies')}"
            self.say(f"    {amount(made.members, 'member')} ({inside}), {made.bytes / 1e6:.1f} MB")
        with self.step("check", "Reading every byte again …"):
            result = check(self.archive, progress=self.progress)
            if not result.ok:
                raise Damaged(f"{printable(self.archive)}: {result.problems[0].sentence()}")
            self.say(f"    {result.members_checked} members are what their digests say")
        with self.step("bundle", "Opening the archive with OpenTimelineIO, since it is an .otioz too …"):
            self.open_as_bundle()
        with self.step("extract", f"Cutting a second out of each clip by timecode, {HANDLES} frames of handles …"):
            (self.folder / "cuts").mkdir()
            with list_members(self.archive) as listing:
                clips = [(member.path, member.media) for member in listing.members if member.is_original and member.get("media")]
            for path, facts in clips:
                if facts is not None and facts.start_timecode is not None:
                    self.cut(path, facts.start_timecode)
        self.say("")
        self.say(f"To look at it: film-archive serve {printable(self.folder)}")
        return Demo(
            folder=self.folder,
            archive=self.archive,
            timeline=self.timeline,
            clips=self.clips,
            steps=tuple(self.steps),
            cuts=tuple(self.cuts),
            seconds=time.monotonic() - begun,
        )

    def edit(self) -> None:
        """A second of each clip, one second in, one after the other."""
        shots = []
        for clip in self.clips:
            start, frames = clip.facts.start_timecode, clip.facts.frames
            if start is None or frames is None:
                raise Damaged(f"{printable(clip.path)} lacks a start timecode or frames; the demo can't go on.")
            second = start.rate.nominal
            shots.append(Shot(Path(clip.path).stem, Path(clip.path), start, frames, FrameRange(second, 2 * second)))
        write_cut(self.timeline, "Day 1", shots)

    def open_as_bundle(self) -> None:
        """What any OTIO program sees: the timeline, and every clip's media inside."""
        seen = summary(self.archive, "otioz")
        with list_members(self.archive) as listing:
            members = {member.path for member in listing.members}
        if not members.issuperset(seen.urls):
            raise Damaged(f"{printable(self.archive)}: its timeline references {seen.urls}, and not all of them are in it.")
        urls = ", ".join(seen.urls)
        self.say(f"    “{seen.name}”: {seen.clips} clips, {seen.seconds:.1f} s, their media in the archive: {urls}")
        self.say(f'    in Python: opentimelineio.adapters.read_from_file("{self.archive.name}", "otioz")')

    def cut(self, path: str, start: Timecode) -> None:
        """One second, one second into the clip."""
        first = start + start.rate.nominal
        output = self.folder / "cuts" / f"{Path(path).stem}.mov"
        done = extract(
            f"{self.archive}::{path}",
            output,
            in_point=str(first),
            out_point=str(first + start.rate.nominal),
            handles=HANDLES,
            progress=self.progress,
        )
        self.cuts.append(output)
        self.say(f"    {output.name}: {done.frames} frames from {done.start_timecode}, {done.bytes_read / 1e6:.1f} MB read")

    @contextmanager
    def step(self, name: str, words: str) -> Iterator[None]:
        self.say(words)
        begun = time.monotonic()
        yield
        seconds = time.monotonic() - begun
        self.steps.append(DemoStep(step=name, seconds=seconds))
        self.say(f"    {seconds:.1f} s")


def _described(clip: Probed) -> str:
    facts = clip.facts
    start = f"from {facts.start_timecode}" if facts.start_timecode is not None else "without a start timecode"
    rate = facts.frame_rate.text if facts.frame_rate else "?"
    return (
        f"{Path(clip.path).name}: {facts.profile or facts.codec} {facts.width}×{facts.height} {rate} fps, "
        f"{facts.frames} frames {start}, reel {facts.reel or '–'}"
    )
