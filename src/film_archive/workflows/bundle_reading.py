"""Extracting a bundle to a folder of its own, continued after a kill, and relinked on request.

A folder that is there must be empty, or hold what a killed run of the same job has left. The timeline comes first, then
the media, each proven by its digest where the bundle has one. What comes out is an `.otiod` in all but its name.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from film_archive.archive import layout
from film_archive.bundles.opened import Bundle, Status, open_bundle
from film_archive.core import files
from film_archive.core.errors import Refused
from film_archive.core.progress import Progress
from film_archive.core.source import printable
from film_archive.editorial.otio import Change, MediaReference, Relinked
from film_archive.workflows.timelines import VERSION_TEXT
from film_archive.workflows.unpacking import Unpacked, UnpackPlan, apply_unpack, plan_unpack


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleReadPlan(UnpackPlan):
    """What would be extracted, and where."""

    verb: ClassVar[str] = "bundle read"
    relink: bool
    """Whether the timeline's references become absolute `file://` URLs of the extracted media."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRead(Unpacked):
    """What `bundle read` did."""

    timeline: Path
    """The extracted timeline."""
    relinked: int
    """How many of its references lead to the extracted media by absolute URLs."""


def plan_bundle_read(bundle: Path, folder: Path, *, relink: bool = False) -> BundleReadPlan:
    """Look at what would be extracted, after all checks of names, sizes, place and room.

    Raises Refused where the folder has something in it, or the bundle could write outside it or is made to fill the disk.
    """
    with open_bundle(bundle) as archive:
        opened = Bundle(archive)
        own = _timeline(opened, folder, relink=relink)[0] if relink else None
        _require_fresh(folder, own)
        wanted = [member.path for member in archive.members() if not layout.is_own(member.path)]
        if wanted.count(opened.content_path) == 1 and (relink or opened.content_path != layout.BUNDLE_CONTENT):
            wanted.remove(opened.content_path)  # of two by that name, which is meant? that is refused below
        wanted += dict.fromkeys(_own_referenced(opened))
    plan = plan_unpack(bundle, folder, only=wanted, opener=open_bundle)
    return BundleReadPlan(
        archive=plan.archive, identity=plan.identity, folder=plan.folder, steps=plan.steps, relink=relink
    )


def apply_bundle_read(plan: BundleReadPlan, *, progress: Progress | None = None) -> BundleRead:
    """Extract what is planned. Raises SourceChanged where the bundle is not what it was when it was planned."""
    begun = time.monotonic()
    relinked = 0
    with open_bundle(plan.archive) as archive:
        opened = Bundle(archive)
        data, relinked = _timeline(opened, plan.folder, relink=plan.relink)
        with files.explaining(f"write {printable(plan.folder)}"):
            plan.folder.mkdir(parents=True, exist_ok=True)
        if plan.relink or opened.content_path != layout.BUNDLE_CONTENT:
            _put(plan.folder / layout.BUNDLE_CONTENT, data)
        if opened.version() is None:  # which OTIO's next release does not read a folder without
            _put(plan.folder / layout.BUNDLE_VERSION, VERSION_TEXT)
    done = apply_unpack(plan, progress=progress, opener=open_bundle)
    return BundleRead(
        folder=done.folder,
        written=done.written,
        already_there=done.already_there,
        skipped=done.skipped,
        failed=done.failed,
        bytes=done.bytes,
        timeline=plan.folder / layout.BUNDLE_CONTENT,
        relinked=relinked,
        seconds=time.monotonic() - begun,
    )


def bundle_read_as_planned(plan: BundleReadPlan) -> BundleRead:
    """What a dry run says."""
    return BundleRead(
        folder=plan.folder,
        written=(),
        already_there=(),
        skipped=(),
        failed=(),
        bytes=plan.size,
        timeline=plan.folder / layout.BUNDLE_CONTENT,
        relinked=0,
    )


def read_bundle(bundle: Path, folder: Path, *, relink: bool = False, progress: Progress | None = None) -> BundleRead:
    """Plan and extract."""
    return apply_bundle_read(plan_bundle_read(bundle, folder, relink=relink), progress=progress)


def read_timeline(bundle: Path, *, relink_to: Path | None = None) -> bytes:
    """A bundle's timeline alone, as it is in it; with `relink_to` its references lead to media extracted there."""
    with open_bundle(bundle) as archive:
        opened = Bundle(archive)
        if relink_to is None:
            return opened.content()
        return _timeline(opened, relink_to, relink=True)[0]


def _require_fresh(folder: Path, own: bytes | None) -> None:
    """Raise Refused where a folder holds more than a killed run of this job has left."""
    files.require_folder_at(folder)
    if not folder.exists():
        return
    with files.explaining(f"look into {printable(folder)}"):
        names = {each.name for each in folder.iterdir()}
    if any(files.is_temporary_name(name) for name in names):
        return  # whether that job is this one says the journal
    expected = {layout.BUNDLE_CONTENT: own, layout.BUNDLE_VERSION: VERSION_TEXT}
    for name in sorted(names):
        place, data = folder / name, expected.get(name)
        if data is None or not place.is_file() or place.stat().st_size != len(data) or place.read_bytes() != data:
            raise Refused(
                f"{printable(folder)} is not empty ({printable(name)} is in it); bundles are extracted to a new or an empty "
                "folder. Nothing was written."
            )


def _put(place: Path, data: bytes) -> None:
    """Write a file that an earlier run may have written already."""
    if not (place.is_file() and not place.is_symlink() and place.read_bytes() == data):
        files.write_atomically(place, data)


def _timeline(bundle: Bundle, folder: Path, *, relink: bool) -> tuple[bytes, int]:
    """The timeline as it is extracted, and how many references were relinked."""
    if not relink:
        return bundle.content(), 0
    document = bundle.document()
    changes: dict[int, Change] = {}
    for reference in document.references:
        target = bundle.target(reference)
        if target.status is Status.PRESENT:
            changes[reference.place] = _absolute(bundle, reference, target.members[0], folder)
    return document.changed(changes), len(changes)


def _absolute(bundle: Bundle, reference: MediaReference, member: str, folder: Path) -> Relinked:
    place = folder.absolute() / layout.place_of(bundle.archive.member(member))
    named = reference.sequence
    if named is None:
        return Relinked(place.as_uri())
    return Relinked(place.parent.as_uri() + "/", quote(named.prefix), quote(named.suffix))


def _own_referenced(bundle: Bundle) -> Iterator[str]:
    """Members of our own data that the timeline references: proxies."""
    for reference in bundle.document().references:
        for path in bundle.target(reference).members:
            if layout.is_own(path):
                yield path

