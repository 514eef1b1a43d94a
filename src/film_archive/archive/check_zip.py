"""Checking the zip form: every byte is read, and every byte is accounted for.

In a sealed zip each region of the file has its own proof: payloads their digests, headers and directory are built again from
the manifest and compared, gaps have to be zero, what was superseded has a digest in the manifest. A foreign zip has its
CRCs and its structure.
"""

from __future__ import annotations

from collections.abc import Iterator

from film_archive.archive import bombs, directory, layout, packing, zipformat
from film_archive.archive.checking import Checking, OnBytes
from film_archive.archive.entries import entries_of, is_zero, parts_of
from film_archive.archive.reader import ZipArchive
from film_archive.archive.unfinished import behind_the_end
from film_archive.archive.verdict import Kind, Problem
from film_archive.archive.zipformat import Entry
from film_archive.core.digest import MultiHasher, read_ahead
from film_archive.core.errors import FilmArchiveError, NotSupported
from film_archive.core.manifest import Superseded
from film_archive.core.member import Member, Role
from film_archive.core.source import ByteSource, SliceSource, printable
from film_archive.core.wording import amount


class SealedCheck(Checking):
    """A zip as our writer left it."""

    def __init__(self, archive: ZipArchive, on_bytes: OnBytes) -> None:
        super().__init__(on_bytes)
        self.archive = archive
        self.file = archive.file

    def problems(self) -> Iterator[Problem]:
        found = 0
        for problem in self._problems():
            found += 1
            yield problem
        if self.archive.directory.trailing:
            yield behind_the_end(self.archive, found)

    def _problems(self) -> Iterator[Problem]:
        bomb = bombs.claim_problem(self.file.size, map(_claim, self._placed()))
        if bomb is not None:
            yield Problem("structure", f"{bomb}; no member was read")
        regions: list[tuple[int, int]] = []
        expected = _DirectoryComparison(self.file, self.archive.directory)
        for member in self.archive.members():
            for entry, payload in entries_of(member):
                regions.append((entry.header_offset, payload + entry.packed_size))
                yield from expected.compare(entry, payload)
                if not self._header_holds(entry, payload):
                    yield Problem(printable(member.path), "its local header is damaged")
            for part in parts_of(member) if bomb is None else ():
                if part.offset is not None and part.role != Role.FOLDER:
                    problem = self.member_problem(self.archive, part)
                    if problem is not None:
                        yield problem
        yield from self._structure_problems(expected, regions)
        yield from self._gap_problems(regions)
        yield from self.listing_problems(self.archive.members())

    def _placed(self) -> Iterator[Member]:
        for member in self.archive.members():
            yield from (part for part in parts_of(member) if part.offset is not None)

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
            yield Problem(layout.MANIFEST, f"announces {amount(header.members, 'member')} and lists {listed}")
        regions.append((manifest.header_offset, self.archive.directory.end.end))
        yield from self._superseded_problems(header.superseded)
        regions.extend((region.offset, region.offset + region.length) for region in header.superseded)

    def _superseded_problems(self, regions: tuple[Superseded, ...]) -> Iterator[Problem]:
        if sum(region.length for region in regions) > self.file.size:
            yield Problem(layout.MANIFEST, "lists more superseded bytes than the file has")
            return
        for region in regions:
            hasher = MultiHasher()
            if region.offset + region.length <= self.file.size:
                for block in read_ahead(self.file, region.offset, region.length):
                    hasher.update(block)
                    self.on_bytes(len(block))
            if hasher.digests()["xxh128"] != region.xxh128:
                yield Problem("superseded bytes", f"{region.length} bytes from {region.offset} changed; no member uses them")

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


def _claim(member: Member | Entry) -> tuple[int, int, int]:
    return member.method, member.packed_size, member.size


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


class PlainCheck(Checking):
    """A zip without a seal that holds: foreign, altered by another program, or damaged."""

    def __init__(self, archive: ZipArchive, on_bytes: OnBytes) -> None:
        super().__init__(on_bytes)
        self.archive = archive

    def problems(self) -> Iterator[Problem]:
        if self.archive.directory.marked or self.archive.manifest_entry is not None:
            yield Problem("directory", "is not sealed as we seal it: it was damaged, or altered by another program")
        if self.archive.directory.trailing:
            yield Problem("end", f"{self.archive.directory.trailing} bytes stand behind the zip's end")
        bomb = bombs.claim_problem(self.archive.file.size, map(_claim, self.archive.entries()))
        if bomb is not None:
            yield Problem("structure", f"{bomb}; no member was read")
        regions: list[tuple[int, int, str]] = []
        told: set[str] = set()
        for entry in self.archive.entries():
            problem = self._entry_problem(entry, regions, read=bomb is None)
            if problem is not None:
                told.add(problem.path)
                yield problem
        for first, second in bombs.overlaps(regions):
            yield Problem(printable(second), f"shares bytes with {printable(first)}")
        if self.archive.manifest_problem is not None and layout.MANIFEST not in told:  # what its bytes have says it already
            yield Problem(layout.MANIFEST, self.archive.manifest_problem)
        if self.archive.header is not None:
            yield from self._manifest_problems()
        yield from self.listing_problems(self.archive.members())

    def _entry_problem(self, entry: Entry, regions: list[tuple[int, int, str]], *, read: bool) -> Problem | None:
        path = printable(entry.path)
        try:
            offset = directory.payload_offset(self.archive.file, entry)
            regions.append((entry.header_offset, offset + entry.packed_size, entry.path))
            if not read or entry.is_folder:
                return None
            if entry.encrypted:
                return Problem(path, "is encrypted and can't be checked", Kind.UNREADABLE)
            packed = SliceSource(self.archive.file, offset, entry.packed_size, f"{self.archive.name}::{path}")
            for chunk in packing.unpack_checked(packed, entry):
                self.on_bytes(len(chunk))
        except NotSupported as error:
            if path == layout.MANIFEST:
                self.checked += 1
                return Problem(path, f"can't be packed by method {entry.method}: the directory's entry is damaged")
            return Problem(path, str(error), Kind.UNREADABLE)
        except FilmArchiveError as error:
            self.checked += 1
            return Problem(path, str(error))
        self.checked += 1
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


