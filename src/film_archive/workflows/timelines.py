"""An archive that is an OTIO bundle too: which files a timeline means, and where they, and the timeline, go in the archive.

The media that a timeline references lie flat under `media/`, and `content.otio` references them there; the document as
it was is kept beside it, letter for letter. What is named on the command line is archived whole: of an image sequence
or a spanned clip all files go to `media/`, even if the timeline means only some. What is not named comes in from where it
is, only as far as the timeline references it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from film_archive.archive import layout
from film_archive.bundles.policy import MediaReferencePolicy
from film_archive.bundles.references import Lookup, Meaning
from film_archive.bundles.urls import MEDIA, is_read_differently, media_url
from film_archive.core.errors import NotFound, Refused, from_os_error
from film_archive.core.manifest import Role
from film_archive.core.records import Record
from film_archive.core.source import FileSource, kind_of, printable
from film_archive.editorial.otio import Document, Missing, Relinked, read_document
from film_archive.workflows.filling import Enclosure
from film_archive.workflows.gathering import Found, FoundSequence, Gathered, Kind, gather, grouped, refuse_clashes

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium(Record):
    """A file that the timeline references, or belongs to one that it does."""

    path: str
    """Where it is."""
    member: str
    """Its path in the archive."""
    size: int
    """Bytes."""
    named: bool
    """Whether it was among the sources; else it comes in from where it is."""


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
    references: int
    media: tuple[Medium, ...]
    missing: tuple[tuple[str, str], ...]
    """(URL, why) of the references that became missing."""
    warnings: tuple[str, ...]

    def sentences(self) -> list[str]:
        """What somebody who reads the report should know."""
        lost = [f"{printable(url) or 'a reference without URL'} became a missing reference: {why}" for url, why in self.missing]
        return [*dict.fromkeys(lost), *self.warnings]

    @property
    def carried(self) -> Carried:
        """What the plan says of it."""
        missing = tuple(MissingReference(url=url, reason=why) for url, why in self.missing)
        return Carried(path=self.cut.path, references=self.references, media=self.media, missing=missing)


def join_timeline(cut: Cut, gathered: Gathered, *, leave_out: Iterable[Path] = ()) -> Joined:
    """Put a timeline and the media that it references to what was gathered; reads and changes nothing but the plan.

    Raises NotFound where a reference leads to no file and the policy does not allow that, Refused where two files would
    have one name under `media/`, or one of the sources has a name that a bundle needs, Damaged where the timeline can't
    be read.
    """
    data, status = _read(cut.path)
    document = read_document(data, printable(cut.path))
    meanings = list(_meanings(cut, document))
    missing = tuple((each.reference.url, each.problem) for each in meanings if each.problem is not None)
    if missing and cut.policy is MediaReferencePolicy.ERROR_IF_NOT_FILE:
        raise _not_there(cut, [each for each in meanings if each.problem is not None])
    media = _Media(gathered, leave_out)
    for each in meanings:
        for path in each.paths:
            media.take(path)
    joined = media.joined()
    listed = tuple(media.medium(entry) for entry in joined.entries if entry.original is not None)
    changes = {each.reference.place: _change(each, media) for each in meanings}
    return Joined(
        cut=cut,
        gathered=joined,
        enclosures=tuple(_enclosures(cut, document, data, changes, status)),
        references=len(meanings),
        media=listed,
        missing=missing,
        warnings=tuple(_doubtful(listed)),
    )


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise from_os_error(error, f"read the timeline {printable(path)}") from error
    if not stat.S_ISREG(mode):
        raise Refused(f"{printable(path)} is {kind_of(mode)} and not a timeline.")
    with FileSource(path) as source:
        if source.size > _LARGEST:
            raise Refused(f"{source.name} has {source.size} bytes, and a timeline in a bundle may have {_LARGEST}.")
        return source.read_at(0, source.size), source.status


def _enclosures(
    cut: Cut, document: Document, data: bytes, changes: Mapping[int, Relinked | Missing], status: os.stat_result
) -> Iterator[Enclosure]:
    kept, raw = layout.member_name(layout.timeline_path(cut.path.name))
    yield Enclosure(path=layout.BUNDLE_VERSION, data=VERSION_TEXT, role=Role.STRUCTURE)
    when, role = status.st_mtime_ns, Role.TIMELINE
    yield Enclosure(path=layout.BUNDLE_CONTENT, data=document.changed(changes), role=role, mtime_ns=when, of=kept)
    yield Enclosure(path=kept, data=data, role=role, mtime_ns=when, name_bytes=raw)


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


# Where the files go


@dataclass(slots=True)
class _Media:
    """The files under `media/`, each under its own name, and where everything else stays."""

    gathered: Gathered
    leave_out: Iterable[Path]
    _taken: dict[tuple[str, str], Path] = field(default_factory=dict)
    _names: dict[str, Path] = field(default_factory=dict)
    _known: dict[tuple[str, str], Found] = field(default_factory=dict)
    _groups: dict[str, FoundSequence] = field(default_factory=dict)
    _real: dict[Path, str] = field(default_factory=dict)
    _spelled: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for entry in self.gathered.entries:
            if entry.kind == Kind.FILE:
                path = Path(entry.path)
                self._known[self._key(path)] = entry
                self._spelled.setdefault(self._real[path.parent], path.parent)
        for group in grouped(self.gathered.entries):
            if isinstance(group, FoundSequence):
                self._groups.update((frame.path, group) for _, frame in group.frames)

    def _key(self, path: Path) -> tuple[str, str]:
        """The same for one file however its folder is spelled."""
        folder = path.parent
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        return self._real[folder], path.name

    def _key_of_target(self, path: Path) -> tuple[str, str]:
        """That of the file that a path leads to, links followed, if it is among the sources; else its own."""
        own = self._key(path)
        if own in self._known or not path.is_symlink():
            return own
        real = Path(os.path.realpath(path))
        return key if (key := self._key(real)) in self._known else own

    def take(self, path: Path) -> None:
        """A file that the timeline means; of what was named all that belongs to it."""
        key = self._key_of_target(path)
        if key in self._taken:
            return
        entry = self._known.get(key)
        if entry is None:
            self._take(key, self._spelled.get(key[0], path.parent) / path.name)
            return
        group = self._groups.get(entry.path)
        for each in (entry,) if group is None else (frame for _, frame in group.frames):
            self._take(self._key(Path(each.path)), Path(each.path))

    def _take(self, key: tuple[str, str], path: Path) -> None:
        other = self._names.setdefault(layout.fold(layout.member_name(path.name)[0]), path)
        if other != path and not other.samefile(path):
            raise Refused(
                f"The timeline references {printable(other)} and {printable(path)}, which would have one name in the "
                "bundle, whose media lie in one folder; rename one of them. Nothing was written."
            )
        self._taken[key] = other

    def name_of(self, path: Path) -> str:
        """A taken file's name under `media/`."""
        return layout.member_name(self._taken[self._key_of_target(path)].name)[0]

    def joined(self) -> Gathered:
        """All that goes into the archive: sources where they stood, then what comes in from elsewhere."""
        wanted = {self._key(path): path for path in self._taken.values()}
        entries = [
            _moved(entry, entry.member) if entry.kind == Kind.FILE and self._key(Path(entry.path)) in wanted else entry
            for entry in self.gathered.entries
        ]
        elsewhere = [path for key, path in wanted.items() if key not in self._known]
        brought = gather(elsewhere, root=MEDIA, leave_out=self.leave_out)
        for entry in brought.entries:
            place = os.path.normpath(Path(entry.path).absolute())
            entries.append(_moved(entry, layout.member_name(place)[0]))
        _refuse_reserved(entries)
        refuse_clashes(entries)
        return replace(self.gathered, entries=tuple(entries))

    def medium(self, entry: Found) -> Medium:
        named = self._key(Path(entry.path)) in self._known
        return Medium(path=entry.path, member=entry.member, size=entry.size, named=named)


def _moved(entry: Found, original: str) -> Found:
    member, raw = layout.member_name(f"{MEDIA}/{Path(entry.path).name}")
    return replace(entry, member=member, name_bytes=raw, original=original)


def _refuse_reserved(entries: Iterable[Found]) -> None:
    taken = {layout.fold(name) for name in (layout.BUNDLE_CONTENT, layout.BUNDLE_VERSION)}
    for entry in entries:
        folded = layout.fold(entry.member)
        if folded in taken or (folded == MEDIA and entry.kind != Kind.FOLDER):
            raise Refused(
                f"{printable(entry.path)} would be called {printable(entry.member)}, which is a name that a bundle needs for "
                "itself; rename it, or archive the folder above it. Nothing was written."
            )


def _change(meaning: Meaning, media: _Media) -> Relinked | Missing:
    if meaning.problem is not None:
        return Missing(meaning.problem)
    if meaning.around is None:
        return Relinked(media_url(media.name_of(meaning.paths[0])))
    return Relinked(f"{MEDIA}/", *meaning.around)


def _doubtful(media: Iterable[Medium]) -> Iterator[str]:
    for each in media:
        if is_read_differently(each.member):
            yield (
                f"{printable(each.member)}: programs differ in how they read '%', '#' and '?' in a reference; OTIO finds "
                "this file, some players may not."
            )
