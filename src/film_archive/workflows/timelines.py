"""An archive that is an OTIO bundle too: which files a timeline means, and where they, and the timeline, go in the archive.

The media that a timeline references lie flat under `media/`, and `content.otio` references them there; the document as
it was is kept beside it, letter for letter. What is named on the command line is archived whole: of an image sequence
or a spanned clip all files go to `media/`, even if the timeline means only some. What is not named comes in from where it
is, only as far as the timeline references it.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from film_archive.archive import layout
from film_archive.archive.entries import EPOCH_NS
from film_archive.bundles.policy import MediaReferencePolicy
from film_archive.bundles.references import Lookup, Meaning
from film_archive.bundles.urls import MEDIA, is_read_differently, media_url
from film_archive.core.errors import NotFound, Refused, UsageError, from_os_error
from film_archive.core.member import Role
from film_archive.core.records import Record
from film_archive.core.source import FileSource, kind_of, printable
from film_archive.editorial.otio import Change, Document, Missing, Relinked, read_document
from film_archive.workflows.bundle_media import MediaFolder, Medium
from film_archive.workflows.filled import Enclosure
from film_archive.workflows.gathering import Gathered

VERSION_TEXT = b"1.0.0"
"""Five bytes, as OTIO writes them."""
_LARGEST = (2 << 30) - 1
"""Bytes of a document; OTIO's next release reads no larger ones out of a bundle."""
_LISTED = 20


@dataclass(frozen=True, slots=True)
class Cut:
    """The timeline that an archive is to carry."""

    path: Path
    policy: MediaReferencePolicy = MediaReferencePolicy.ERROR_IF_NOT_FILE
    base: Path | None = None
    """Where relative URLs begin. Without it: the working directory, and for what is not there the timeline's own folder."""
    data: bytes | None = None
    """The document, where it is not in a file; `path` is then only what it is called."""
    rename: bool = False
    """Whether media that would have one name in the bundle get others; else they are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingReference(Record):
    """A reference of the timeline that became missing."""

    url: str
    """What it referenced."""
    reason: str
    """Why that is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried(Record):
    """A timeline that goes into an archive."""

    path: Path
    """Where it is."""
    references: int
    """How many references to media it has."""
    media: tuple[Medium, ...]
    """The files that they lead to."""
    missing: tuple[MissingReference, ...]
    """Those that lead nowhere."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Sources and a timeline, put together."""

    cut: Cut
    gathered: Gathered
    """Everything that goes into the archive, media of the timeline under their new paths."""
    enclosures: tuple[Enclosure, ...]
    """The bundle's own members, which go in first."""
    document: Document
    changes: Mapping[int, Change]
    """What becomes of each reference of the document."""
    media: tuple[Medium, ...]
    missing: tuple[tuple[str, str], ...]
    """(URL, why) of the references that became missing."""
    renamed: tuple[tuple[Path, str], ...]
    """(file, its name under `media/`) of those that have another one there."""
    warnings: tuple[str, ...]

    def sentences(self) -> list[str]:
        """What somebody who reads the report should know."""
        lost = [f"{printable(url) or 'a reference without URL'} became a missing reference: {why}" for url, why in self.missing]
        return [*dict.fromkeys(lost), *self.warnings]

    @property
    def carried(self) -> Carried:
        """What the plan says of it."""
        missing = tuple(MissingReference(url=url, reason=why) for url, why in self.missing)
        return Carried(path=self.cut.path, references=len(self.changes), media=self.media, missing=missing)


def join_timeline(cut: Cut, gathered: Gathered, *, leave_out: Iterable[Path] = ()) -> Joined:
    """Put a timeline and the media that it references to what was gathered; reads and changes nothing but the plan.

    Raises NotFound where a reference leads to no file and the policy does not allow that, Refused where two files would
    have one name under `media/`, or one of the sources has a name that a bundle needs, Damaged where the timeline can't
    be read.
    """
    data, mtime_ns = _read(cut)
    document = read_document(data, printable(cut.path))
    meanings = list(_meanings(cut, document))
    missing = tuple((each.reference.url, each.problem) for each in meanings if each.problem is not None)
    if missing and cut.policy is MediaReferencePolicy.ERROR_IF_NOT_FILE:
        raise _not_there(cut, [each for each in meanings if each.problem is not None])
    media = MediaFolder(gathered, leave_out, cut.rename)
    for each in meanings:
        media.take(each)
    media.settle()
    joined = media.joined()
    listed = tuple(media.medium(entry) for entry in joined.entries if entry.original is not None)
    changes = {each.reference.place: _change(each, media) for each in meanings}
    return Joined(
        cut=cut,
        gathered=joined,
        enclosures=tuple(_enclosures(cut, document, data, changes, mtime_ns)),
        document=document,
        changes=changes,
        media=listed,
        missing=missing,
        renamed=tuple(media.renamed()),
        warnings=tuple(_doubtful(listed)),
    )


def _read(cut: Cut) -> tuple[bytes, int]:
    """The document's bytes and its date."""
    path = cut.path
    if cut.data is not None:
        if len(cut.data) > _LARGEST:
            raise _too_large(printable(path), len(cut.data))
        return cut.data, EPOCH_NS
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise from_os_error(error, f"read the timeline {printable(path)}") from error
    if not stat.S_ISREG(mode):
        raise Refused(f"{printable(path)} is {kind_of(mode)} and not a timeline.")
    with FileSource(path) as source:
        if source.size > _LARGEST:
            raise _too_large(source.name, source.size)
        if path.suffix.lower() == ".otioz" or source.read_at(0, 4) == b"PK\3\4":
            raise UsageError(f"{source.name} is a bundle already; extract it with `bundle read`, and bundle its content.otio.")
        return source.read_at(0, source.size), source.status.st_mtime_ns


def _too_large(name: str, size: int) -> Refused:
    return Refused(f"{name} has {size} bytes, and a timeline in a bundle may have {_LARGEST}.")


def content_of(document: Document, changes: Mapping[int, Change], mtime_ns: int = EPOCH_NS, of: str | None = None) -> Enclosure:
    """The bundle's timeline: the document with its references changed."""
    data = document.changed(changes)
    return Enclosure(path=layout.BUNDLE_CONTENT, data=data, role=Role.TIMELINE, mtime_ns=mtime_ns, of=of)


def version_mark() -> Enclosure:
    """The bundle's version."""
    return Enclosure(path=layout.BUNDLE_VERSION, data=VERSION_TEXT, role=Role.STRUCTURE)


def _enclosures(
    cut: Cut, document: Document, data: bytes, changes: Mapping[int, Change], mtime_ns: int
) -> Iterator[Enclosure]:
    kept, raw = layout.member_name(layout.timeline_path(cut.path.name))
    yield version_mark()
    yield content_of(document, changes, mtime_ns, kept)
    yield Enclosure(path=kept, data=data, role=Role.TIMELINE, mtime_ns=mtime_ns, name_bytes=raw)


def _meanings(cut: Cut, document: Document) -> Iterator[Meaning]:
    lookup = Lookup((Path(), cut.path.parent) if cut.base is None else (cut.base,))
    for reference in document.references:
        if cut.policy is MediaReferencePolicy.ALL_MISSING:
            yield Meaning(reference, problem=f"{cut.policy} policy")
        else:
            yield lookup.meaning(reference)


def _not_there(cut: Cut, lost: Sequence[Meaning]) -> NotFound:
    said = dict.fromkeys(
        f"{printable(each.reference.url) or 'a reference without URL'}"
        f"{f' (of {printable(each.reference.clip)})' if each.reference.clip else ''}: {each.problem}"
        for each in lost
    )
    listed = "; ".join(list(said)[:_LISTED]) + (f"; and {len(said) - _LISTED} more" if len(said) > _LISTED else "")
    return NotFound(
        f"{printable(cut.path)} references {len(said)} media that are not there: {listed}. Nothing was written; bring them "
        "back, give the folder that relative references begin in with --media-base, or carry on without them with "
        "--media-policy missing."
    )


def _change(meaning: Meaning, media: MediaFolder) -> Change:
    if meaning.problem is not None:
        return Missing(meaning.problem)
    if meaning.around is None:
        return Relinked(media_url(media.name_of(meaning.paths[0])))
    return Relinked(f"{MEDIA}/", media.prefix_of(meaning), meaning.around[1])


def _doubtful(media: Iterable[Medium]) -> Iterator[str]:
    for each in media:
        if is_read_differently(each.member):
            yield (
                f"{printable(each.member)}: programs differ in how they read '%', '#' and '?' in a reference; OTIO finds "
                "this file, some players may not."
            )
