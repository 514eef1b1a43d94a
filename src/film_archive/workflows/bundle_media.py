"""Where the media of a timeline go in a bundle: flat under `media/`, each under a name that no other has.

The files that one reference means belong together (the images of a sequence, the parts of a spanned clip): they keep
their names, or where other files have one of those and renaming is asked for, all get the same number into theirs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from film_archive.archive import layout
from film_archive.bundles.references import Meaning
from film_archive.bundles.urls import MEDIA
from film_archive.core.errors import Refused
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.workflows.gathering import Found, FoundSequence, Gathered, Kind, gather_as, grouped, refuse_clashes

_Key = tuple[str, str]


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


@dataclass(slots=True)
class _Together:
    """Files that keep their names, or change them in the same way."""

    paths: dict[_Key, Path] = field(default_factory=dict)
    prefix: str | None = None
    """Of an image sequence: what stands before the numbers."""


@dataclass(slots=True)
class MediaFolder:
    """The files under `media/`, each under its own name, and where everything else stays."""

    gathered: Gathered
    leave_out: Iterable[Path] = ()
    rename: bool = False
    """Whether a file whose name is another's gets a new one; else that is refused."""
    _together: dict[tuple[_Key, str], _Together] = field(default_factory=dict)
    _names: dict[_Key, str] = field(default_factory=dict)
    _takers: dict[str, Path] = field(default_factory=dict)
    _known: dict[_Key, Found] = field(default_factory=dict)
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

    def _key(self, path: Path) -> _Key:
        """The same for one file however its folder is spelled."""
        folder = path.parent
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        return self._real[folder], path.name

    def _key_of_target(self, path: Path) -> _Key:
        """That of the file that a path leads to, links followed, if it is among the sources; else its own."""
        own = self._key(path)
        if own in self._known or not path.is_symlink():
            return own
        real = Path(os.path.realpath(path))
        return key if (key := self._key(real)) in self._known else own

    # What the timeline means

    def take(self, meaning: Meaning) -> None:
        """The files that a reference means; of what was named all that belongs to them. They have names after `settle`."""
        if not meaning.paths:
            return
        first = min(map(self._key_of_target, meaning.paths))
        around = meaning.around
        # References to one sequence mean the same files, however many of them; parts of a clip name each other.
        head = (first, "") if around is None else ((first[0], ""), "\0".join(around))
        together = self._together.setdefault(head, _Together(prefix=None if around is None else around[0]))
        for path in meaning.paths:
            key = self._key_of_target(path)
            entry = self._known.get(key)
            if entry is None:
                together.paths.setdefault(key, self._spelled.get(key[0], path.parent) / path.name)
                continue
            group = self._groups.get(entry.path)
            for each in (entry,) if group is None else (frame for _, frame in group.frames):
                together.paths.setdefault(self._key(Path(each.path)), Path(each.path))

    def settle(self) -> None:
        """Give all that was taken its name; raises Refused where two would have one and renaming was not asked for."""
        for is_sequence in (True, False):
            for together in self._together.values():
                if (together.prefix is not None) is is_sequence:
                    self._settle(together)

    def _settle(self, together: _Together) -> None:
        rest = {key: path for key, path in together.paths.items() if key not in self._names}
        number = 1
        while (clash := self._clash(rest.values(), together.prefix, number)) is not None:
            if not self.rename:
                raise _same_name(*clash)
            number += 1
        for key, path in rest.items():
            name = numbered(layout.member_name(path.name)[0], together.prefix, number)
            self._names[key] = name
            self._takers.setdefault(layout.fold(name), path)

    def _clash(self, paths: Iterable[Path], prefix: str | None, number: int) -> tuple[Path, Path] | None:
        """Two files that would have one name; not two paths of one file."""
        for path in paths:
            other = self._takers.get(layout.fold(numbered(layout.member_name(path.name)[0], prefix, number)))
            if other is not None and (number > 1 or not other.samefile(path)):
                return other, path
        return None

    # What became of it

    def name_of(self, path: Path) -> str:
        """A file's name under `media/`."""
        return self._names[self._key_of_target(path)]

    def prefix_of(self, meaning: Meaning) -> str:
        """What stands before the numbers in the names of a sequence's images under `media/`."""
        assert meaning.around is not None
        prefix, _ = meaning.around
        found = {self.name_of(path)[: -len(path.name) + len(prefix) or None] for path in meaning.paths}
        if len(found) > 1:
            raise Refused(
                f"The images of {printable(meaning.reference.url)}{printable(prefix)}… are referenced in several ways, of "
                "which one has to be renamed; rename the files. Nothing was written."
            )
        return found.pop()

    def joined(self) -> Gathered:
        """All that goes into the archive: sources where they stood, then what comes in from elsewhere."""
        entries = [
            _moved(entry, name, entry.member)
            if entry.kind == Kind.FILE and (name := self._names.get(self._key(Path(entry.path)))) is not None
            else entry
            for entry in self.gathered.entries
        ]
        elsewhere = {
            self._names[key]: path
            for together in self._together.values()
            for key, path in together.paths.items()
            if key not in self._known and self._takers[layout.fold(self._names[key])] == path
        }
        brought = gather_as(((path, f"{MEDIA}/{path.name}") for path in elsewhere.values()), leave_out=self.leave_out)
        for entry, name in zip(brought, elsewhere, strict=True):
            place = os.path.normpath(Path(entry.path).absolute())
            entries.append(_moved(entry, name, layout.member_name(place)[0]))
        _refuse_reserved(entries)
        refuse_clashes(entries)
        return replace(self.gathered, entries=tuple(entries))

    def medium(self, entry: Found) -> Medium:
        """What is said of a file."""
        named = self._key(Path(entry.path)) in self._known
        return Medium(path=entry.path, member=entry.member, size=entry.size, named=named)

    def renamed(self) -> Iterator[tuple[Path, str]]:
        """(file, its name under `media/`) of those that have another one there."""
        for together in self._together.values():
            for key, path in together.paths.items():
                if self._names[key] != layout.member_name(path.name)[0]:
                    yield path, self._names[key]


def numbered(name: str, prefix: str | None, number: int) -> str:
    """A name with a number in it: at the end of its stem, or of what stands before an image's number; 1 is the name itself.

    Of `A001_C001_001.R3D` it goes to the front: what stands at the end there numbers the parts of the clip.
    """
    if number == 1:
        return name
    if prefix is not None:
        stem = prefix.rstrip("._- ")
        return f"{stem}_{number}{prefix[len(stem) :] or '.'}{name[len(prefix) :]}"
    place = PurePosixPath(name)
    if place.suffix.lower() == ".r3d":
        return f"{number}_{name}"
    return layout.fitting_name(f"{place.stem}_{number}{place.suffix}")


def _same_name(one: Path, other: Path) -> Refused:
    return Refused(
        f"The timeline references {printable(one)} and {printable(other)}, which would have one name in the "
        "bundle, whose media lie in one folder; rename one of them, or let `bundle write --rename` do it. Nothing was written."
    )


def _moved(entry: Found, name: str, original: str) -> Found:
    """A file at its place under `media/`, where `original` says what it was."""
    own, raw = layout.member_name(f"{MEDIA}/{Path(entry.path).name}")
    kept = own == f"{MEDIA}/{name}"
    return replace(entry, member=f"{MEDIA}/{name}", name_bytes=raw if kept else None, original=original)


def _refuse_reserved(entries: Iterable[Found]) -> None:
    taken = {layout.fold(name) for name in (layout.BUNDLE_CONTENT, layout.BUNDLE_VERSION)}
    for entry in entries:
        folded = layout.fold(entry.member)
        if folded in taken or (folded == MEDIA and entry.kind != Kind.FOLDER):
            raise Refused(
                f"{printable(entry.path)} would be called {printable(entry.member)}, which is a name that a bundle needs for "
                "itself; rename it, or archive the folder above it. Nothing was written."
            )
