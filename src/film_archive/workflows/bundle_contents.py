"""What a bundle, or a timeline alone, holds: its tracks, its media, and which of them are there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from film_archive.archive import layout as archive_layout
from film_archive.archive.entries import parts_of
from film_archive.archive.opened import Archive
from film_archive.archive.reader import is_folder
from film_archive.bundles.opened import LARGEST_CONTENT, Bundle, Status, Target, open_bundle
from film_archive.bundles.references import Lookup
from film_archive.core import files
from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.job import Report
from film_archive.core.member import Member, Role
from film_archive.core.records import Record
from film_archive.core.source import FileSource, printable
from film_archive.core.timecode import FrameRate
from film_archive.core.wording import amount
from film_archive.editorial import otio_picture
from film_archive.editorial.otio import Document, MediaReference, read_document
from film_archive.editorial.otio_layout import LaidClip, Layout, Piece, lay_out
from film_archive.editorial.otio_picture import Look, clock

UNUSED = "unused"
"""The status of media that lie in a bundle and that its timeline does not reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleMedium(Record):
    """A file that the timeline references, or that lies in the bundle's `media/`; an image sequence is one."""

    name: str
    """Its path in the bundle, or the URL where it leads out of it; of a sequence with the numbers in printf's form."""
    size: int
    """Bytes of what is there."""
    status: str
    """"present", "missing", "elsewhere" (referenced outside the bundle), or "unused" (there, and not referenced)."""
    references: int
    """How many references lead to it."""
    files: int
    """How many files are there."""
    lacking: int = 0
    """How many images of a sequence are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackSummary(Record):
    """A track of the timeline."""

    name: str
    """Its name, or its kind and number."""
    kind: str
    """"Video", "Audio", or as the timeline says."""
    clips: int
    """Clips on it, those in what is nested among them."""
    missing: int
    """Those of which the media are not there."""
    duration: float
    """Seconds up to the end of its last piece."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleInfo(Report):
    """What `bundle info` tells."""

    bundle: str
    """Its path."""
    form: str
    """"otioz", "otiod", or "otio" for a timeline alone."""
    version: str | None
    """What the bundle's `version.txt` says."""
    name: str | None
    """The timeline's name."""
    tracks: int
    """How many tracks it has."""
    clips: int
    """How many clips, those in what is nested among them."""
    duration: float
    """Seconds."""
    duration_timecode: str
    """The same as hours, minutes, seconds and frames."""
    frame_rate: str | None
    """Of the first picture clip; null where no clip has one."""
    media: tuple[BundleMedium, ...]
    """What the timeline references, in its order, then what it does not."""
    track_list: tuple[TrackSummary, ...]
    """The tracks, from below."""
    bytes: int
    """Of all media that are there."""
    diagnostics: tuple[str, ...]
    """What could not be taken as it is, each one sentence."""


@dataclass(slots=True)
class Contents:
    """A timeline that was read, and where its references lead. `bundle` is None for a timeline alone."""

    name: str
    document: Document
    layout: Layout | None
    """None where the document is too deep to be laid out; its media are known all the same."""
    problem: str | None
    bundle: Bundle | None
    lookup: Lookup | None
    _targets: dict[tuple[str, object], Target] = field(default_factory=dict)

    def target(self, reference: MediaReference) -> Target:
        """Where a reference leads."""
        key = (reference.url, reference.sequence)
        found = self._targets.get(key)
        if found is None:
            found = self._targets[key] = self._find(reference)
        return found

    def _find(self, reference: MediaReference) -> Target:
        if self.bundle is not None:
            return self.bundle.target(reference)
        assert self.lookup is not None
        meaning = self.lookup.meaning(reference)
        if meaning.problem is not None:
            return Target(reference.pattern, Status.MISSING)
        return Target(reference.pattern, Status.PRESENT, tuple(str(path) for path in meaning.paths))

    def size_of(self, name: str) -> int:
        """Bytes of a member, or of a file."""
        if self.bundle is not None:
            return self.bundle.archive.member(name).size
        return Path(name).stat().st_size

    def look(self, piece: Piece) -> Look:
        """How a piece is drawn."""
        looks = [self.look_of(clip) for clip in piece.clips]
        return next((look for look in (Look.MISSING, Look.OUTSIDE, Look.WHOLE) if look in looks), Look.GENERATED)

    def look_of(self, clip: LaidClip) -> Look:
        """How a clip is drawn."""
        active = next((each for each in clip.references if each.active), None)
        if active is None or active.schema == "GeneratorReference":
            return Look.GENERATED
        if active.reference is None or self.target(active.reference).status is not Status.PRESENT:
            return Look.MISSING
        return Look.OUTSIDE if outside(clip) else Look.WHOLE


def outside(clip: LaidClip) -> tuple[Fraction, Fraction] | None:
    """How many seconds of what a clip shows lie before and behind its active reference's available range.

    None where that is less than half a frame of the clip's own rate.
    """
    active = next((each for each in clip.references if each.active), None)
    if active is None or active.available is None or clip.rate is None:
        return None
    begin = active.available.start.seconds
    before = max(Fraction(0), begin - clip.begin)
    behind = max(Fraction(0), clip.end - begin - active.available.duration.seconds)
    return (before, behind) if max(before, behind) * clip.rate >= Fraction(1, 2) else None


@contextlib.contextmanager
def open_contents(path: Path) -> Iterator[Contents]:
    """Open a bundle in either form, or a timeline alone, whose relative references begin where `bundle write` has them.

    Raises NotFound where it is neither, Damaged where the timeline can't be read.
    """
    if not is_folder(path) and not _is_zip(path):
        with FileSource(path) as source:
            if source.size > LARGEST_CONTENT:
                raise NotSupported(f"{source.name} has {source.size} bytes; timelines of up to {LARGEST_CONTENT} are read.")
            data = source.read_at(0, source.size)
        yield _contents(printable(path), data, None, Lookup((Path(), path.parent)))
        return
    with open_bundle(path) as archive:
        yield contents_of(Bundle(archive))


def contents_of(bundle: Bundle) -> Contents:
    """The timeline of an open bundle."""
    return _contents(f"{bundle.name}::{bundle.content_path}", bundle.content(), bundle, None)


def _is_zip(path: Path) -> bool:
    """By the ending, or by how it begins: timelines begin with a brace."""
    if path.suffix.lower() == ".otioz":
        return True
    with FileSource(path) as source:
        return source.read_at(0, 2) == b"PK"


def _contents(name: str, data: bytes, bundle: Bundle | None, lookup: Lookup | None) -> Contents:
    document = read_document(data, name)
    try:
        return Contents(name, document, lay_out(data, name), None, bundle, lookup)
    except Damaged as error:
        return Contents(name, document, None, str(error), bundle, lookup)


def bundle_info(path: Path, *, svg: Path | None = None) -> BundleInfo:
    """What a bundle, or a timeline alone, holds; with `svg` its picture is written there. Raises as `open_contents` does."""
    with open_contents(path) as contents:
        media = tuple(_media(contents))
        info = _info(path, contents, media)
        if svg is not None and contents.layout is not None:
            below = f"{amount(info.clips, 'clip')} on {amount(info.tracks, 'track')}, {info.duration_timecode}"
            below += "" if info.frame_rate is None else f" at {_rate_text(contents.layout.rate)}"
            lost = sum(medium.status in (Status.MISSING, Status.ELSEWHERE) for medium in media)
            below += f" · {lost} media missing" if lost else ""
            title = contents.layout.name or path.name
            picture = otio_picture.draw(contents.layout, contents.look, printable(title), below)
            files.write_atomically(svg, picture.encode("utf-8"))
        return info


def _rate_text(rate: FrameRate | None) -> str:
    return "" if rate is None else f"{float(rate):.3f}".rstrip("0").rstrip(".")


def _info(path: Path, contents: Contents, media: tuple[BundleMedium, ...]) -> BundleInfo:
    laid, bundle = contents.layout, contents.bundle
    form = "otio" if bundle is None else "otiod" if is_folder(path) else "otioz"
    seconds, rate = (Fraction(0), None) if laid is None else (laid.seconds, laid.rate)
    clips = len({reference.place for reference in contents.document.references})
    return BundleInfo(
        bundle=printable(path),
        form=form,
        version=None if bundle is None else bundle.version(),
        name=None if laid is None else laid.name,
        tracks=0 if laid is None else len(laid.tracks),
        clips=clips if laid is None else sum(1 for _ in laid.clips()),
        duration=float(seconds),
        duration_timecode=clock(seconds, rate),
        frame_rate=None if rate is None else f"{rate.numerator}/{rate.denominator}",
        media=media,
        track_list=() if laid is None else tuple(_tracks(contents, laid)),
        bytes=sum(medium.size for medium in media),
        diagnostics=(() if laid is None else laid.odd) + (() if contents.problem is None else (contents.problem,)),
    )


def _tracks(contents: Contents, laid: Layout) -> Iterator[TrackSummary]:
    for track in laid.tracks:
        clips = [(piece, clip) for piece in track.pieces for clip in piece.clips]
        missing = sum(contents.look_of(clip) is Look.MISSING for _, clip in clips)
        end = max((piece.begin + piece.seconds for piece in track.pieces), default=Fraction(0))
        yield TrackSummary(name=track.name, kind=track.kind, clips=len(clips), missing=missing, duration=float(end))


def _media(contents: Contents) -> Iterator[BundleMedium]:
    """Each thing that is referenced once, then what lies in the bundle and is not."""
    targets: dict[str, list[Target]] = {}
    for reference in contents.document.references:
        found = contents.target(reference)
        targets.setdefault(found.name, []).append(found)
    used: set[str] = set()
    for name, several in targets.items():
        members = dict.fromkeys(member for each in several for member in each.members)
        used.update(members)
        worst = max(several, key=lambda each: each.status is not Status.PRESENT)
        yield BundleMedium(
            name=name,
            size=sum(map(contents.size_of, members)),
            status=str(worst.status),
            references=len(several),
            files=len(members),
            lacking=max(each.lacking for each in several),
        )
    if contents.bundle is not None:
        yield from _unused(contents.bundle.archive, used)


def _unused(archive: Archive, used: set[str]) -> Iterator[BundleMedium]:
    for member in archive.members():
        if archive_layout.fold(member.path).startswith("media/") and member.role not in (Role.FOLDER, Role.SYMLINK):
            parts = [part for part in parts_of(member) if part.path not in used]
            if parts:
                whole = len(parts) > 1 or member.sequence is None
                yield _unused_medium(member, parts) if whole else _unused_medium(parts[0], parts)


def _unused_medium(member: Member, parts: list[Member]) -> BundleMedium:
    size = sum(part.size for part in parts)
    return BundleMedium(name=member.path, size=size, status=UNUSED, references=0, files=len(parts))
