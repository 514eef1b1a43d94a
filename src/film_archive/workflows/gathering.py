"""Which files a command means: sources as given, folders with all below them, in a fixed order, without junk."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from film_archive.archive import layout
from film_archive.core import files
from film_archive.core.errors import NotFound, NotSupported, Refused, UsageError, from_os_error
from film_archive.core.frame_table import SequenceName
from film_archive.core.job import Step, identity_of
from film_archive.core.records import Record
from film_archive.core.source import kind_of, printable
from film_archive.media.clips import Clip, part_name, spanned_clips
from film_archive.media.sequence import ImageSequence, find_sequences


class Kind(StrEnum):
    """What a thing to archive is."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Step):
    """One thing to archive: where it is, and the member path that it gets."""

    path: str
    """Where it is."""
    member: str
    """The path that it gets in the archive."""
    name_bytes: bytes | None = None
    """The name on disk, where it is not UTF-8."""
    kind: Kind
    """"file", "folder" or "symlink"."""
    mtime_ns: int
    """Modification time, nanoseconds since 1970."""
    mode: int
    """Permission bits."""
    empty: bool = False
    """Of a folder: whether nothing is archived from it."""
    target: str | None = None
    """Of a symbolic link: where it points, as text."""
    target_bytes: bytes | None = None
    """The same as bytes, where it is not UTF-8."""
    original: str | None = None
    """Of media of a bundle: the member path without it, or where on disk the file was if it was not among the sources."""
    first_frame: int | None = None
    """Of a part of a clip: its first frame in the clip, from 0; the part is cut when it is archived."""
    frames: int | None = None
    """Of a part of a clip: how many frames it has."""
    rate: str | None = None
    """Of a part of a clip: the rate that was given for a clip that does not say its own."""
    clip_start: str | None = None
    """Of a part of a clip: the start timecode of the clip, or the one that was given for it."""
    clip_start_rate: str | None = None
    """The rate that it counts at."""
    reel: str | None = None
    """Of a part of a clip: the reel that it is marked with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut(Record):
    """What lies among the files to archive and can't be archived."""

    path: str
    """Where it is."""
    reason: str
    """Why: a pipe, a socket, a device, another archive's own data, an unfinished file of ours."""
    ours: bool = False
    """Whether it is an unfinished file of this program, with which nothing is missing."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was found, in the order in which it is archived."""

    entries: tuple[Found, ...]
    junk: int
    """Operating systems' leftovers that were skipped."""
    left_out: tuple[LeftOut, ...]

    @property
    def bytes(self) -> int:
        return sum(entry.size for entry in self.entries)


def gather(sources: Iterable[Path], *, root: str = "", leave_out: Iterable[Path] = ()) -> Gathered:
    """Walk sources: a file is stored under its name, a folder with its name and everything below it.

    Raises UsageError where two sources have one name, NotFound, Refused where something can't be read or clashes.
    """
    walk = _Walk({os.path.realpath(path) for path in leave_out})
    entries: list[Found] = []
    names: dict[str, Path] = {}
    for source in sources:
        name = _name_of(source)
        folded = layout.fold(os.fsencode(name).decode("utf-8", "surrogateescape"))
        if folded in names:
            raise UsageError(
                f"{printable(names[folded])} and {printable(source)} would both be called {printable(name)}; "
                "rename one, or archive the folder above them."
            )
        names[folded] = source
        entries.extend(walk.source(source, f"{root}/{name}" if root else name))
    return walk.result(entries)


def gather_as(named: Iterable[tuple[Path, str]], *, leave_out: Iterable[Path] = ()) -> tuple[Found, ...]:
    """Single files under the paths that are given for them, which may be the same for several. Raises as `gather` does."""
    walk = _Walk({os.path.realpath(path) for path in leave_out})
    found = []
    for path, name in named:
        entry = next(walk.source(path, name))
        if entry.kind != Kind.FILE:
            raise NotSupported(f"{printable(path)} is no file any more; nothing was written.")
        layout.check_member_name(entry.member)
        found.append(entry)
    return tuple(found)


def gather_folder(folder: Path) -> Gathered:
    """Everything below a folder, with paths from that folder on: for an archive made in place."""
    walk = _Walk(set())
    if not folder.is_dir():
        raise NotFound(f"There is no folder {printable(folder)}.")
    return walk.result([entry for entry in walk.folder(os.fspath(folder), "") if entry.member])


@dataclass(frozen=True, slots=True)
class FoundSequence:
    """An image sequence among what was found: one member."""

    name: SequenceName
    images: ImageSequence
    frames: tuple[tuple[int, Found], ...]
    """(number, file), ascending."""
    member: str
    """The path that it gets in the archive: `name.pattern`, or with its range where another sequence is called so."""
    original: str | None = None
    """As `Found.original`, with the numbers in printf's form."""

    @property
    def size(self) -> int:
        """Bytes of all frames."""
        return sum(frame.size for _, frame in self.frames)


@dataclass(frozen=True, slots=True)
class FoundPart:
    """A file of a clip that is spanned over several: a member of its own that is tied to the first."""

    file: Found
    clip: Clip
    """Its name and parts are member paths."""
    part_of: str | None
    """The member path of the first part; None for that one."""

    @property
    def size(self) -> int:
        """Bytes of this part."""
        return self.file.size


def grouped(
    entries: Iterable[Found], taken: Collection[str] = ()
) -> Iterator[Found | FoundSequence | FoundPart]:
    """The same things in the same order, but the files of an image sequence as one, where its first file stood, and the
    files of a spanned clip tied to each other.

    More frames of a sequence that an archive has already (its path is among those `taken`) stay files, and more parts of
    such a clip (its first part's path is among them) are tied to that.
    """
    entries = tuple(entries)
    begins: dict[str, FoundSequence] = {}
    framed: set[str] = set()
    for together in _by_folder(entries):
        named: set[str] = set()
        for images in find_sequences(together).sequences:
            found = _sequence(images, together)
            if found.name.pattern in taken or not _are_called(found):
                continue
            if found.name.pattern in named:  # two shots in one folder, of the same name
                found = replace(found, member=found.name.ranged(images.first, images.last))
            named.add(found.name.pattern)
            paths = [entry.path for _, entry in found.frames]
            begins[min(paths, key=os.fsencode)] = found
            framed.update(paths)
    tied = dict(_tied(entries, taken))
    for entry in entries:
        if entry.path in begins:
            yield begins[entry.path]
        elif entry.path not in framed:
            yield tied.get(entry.path, entry)


def _tied(entries: Iterable[Found], taken: Iterable[str]) -> Iterator[tuple[str, FoundPart]]:
    """(path, part) of the files of spanned clips."""
    there = {named[0]: path for path in sorted(taken, reverse=True) if (named := part_name(path)) is not None}
    files = {entry.member: entry for entry in entries if entry.kind == Kind.FILE}
    for clip in spanned_clips(files):
        first = there.get(clip.name, clip.parts[0])
        for part in clip.parts:
            yield files[part].path, FoundPart(files[part], clip, None if part == first else first)


def _by_folder(entries: Iterable[Found]) -> Iterable[dict[str, Found]]:
    """Path → file, of those that can be frames; apart by the folders that they will have in the archive."""
    folders: dict[str, dict[str, Found]] = {}
    for entry in entries:
        if entry.kind == Kind.FILE and entry.name_bytes is None:
            folders.setdefault(entry.member.rpartition("/")[0], {})[entry.path] = entry
    return folders.values()


def _sequence(images: ImageSequence, files: dict[str, Found]) -> FoundSequence:
    frames = tuple((number, files[images.file(number)]) for number in images.numbers())
    first = frames[0][1]
    original = None if first.original is None else _name(images, first.original).pattern
    name = _name(images, first.member)
    return FoundSequence(name, images, frames, name.pattern, original)


def _name(images: ImageSequence, first: str) -> SequenceName:
    """How the frames are called where the first one has this path; what stands before its number may be another there."""
    behind = images.file_name(images.first)[len(images.stem) :]
    return SequenceName(first[: len(first) - len(behind)], images.padding, images.extension, images.negative_padding)


def _are_called(sequence: FoundSequence) -> bool:
    """Whether all frames have the paths that the sequence's name gives them (of a bundle, some may be renamed)."""
    return all(frame.member == sequence.name.path(number) for number, frame in sequence.frames)


class _Walk:
    def __init__(self, leave_out: set[str]) -> None:
        self._leave_out = leave_out
        self._leave_out_names = {Path(path).name for path in leave_out}
        self._own_work = frozenset[str]().union(*(files.temporary_names(Path(path)) for path in leave_out))
        """What this very job builds goes without saying."""
        self._junk = 0
        self._left_out: list[LeftOut] = []

    def source(self, path: Path, name: str) -> Iterator[Found]:
        """A source as the user named it: a link at this level is followed."""
        if any(layout.fold(part) == layout.OWN for part in name.split("/")):
            raise Refused(
                f"{printable(path)} has the name under which an archive keeps its own data; it can't be archived under it. "
                "Name the folder above it (an archive's own data are then made anew), or rename it."
            )
        try:
            status = path.stat()
        except OSError as error:
            raise from_os_error(error, f"read {printable(path)}") from error
        if stat.S_ISDIR(status.st_mode):
            yield from self.folder(os.fspath(path), name)
        elif stat.S_ISREG(status.st_mode):
            yield self._file(os.fspath(path), name, status)
        else:
            raise NotSupported(f"{printable(path)} is {kind_of(status.st_mode)}, which can't be archived.")

    def folder(self, path: str, name: str) -> Iterator[Found]:
        """A folder, then all below it; however deep it is."""
        found, items = self._open_folder(path, name)
        yield found
        stack = [(name, iter(items))]
        while stack:
            above, rest = stack[-1]
            item = next(rest, None)
            if item is None:
                stack.pop()
                continue
            below = f"{above}/{item.name}" if above else item.name
            found_below = self._item(item, below)
            if found_below is None:
                continue
            if found_below.kind == Kind.FOLDER:
                found_below, items = self._open_folder(found_below.path, below)
                stack.append((below, iter(items)))
            yield found_below

    def _open_folder(self, path: str, name: str) -> tuple[Found, list[os.DirEntry[str]]]:
        try:
            with os.scandir(path) as scan:
                items = sorted(scan, key=lambda item: os.fsencode(item.name))
            status = Path(path).stat()
        except OSError as error:
            raise from_os_error(error, f"read the folder {printable(path)}") from error
        kept = [item for item in items if not self._is_skipped(item, at_root=not name)]
        return _found(path, name, Kind.FOLDER, status, size=0, empty=not kept), kept

    def _item(self, item: os.DirEntry[str], name: str) -> Found | None:
        path = item.path
        try:
            status = item.stat(follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                return _found(path, name, Kind.SYMLINK, status, size=0, target=os.fsencode(Path(path).readlink()))
        except OSError as error:
            raise from_os_error(error, f"read {printable(path)}") from error
        if stat.S_ISDIR(status.st_mode):
            return _found(path, name, Kind.FOLDER, status, size=0)
        if stat.S_ISREG(status.st_mode):
            return self._file(path, name, status)
        self._left_out.append(LeftOut(path=path, reason=f"is {kind_of(status.st_mode)}"))
        return None

    def _file(self, path: str, name: str, status: os.stat_result) -> Found:
        if not os.access(path, os.R_OK):
            raise Refused(f"{printable(path)} may not be read by this user; nothing was written.")
        return _found(path, name, Kind.FILE, status, size=status.st_size)

    def _is_skipped(self, item: os.DirEntry[str], *, at_root: bool) -> bool:
        if layout.is_junk(item.name):
            self._junk += 1
            return True
        if layout.fold(item.name) == layout.OWN:
            if at_root and item.name != layout.OWN:
                raise Refused(
                    f"{printable(item.path)} is {layout.OWN} where case is ignored, and an archive in place keeps its own data "
                    "there; rename it. Nothing was written."
                )
            if not at_root:
                reason = "is another archive's own data, made anew for this one"
                self._left_out.append(LeftOut(path=item.path, reason=reason))
            return True
        if files.is_temporary_name(item.name):
            if item.name not in self._own_work:
                self._left_out.append(LeftOut(path=item.path, reason="is an unfinished file of this program", ours=True))
            return True
        return item.name in self._leave_out_names and os.path.realpath(item.path) in self._leave_out

    def result(self, entries: list[Found]) -> Gathered:
        for entry in entries:
            layout.check_member_name(entry.member)
        refuse_clashes(entries)
        return Gathered(tuple(entries), self._junk, tuple(self._left_out))


def refuse_clashes(entries: Iterable[Found]) -> None:
    """Raise Refused where two would be one file somewhere."""
    entries = tuple(entries)
    clashing = layout.clashes(entry.member for entry in entries)
    if clashing:
        first, second = clashing[0]
        if first == second:
            one, other = [printable(entry.path) for entry in entries if entry.member == first][:2]
            why = f"would both be stored as {printable(first)} (bytes of a name that are no text are written as %XX)"
        else:
            one, other = printable(first), printable(second)
            why = "are one file where case or Unicode form is ignored"
        raise Refused(f"{one} and {other} {why}; rename one of them. Nothing was written.")


def _found(
    path: str,
    name: str,
    kind: Kind,
    status: os.stat_result,
    *,
    size: int,
    empty: bool = False,
    target: bytes | None = None,
) -> Found:
    member, raw = layout.member_name(name)
    text, target_bytes = (None, None) if target is None else layout.member_name(os.fsdecode(target))
    return Found(
        path=path,
        member=member,
        name_bytes=raw,
        kind=kind,
        size=size,
        mtime_ns=status.st_mtime_ns,
        mode=stat.S_IMODE(status.st_mode),
        identity=identity_of(status),
        empty=empty,
        target=text,
        target_bytes=target_bytes,
    )


def _name_of(source: Path) -> str:
    name = source.name
    if name in ("", ".", ".."):
        name = Path(os.path.realpath(source)).name
    if not name:
        raise UsageError(f"{printable(source)} has no name to be archived under; name the folders in it.")
    return name
