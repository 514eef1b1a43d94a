"""Checking an archive: every byte is read, and every byte is accounted for.

In a sealed zip each region of the file has its own proof: payloads their digests, headers and directory are built again from
the manifest and compared, gaps have to be zero, what was superseded has a digest in the manifest. A foreign zip has its
CRCs and its structure.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from film_archive.archive import directory, layout, zipformat
from film_archive.archive.entries import entries_of, is_zero, parts_of
from film_archive.archive.folder_repair import copy_problem
from film_archive.archive.reader import Archive, FolderArchive, ZipArchive, inflate_checked
from film_archive.archive.zipformat import Entry
from film_archive.core.digest import MultiHasher, read_ahead
from film_archive.core.errors import FilmArchiveError
from film_archive.core.manifest import Member, Role
from film_archive.core.source import ByteSource, printable

OnBytes = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where: a member's path, or the part of the archive."""

    path: str
    what: str


@dataclass(frozen=True, slots=True)
class CheckResult:
    members_checked: int
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


def check_archive(archive: Archive, *, on_bytes: OnBytes | None = None) -> CheckResult:
    """Read everything again and compare; never stops at the first problem."""
    heard = on_bytes or (lambda count: None)
    run: _Check
    if isinstance(archive, FolderArchive):
        run = _FolderCheck(archive, heard)
    elif isinstance(archive, ZipArchive) and archive.sealed:
        run = _SealedCheck(archive, heard)
    elif isinstance(archive, ZipArchive):
        run = _PlainCheck(archive, heard)
    else:
        raise TypeError(type(archive))
    problems: list[Problem] = []
    try:
        problems.extend(run.problems())
    except FilmArchiveError as error:
        problems.append(Problem("manifest", str(error)))
    return CheckResult(run.checked, tuple(problems))


class _Check:
    def __init__(self, on_bytes: OnBytes) -> None:
        self.checked = 0
        self.on_bytes = on_bytes

    def problems(self) -> Iterator[Problem]:
        raise TypeError("a check says what it finds")

    def member_problem(self, archive: Archive, member: Member) -> str | None:
        """Read a member and compare size, digests and CRC with its line."""
        wanted = dict(member.digests)
        if member.crc32 is not None:
            wanted["crc32"] = f"{member.crc32:08x}"
        hasher = MultiHasher(wanted)
        try:
            with archive.source(member) as source:
                if source.size != member.size:
                    return f"has {source.size} bytes instead of {member.size}"
                for block in read_ahead(source):
                    hasher.update(block)
                    self.on_bytes(len(block))
                source.check_unchanged()
        except FilmArchiveError as error:
            return str(error)
        for name, value in hasher.digests().items():
            if value != wanted[name]:
                return f"its bytes changed: {name} is {value}, the manifest says {wanted[name]}"
        return None

    def listing_problems(self, members: Iterator[Member]) -> Iterator[Problem]:
        """What is wrong with names, for archives whose names we did not choose."""
        paths = []
        for member in members:
            for part in parts_of(member):
                problem = layout.name_problem(part.path)
                if problem is not None:
                    yield Problem(printable(part.path), f"must not have this name: {problem}")
                paths.append(part.path)
        for first, second in layout.clashes(paths):
            what = "is there twice" if first == second else f"clashes with {printable(first)} where case is ignored"
            yield Problem(printable(second), what)


class _SealedCheck(_Check):
    """A zip as our writer left it."""

    def __init__(self, archive: ZipArchive, on_bytes: OnBytes) -> None:
        super().__init__(on_bytes)
        self.archive = archive
        self.file = archive.file

    def problems(self) -> Iterator[Problem]:
        regions: list[tuple[int, int]] = []
        expected = _DirectoryComparison(self.file, self.archive.directory)
        for member in self.archive.members():
            for entry, payload in entries_of(member):
                regions.append((entry.header_offset, payload + entry.packed_size))
                yield from expected.compare(entry, payload)
                if not self._header_holds(entry, payload):
                    yield Problem(printable(member.path), "its local header is damaged")
            for part in parts_of(member):
                if part.offset is not None and part.role != Role.FOLDER:
                    self.checked += 1
                    problem = self.member_problem(self.archive, part)
                    if problem is not None:
                        yield Problem(printable(part.path), problem)
        yield from self._structure_problems(expected, regions)
        yield from self._gap_problems(regions)
        yield from self.listing_problems(self.archive.members())

    def _header_holds(self, entry: Entry, payload: int) -> bool:
        wanted = zipformat.local_header(entry, payload)
        return self.file.read_at(entry.header_offset, len(wanted)) == wanted

    def _structure_problems(self, expected: _DirectoryComparison, regions: list[tuple[int, int]]) -> Iterator[Problem]:
        header = self.archive.require_manifest("be checked")
        manifest = self.archive.manifest_entry
        assert manifest is not None
        payload = directory.payload_offset(self.file, manifest)
        if payload != header.offset:
            yield Problem(layout.MANIFEST, f"lies at byte {payload}, but says it lies at {header.offset}")
        yield from expected.compare(manifest, payload)
        yield from expected.finish()
        if not self._header_holds(manifest, payload):
            yield Problem(layout.MANIFEST, "its local header is damaged")
        listed, stated = 0, 0
        for member in self.archive.manifest_members():
            listed, stated = listed + 1, stated + member.size
        if (listed, stated) != (header.members, header.bytes):
            yield Problem(layout.MANIFEST, f"announces {header.members} members and lists {listed}")
        regions.append((manifest.header_offset, self.archive.directory.end.end))
        for region in header.superseded:
            regions.append((region.offset, region.offset + region.length))
            hasher = MultiHasher()
            if region.offset + region.length <= self.file.size:
                for block in read_ahead(self.file, region.offset, region.length):
                    hasher.update(block)
                    self.on_bytes(len(block))
            if hasher.digests()["xxh128"] != region.xxh128:
                yield Problem("superseded bytes", f"{region.length} bytes from {region.offset} changed; no member uses them")
        if self.archive.directory.trailing:
            yield Problem(
                "end", f"{self.archive.directory.trailing} bytes stand behind the archive's end: an unfinished add; run `repair`"
            )

    def _gap_problems(self, regions: list[tuple[int, int]]) -> Iterator[Problem]:
        position = 0
        for start, end in sorted(regions):
            if start < position:
                yield Problem("structure", f"two members share the bytes from {start} on")
            elif start - position > zipformat.LONGEST_GAP:
                yield Problem("structure", f"{start - position} bytes from {position} belong to nothing")
            elif not is_zero(self.file.read_at(position, start - position)):
                yield Problem("gap", f"bytes {position} to {start} should be zero")
            position = max(position, end)


class _DirectoryComparison:
    """The directory as it should be, byte for byte, against the one in the file; entries come in order."""

    def __init__(self, source: ByteSource, found: directory.Directory) -> None:
        self._source = source
        self._found = found
        self._position = found.end.directory_offset
        self._count = 0

    def compare(self, entry: Entry, payload: int) -> Iterator[Problem]:
        wanted = zipformat.central_header(entry, payload)
        if self._source.read_at(self._position, len(wanted)) != wanted:
            yield Problem(printable(entry.path), "the directory's entry differs from the manifest")
        self._position += len(wanted)
        self._count += 1

    def finish(self) -> Iterator[Problem]:
        end = self._found.end
        size = self._position - end.directory_offset
        wanted = zipformat.end_records(self._count, end.directory_offset, size, end.comment)
        if self._source.read_at(self._position, end.end - self._position) != wanted:
            yield Problem("end", "the records at the end of the zip are damaged")


class _PlainCheck(_Check):
    """A zip without a seal that holds: foreign, altered by another program, or damaged."""

    def __init__(self, archive: ZipArchive, on_bytes: OnBytes) -> None:
        super().__init__(on_bytes)
        self.archive = archive

    def problems(self) -> Iterator[Problem]:
        if self.archive.directory.marked or self.archive.manifest_entry is not None:
            yield Problem("directory", "is not sealed as we seal it: it was damaged, or altered by another program")
        if self.archive.directory.trailing:
            yield Problem("end", f"{self.archive.directory.trailing} bytes stand behind the zip's end")
        regions: list[tuple[int, int, str]] = []
        for entry in self.archive.entries():
            self.checked += not entry.is_folder
            problem = self._entry_problem(entry, regions)
            if problem is not None:
                yield Problem(printable(entry.path), problem)
        regions.sort()
        for (_, end, first), (start, _, second) in pairwise(regions):
            if start < end:
                yield Problem(printable(second), f"shares bytes with {printable(first)}")
        if self.archive.manifest_problem is not None:
            yield Problem(layout.MANIFEST, self.archive.manifest_problem)
        if self.archive.header is not None:
            yield from self._manifest_problems()
        yield from self.listing_problems(self.archive.members())

    def _entry_problem(self, entry: Entry, regions: list[tuple[int, int, str]]) -> str | None:
        try:
            offset = directory.payload_offset(self.archive.file, entry)
            regions.append((entry.header_offset, offset + entry.packed_size, entry.path))
            if entry.encrypted:
                return "is encrypted and can't be checked"
            if entry.method not in (zipformat.STORED, zipformat.DEFLATED):
                return f"is packed with method {entry.method} and can't be checked"
            packed = self.archive.file.slice(offset, entry.packed_size)
            for chunk in inflate_checked(packed, entry):
                self.on_bytes(len(chunk))
        except FilmArchiveError as error:
            return str(error)
        return None

    def _manifest_problems(self) -> Iterator[Problem]:
        stated = {part.path: part for member in self.archive.manifest_members() for part in parts_of(member)}
        for member in self.archive.members():
            line = stated.pop(member.path, None)
            if line is None:
                yield Problem(printable(member.path), "is not in the manifest")
            elif (line.size, line.crc32) != (member.size, member.crc32) and member.role != Role.FOLDER:
                yield Problem(printable(member.path), "is not what the manifest says")
        for path, line in stated.items():
            if line.offset is not None:
                yield Problem(printable(path), "is in the manifest and no longer in the zip")


class _FolderCheck(_Check):
    """A folder archive: each file against its line. Files that are not listed are nobody's business."""

    def __init__(self, archive: FolderArchive, on_bytes: OnBytes) -> None:
        super().__init__(on_bytes)
        self.archive = archive

    def problems(self) -> Iterator[Problem]:
        header = self.archive.header
        listed, stated = 0, 0
        for member in self.archive.members():
            listed, stated = listed + 1, stated + member.size
            if member.role in (Role.FOLDER, Role.SYMLINK):
                problem = self._place_problem(member)
                if problem is not None:
                    yield Problem(printable(member.path), problem)
                continue
            for part in parts_of(member):
                self.checked += 1
                problem = self.member_problem(self.archive, part)
                if problem is not None:
                    yield Problem(printable(part.path), problem)
        if (listed, stated) != (header.members, header.bytes):
            yield Problem(layout.MANIFEST, f"announces {header.members} members and lists {listed}")
        problem = copy_problem(self.archive.path)
        if problem is not None:
            yield Problem(layout.MANIFEST_COPY, problem)

    def _place_problem(self, member: Member) -> str | None:
        try:
            place = self.archive.file_of(member)
        except FilmArchiveError as error:
            return str(error)
        if member.role == Role.FOLDER:
            return None if place.is_dir() else "the folder is gone"
        if not place.is_symlink():
            return "the symbolic link is gone"
        return None if os.fsencode(place.readlink()) == layout.link_target(member) else "the symbolic link points elsewhere"
