"""Writing OTIO bundles: a timeline and the media that it references, in one zip (`.otioz`) or one folder (`.otiod`).

What goes in is planned by `timelines`, what it looks like is up to `bundles.otioz` and `bundles.otiod`. A run that fails
leaves nothing; one that was killed is continued by the same command.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from pydantic_core import to_json

from film_archive.archive import layout
from film_archive.archive.continuing import Writer
from film_archive.archive.entries import parts_of
from film_archive.bundles import otiod, otioz
from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import FilmArchiveError, Refused, UsageError
from film_archive.core.job import Plan, Report
from film_archive.core.ladder import Rung, parse_sizes
from film_archive.core.member import Role
from film_archive.core.progress import Progress, quiet
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.editorial.otio import Change, Further, Relinked, read_document
from film_archive.workflows.filled import Enclosure, Made, Tally
from film_archive.workflows.filling import Closing, fill
from film_archive.workflows.gathering import Found, FoundPart, Gathered, grouped
from film_archive.workflows.leftovers import proxy_folder
from film_archive.workflows.room import look_ahead, require_room
from film_archive.workflows.timelines import Carried, Cut, MissingReference, content_of, join_timeline, version_mark
from film_archive.workflows.trim import TrimmedMedium, trim


class Form(StrEnum):
    """What a bundle is on disk."""

    OTIOZ = "otioz"
    """One zip."""
    OTIOD = "otiod"
    """One folder."""

    @classmethod
    def of(cls, target: Path) -> Form:
        """By the ending of the bundle's name; raises UsageError for others."""
        try:
            return cls(target.suffix.lower().removeprefix("."))
        except ValueError:
            raise UsageError(
                f"{printable(target)} must end in .otioz (one file) or .otiod (a folder): its ending says what is written."
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed(Record):
    """A file that has another name in the bundle."""

    path: str
    """Where it is."""
    name: str
    """Its name under `media/`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEvent(Record):
    """An event of a list that a bundle is made of, and what becomes of it."""

    event: str
    """Its number, as the list has it."""
    line: int
    """Its line in the list."""
    clip: str | None
    """The media that it means."""
    status: str
    """"matched"; "no_media" (black, generated); else why it has none: "tie", "no_name", "no_timecode", "outside", "not_found",
    "not_supported"."""
    first_frame: int | None = None
    """The first frame of its media that it asks for, from 0, handles counted in."""
    frames: int | None = None
    """How many, handles counted in."""
    head_handle: int = 0
    """Frames of handle before, as many as the media has."""
    tail_handle: int = 0
    """Frames of handle behind."""
    evidence: tuple[str, ...] = ()
    """What told which media is meant, besides the timecode."""
    reason: str | None
    """Why it has no media, or what is to be known of it; a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundlePlan(Plan):
    """A bundle that would be written."""

    verb: ClassVar[str] = "bundle write"
    bundle: Path
    """The bundle."""
    form: Form
    """"otioz" or "otiod"."""
    timeline: Carried
    """The timeline, and what it references."""
    steps: tuple[Found, ...]
    """Media, in the order in which they go in."""
    enclosures: tuple[Enclosure, ...]
    """`version.txt` and `content.otio`."""
    renamed: tuple[Renamed, ...]
    """Media that get another name."""
    proxies: tuple[str, ...]
    """Sizes to make of each clip."""
    mhl: bool
    """Whether an ASC MHL goes in, which lists what is in the bundle."""
    digests: tuple[str, ...]
    """Further digests of each member."""
    trimmed: tuple[TrimmedMedium, ...]
    """With `trim`: the parts that go in instead of whole media."""
    warnings: tuple[str, ...]
    """What is to be known of it, each one sentence."""
    events: tuple[ListedEvent, ...] = ()
    """Of a list, where the bundle is made of one: all events, in its order."""

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """The proxy sizes."""
        return parse_sizes(",".join(self.proxies)) if self.proxies else ()

    @property
    def content(self) -> Enclosure:
        """The timeline as it will be in the bundle."""
        return next(each for each in self.enclosures if each.path == layout.BUNDLE_CONTENT)

    @property
    def job(self) -> str:
        """Changes when what is to be written does."""
        hasher = MultiHasher()
        hasher.update(to_json({**self.to_json(), "bundle": None}))
        return hasher.digests()[KEY]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundled(Report):
    """What `bundle write` did, or in a dry run would do."""

    bundle: Path
    """Its path."""
    form: Form
    """"otioz" or "otiod"."""
    references: int
    """References to media that the timeline has."""
    media: int
    """Files that they lead to."""
    media_bytes: int
    """The sum of their sizes."""
    bytes: int
    """Of all its members; in a dry run without proxies and manifest, which are made while it is written."""
    members: int
    """How many it has."""
    proxies: int | None = 0
    """How many were made; null in a dry run that would make some."""
    missing: tuple[MissingReference, ...] = ()
    """References that became missing."""
    renamed: tuple[Renamed, ...] = ()
    """Media that have another name in the bundle."""
    trimmed: tuple[TrimmedMedium, ...] = ()
    """Parts that went in instead of whole media."""
    events: tuple[ListedEvent, ...] = ()
    """Of a list, where the bundle was made of one: all events, in its order."""
    warnings: tuple[str, ...] = ()
    """What is to be known of it, each one sentence."""


def plan_bundle(
    cut: Cut,
    target: Path,
    *,
    proxies: Sequence[Rung] = (),
    digests: Iterable[str] = (),
    form: Form | None = None,
    handles: int | None = None,
    mhl: bool = False,
) -> BundlePlan:
    """Look at all that would go in; nothing is changed.

    Without `form` the ending of the bundle's name says it. With `handles` only what the timeline shows goes in, with so many
    frames more on each side; with `mhl` an ASC MHL that lists all of it. Raises Refused where that name is taken or media
    would have one name, NotFound where a reference leads to no file and the policy does not allow that.
    """
    wanted = form or Form.of(target)
    require_free(target, wanted)
    joined = join_timeline(cut, Gathered((), 0, ()), leave_out=(target,))
    trimmed: tuple[TrimmedMedium, ...] = ()
    if handles is not None:
        if handles < 0:
            raise UsageError(f"{handles} frames of handle can't be; give 0 or more.")
        joined, trimmed = trim(joined, handles)
    count = len(joined.gathered.entries)
    require_countable(count, wanted)
    algorithms = tuple(digests)
    MultiHasher(algorithms)  # says which names are none
    when = next(each.mtime_ns for each in joined.enclosures if each.path == layout.BUNDLE_CONTENT)
    content = content_of(joined.document, joined.changes, when)
    return BundlePlan(
        bundle=target,
        form=wanted,
        timeline=joined.carried,
        steps=joined.gathered.entries,
        enclosures=(version_mark(), content),
        renamed=tuple(Renamed(path=printable(path), name=name) for path, name in joined.renamed),
        proxies=tuple(map(str, proxies)),
        mhl=mhl,
        digests=algorithms,
        trimmed=trimmed,
        warnings=tuple(joined.sentences()),
    )


def require_free(target: Path, form: Form) -> None:
    """Raise Refused where a bundle's name is taken, but by one that a killed run of the same job has just finished."""
    if form is not Form.OTIOZ or not otioz.may_be_completed(target):
        otioz.refuse_existing(target)
    files.require_folder_for(target)


def require_countable(count: int, form: Form) -> None:
    """Raise Refused where a zip can't have so many members."""
    if form is Form.OTIOZ and count > layout.MOST_MEMBERS:
        raise Refused(f"These are {count} files, and an .otioz has at most {layout.MOST_MEMBERS}; write an .otiod.")


def as_planned(plan: BundlePlan) -> Bundled:
    """What a dry run says."""
    return _report(
        plan,
        members=sum(1 for _ in grouped(plan.steps)) + len(plan.enclosures),
        size=plan.size + sum(len(each.data) for each in plan.enclosures),
        proxies=None if plan.proxies else 0,
    )


def write_bundle(
    cut: Cut,
    target: Path,
    *,
    proxies: Sequence[Rung] = (),
    digests: Iterable[str] = (),
    handles: int | None = None,
    mhl: bool = False,
    progress: Progress | None = None,
) -> Bundled:
    """Plan and write."""
    plan = plan_bundle(cut, target, proxies=proxies, digests=digests, handles=handles, mhl=mhl)
    return apply_bundle(plan, progress=progress)


def apply_bundle(plan: BundlePlan, *, progress: Progress | None = None, workers: int | None = None) -> Bundled:
    """Write the bundle of a plan; continues what a killed run of the same plan has left.

    Raises SourceChanged or NotFound where a file is not what it was when it was planned, NoSpace, Refused where the
    bundle's name is taken by now; nothing is then left.
    """
    begun = time.monotonic()
    target = plan.bundle
    outlook = look_ahead(grouped(plan.steps), plan.rungs)
    work = proxy_folder(target)
    form = otioz if plan.form is Form.OTIOZ else otiod
    completed = otioz.take_completed(target) if plan.form is Form.OTIOZ else None
    if completed is not None and all(completed.identities.get(step.member) == step.identity for step in plan.steps):
        return _report(plan, members=completed.sealed.members, size=completed.sealed.bytes, proxies=None)
    otioz.refuse_existing(target)
    require_room(target, plan.steps, outlook, (*form.working_files(target), work))
    enclosures = plan.enclosures
    if plan.rungs:  # the timeline names them, so that it goes in behind them
        enclosures = tuple(each for each in plan.enclosures if each.path != layout.BUNDLE_CONTENT)
    with _leaving_nothing(plan), _writing(plan) as archive:
        made = fill(
            archive,
            tuple(grouped(plan.steps)),
            plan.rungs,
            outlook,
            work,
            progress or quiet(),
            enclosures=enclosures,
            closing=_closing(plan),
            plain=not plan.rungs,
            workers=workers,
        )
    return replace(_written(plan, made), seconds=time.monotonic() - begun)


def abandon_bundle(target: Path) -> bool:
    """Remove what a killed run has left of a bundle; False where there was nothing."""
    found = (otioz if Form.of(target) is Form.OTIOZ else otiod).abandon(target)
    pieces = proxy_folder(target)
    found = pieces.is_dir() or found
    files.remove_tree(pieces)
    return found


@contextlib.contextmanager
def _writing(plan: BundlePlan) -> Iterator[Writer]:
    """A writer of the bundle, which has its name when the block has finished it."""
    if plan.form is Form.OTIOZ:
        with otioz.begin(plan.bundle, plan.digests) as archive:
            yield archive
        return
    with otiod.alone(plan.bundle):
        with otiod.begin(plan.bundle, plan.digests, plan.job) as folder:
            yield folder
        otiod.put(plan.bundle)


@contextlib.contextmanager
def _leaving_nothing(plan: BundlePlan) -> Iterator[None]:
    """What goes wrong leaves nothing; but what another process is writing stays."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Refused) or os.path.lexists(plan.bundle):
            with contextlib.suppress(FilmArchiveError, OSError):  # what went wrong first says more
                abandon = otioz.abandon if plan.form is Form.OTIOZ else otiod.abandon
                abandon(plan.bundle)
                files.remove_tree(proxy_folder(plan.bundle))
        raise


def _closing(plan: BundlePlan) -> Closing:
    """What goes in behind the media, since it is told by them."""

    def last(archive: Writer, tally: Tally) -> Iterable[Enclosure]:
        if plan.rungs:
            yield _content_with_proxies(plan, tally)
        if plan.mhl:
            yield from _hash_list(archive, plan.bundle.stem)

    return last


def _content_with_proxies(plan: BundlePlan, tally: Tally) -> Enclosure:
    """The timeline with the proxies that were made as further references."""
    document = read_document(plan.content.data, layout.BUNDLE_CONTENT)
    changes: dict[int, Change] = {}
    names = _members_by_url(plan)
    for reference in document.references:
        url = reference.url
        member = names.get(reference.url_of(reference.sequence.start) if reference.sequence is not None else url)
        made = tally.embedded.get(member or "", ())
        further = tuple(Further(Path(path).stem, path) for path in made)
        if further and document.takes_further(reference.place):
            changes[reference.place] = Relinked(url, further=further)
    return replace(plan.content, data=document.changed(changes))


def _hash_list(archive: Writer, name: str) -> Iterator[Enclosure]:
    """An ASC MHL history of one generation, from the digests that writing has made anyway; `name` is the root folder's."""
    from film_archive.library.chain_of_custody import FOLDER, Proven, write_generation

    parts = (part for member in archive.written() for part in parts_of(member))
    proven = [
        Proven(part.path, part.size, part.mtime_ns or 0, part.digests[KEY])
        for part in parts
        if not layout.is_own(part.path) and KEY in part.digests
    ]
    with tempfile.TemporaryDirectory(prefix="film-archive-") as folder:
        root = Path(folder) / name
        root.mkdir()
        write_generation(root, proven, ignore=[f"{layout.OWN}/"])
        for place in sorted((root / FOLDER).iterdir()):
            yield Enclosure(path=f"{FOLDER}/{place.name}", data=place.read_bytes(), role=Role.STRUCTURE)


def _members_by_url(plan: BundlePlan) -> Mapping[str, str]:
    """URL in the bundle's timeline → the member that it means; of a sequence each image's."""
    found: dict[str, str] = {}
    for each in grouped(plan.steps):
        if isinstance(each, Found):
            found[each.member] = each.member
        elif isinstance(each, FoundPart):
            found[each.file.member] = each.file.member
        else:
            found.update((frame.member, each.member) for _, frame in each.frames)
    return found


def _written(plan: BundlePlan, made: Made) -> Bundled:
    report = _report(plan, members=made.members, size=made.bytes, proxies=made.proxies)
    return replace(report, warnings=(*made.warnings, *plan.warnings))


def _report(plan: BundlePlan, *, members: int, size: int, proxies: int | None) -> Bundled:
    return Bundled(
        bundle=plan.bundle,
        form=plan.form,
        references=plan.timeline.references,
        media=len(plan.steps),
        media_bytes=plan.size,
        bytes=size,
        members=members,
        proxies=proxies,
        missing=plan.timeline.missing,
        renamed=plan.renamed,
        trimmed=plan.trimmed,
        events=plan.events,
        warnings=plan.warnings,
    )
