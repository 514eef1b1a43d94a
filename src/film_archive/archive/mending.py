"""The writing that `repair` does: local headers and gaps as they should be, a directory behind its manifest, a new generation.

Everything is written to an open file by functions that can be run again after a kill. Bytes of members are never among what
is written, but for those of the format mark, which are the same in every archive.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from film_archive.archive import layout, sealing, zipformat
from film_archive.archive.entries import entries_of, gaps_between, is_zero, naming_others
from film_archive.archive.reader import ZipArchive
from film_archive.archive.salvage import FoundManifest
from film_archive.archive.zipformat import Entry
from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher, read_ahead
from film_archive.core.errors import Damaged
from film_archive.core.manifest import Header, Superseded, archive_id, member_line
from film_archive.core.member import Member
from film_archive.core.source import ByteSource, FileSource, printable


@contextmanager
def editing(path: Path, needed: Callable[[], int] = lambda: 4096) -> Iterator[int]:
    """The archive file, open for mending; what was written is durable when the block is left.

    `needed` tells how many bytes have to be written, about, where the disk is full.
    """
    state = "no member was touched; run `repair` again when there is room"
    with files.explaining(f"repair {printable(path)}", needed=needed, folder=path.parent, state=state):
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            yield descriptor
            files.sync(descriptor)
        finally:
            os.close(descriptor)


def cut_off(path: Path, size: int) -> None:
    with editing(path) as descriptor:
        os.ftruncate(descriptor, size)


@dataclass(frozen=True, slots=True)
class Patch:
    """Bytes that do not stand where they should, outside of any member's own."""

    offset: int
    wanted: bytes
    would: str
    """What mending them is, as an order."""
    done: str
    """The same as a report."""

    def write(self, descriptor: int) -> str:
        files.write_at(descriptor, self.wanted, self.offset)
        return self.done


def damaged_headers(source: ByteSource, entries: Iterable[tuple[Entry, int]]) -> Iterator[Patch]:
    """Those local headers that are not as they should be, and the format mark, the one payload that is always the same.

    Raises Damaged for what is said to lie behind the file's end: nothing is written there, the file would become as long.
    """
    for entry, payload in entries:
        if payload + entry.packed_size > source.size:
            raise Damaged(f"The manifest says of {printable(entry.path[:80])} what can't be: it would lie behind the file's end.")
        wanted = zipformat.local_header(entry, payload)
        if source.read_at(entry.header_offset, len(wanted)) != wanted:
            name = printable(entry.path)
            would, done = f"write the local header of {name} anew", f"Wrote the local header of {name} anew."
            yield Patch(entry.header_offset, wanted, would, done)
        is_mark = layout.is_mark(entry.path, entry.size, entry.crc32) and entry.packed_size == entry.size
        if is_mark and source.read_at(payload, entry.size) != layout.FORMAT_TEXT:
            yield Patch(payload, layout.FORMAT_TEXT, "write the format mark anew", "Wrote the format mark anew.")


def mend_headers(descriptor: int, source: ByteSource, entries: Iterable[tuple[Entry, int]]) -> Iterator[str]:
    """Write anew those local headers that are not as they should be; a sentence for each."""
    for patch in damaged_headers(source, entries):
        yield patch.write(descriptor)


def sealed_damage(archive: ZipArchive) -> Iterator[Patch]:
    """What is wrong with the local headers and gaps of a sealed archive."""
    manifest = archive.manifest_entry
    header = archive.require_manifest("be repaired")
    if manifest is None or header.offset is None:
        raise Damaged(f"{archive.name}: the manifest does not say where it lies; nothing was changed.")
    if sum(region.length for region in header.superseded) > archive.file.size:
        raise Damaged(f"{archive.name}: the manifest lists more superseded bytes than the file has.")
    entries = [placed for member in archive.members() for placed in entries_of(member)]
    yield from damaged_headers(archive.file, [*entries, (manifest, header.offset)])
    regions = [(entry.header_offset, payload + entry.packed_size) for entry, payload in entries]
    regions.append((manifest.header_offset, archive.directory.end.end))
    regions.extend((region.offset, region.offset + region.length) for region in header.superseded)
    for start, end in gaps_between(regions):
        if end - start <= zipformat.LONGEST_GAP and not is_zero(archive.file.read_at(start, end - start)):
            what = f"the gap from byte {start} to {end} zero again"
            yield Patch(start, bytes(end - start), f"make {what}", f"Made {what}.")


def has_unused_changes(archive: ZipArchive) -> bool:
    """Whether bytes that no member uses are not what the manifest says of them."""
    return any(
        digest_of_region(archive.file, region.offset, region.length) != region.xxh128
        for region in archive.require_manifest("be repaired").superseded
    )


def mend_sealed(path: Path) -> tuple[list[str], bool]:
    """Local headers and gaps of a sealed archive; (sentences, whether bytes that no member uses had changed)."""
    with ZipArchive(path) as archive, editing(path) as descriptor:
        done = [patch.write(descriptor) for patch in sealed_damage(archive)]
        changed = has_unused_changes(archive)
    return done, changed


def write_directory_of(path: Path, found: FoundManifest) -> list[str]:
    """Write the directory that belongs to a manifest right behind it, and those local headers that are not as they should be."""
    with FileSource(path) as source, editing(path) as descriptor:

        def entries() -> Iterator[tuple[Entry, int]]:
            for member in found.members(source):
                yield from entries_of(member)

        done = list(mend_headers(descriptor, source, entries()))
        done += mend_headers(descriptor, source, [(found.entry, found.payload)])
        sealing.write_directory(descriptor, entries(), found.entry, found.payload)
    return [f"Built the directory of generation {found.header.generation} from its manifest.", *done]


def directory_size(source: ByteSource, found: FoundManifest) -> int:
    """How many bytes the directory and end records that belong to a manifest have."""
    total, count = len(zipformat.central_header(found.entry, found.payload)), 1
    for member in found.members(source):
        for entry, payload in entries_of(member):
            total += len(zipformat.central_header(entry, payload))
            count += 1
    return total + len(zipformat.end_records(count, found.end, total, sealing.blank_seal()))


def write_generation(path: Path, base: Header | None, members: Sequence[Member], *, rebuilt: bool) -> list[str]:
    """Write a new manifest and directory behind all that is in the file; what no member uses is listed as superseded."""
    def needed() -> int:
        return sum(2 * len(member_line(member)) for member in members)

    with FileSource(path) as source, editing(path, needed) as descriptor, _cut_back(descriptor, source.size):
        entries = [placed for member in members for placed in entries_of(member)]
        done = list(mend_headers(descriptor, source, entries))
        files.sync(descriptor)
        regions = [(entry.header_offset, payload + entry.packed_size) for entry, payload in entries]
        unused = tuple(_unused(source, [*regions, (source.size, source.size)]))

        def lines() -> Iterator[bytes]:
            return (member_line(member) for member in naming_others(lambda: members))

        def make(offset: int) -> Header:
            return _header(base, members, offset, unused, rebuilt=rebuilt)

        header, size = sealing.manifest_of(make, source.size, sum(map(len, lines())))
        manifest, payload = sealing.write_manifest(descriptor, source.size, _chain(header.to_line(), lines()), size)
        files.sync(descriptor)
        sealing.write_directory(descriptor, entries, manifest, payload)
    return done


@contextmanager
def _cut_back(descriptor: int, size: int) -> Iterator[None]:
    """Where the block fails nothing stays behind what the file had."""
    try:
        yield
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def digest_of_region(source: ByteSource, offset: int, length: int) -> str | None:
    """XXH3-128 of a region; None where it is not in the file."""
    if offset + length > source.size:
        return None
    hasher = MultiHasher()
    for block in read_ahead(source, offset, length):
        hasher.update(block)
    return hasher.digests()[KEY]


def _unused(source: ByteSource, regions: list[tuple[int, int]]) -> Iterator[Superseded]:
    for start, end in gaps_between(regions):
        if end - start <= zipformat.LONGEST_GAP and is_zero(source.read_at(start, end - start)):
            continue
        yield Superseded(offset=start, length=end - start, xxh128=digest_of_region(source, start, end - start) or "")


def _header(
    base: Header | None, members: Sequence[Member], offset: int, unused: tuple[Superseded, ...], *, rebuilt: bool
) -> Header:
    found = Header(archive_id="") if base is None else base
    if base is None:
        identity = archive_id([(member.path, member.digests) for member in members if member.is_original])
        found = replace(found, archive_id=identity, more={})
    return replace(
        found,
        generation=found.generation + (2 if rebuilt else 1),  # a generation was lost, or its number is not known
        members=len(members),
        bytes=sum(member.size for member in members),
        offset=offset,
        tool="film-archive repair",
        superseded=unused,
        more={**found.more, "rebuilt": True} if rebuilt else found.more,
    )


def _chain(first: bytes, others: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from others
