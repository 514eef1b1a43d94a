"""Finding a zip's directory: at the end of the file, or, in an archive caught in the middle of an `add`, further back.

Our end record carries a comment, `film-archive 1 ` and an XXH3-128: the *seal*. It covers the manifest (the last member, from
its local header on) and the directory right behind it. Where it holds, both are as they were written, and the manifest can
be believed in all it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from film_archive.archive import layout, zipformat
from film_archive.archive.zipformat import End, Entry
from film_archive.core.digest import KEY, MultiHasher, read_ahead
from film_archive.core.errors import Damaged, NotFound
from film_archive.core.source import ByteSource

SEAL = b"film-archive 1 "
_TAIL = zipformat.END_SIZE + zipformat.LOCATOR_SIZE + 0xFFFF
_SCAN = 1 << 24
_LAST_ENTRY = 256
"""More than the manifest's directory entry takes."""
_MAXIMUM_DIRECTORY = 1 << 31


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory that was found: where, and whether it is ours."""

    end: End
    sealed: bool
    """The seal is there and holds."""
    marked: bool
    """The seal is there; where it does not hold, the archive was altered or damaged."""
    trailing: int
    """Bytes behind the end record: an unfinished `add`, or junk."""


def seal(digest: str) -> bytes:
    """The comment that says so."""
    return SEAL + digest.encode()


def find_directory(source: ByteSource) -> Directory:
    """The newest whole directory of a zip; raises NotFound where there is none, Damaged where it contradicts itself."""
    tail_start = max(0, source.size - _TAIL)
    tail = source.read_at(tail_start, _TAIL)
    at_end = _at_end(source, tail, tail_start)
    if at_end is not None:
        return at_end
    behind = _scan_back(source)
    if behind is not None:
        return behind
    position = tail.rfind(zipformat.END_SIGNATURE)
    while position >= 0:  # a foreign zip with something appended
        end = _read_end(source, tail, position, tail_start)
        if end is not None and _looks_right(source, end):
            return Directory(end, False, False, source.size - end.end)
        position = tail.rfind(zipformat.END_SIGNATURE, 0, position)
    raise NotFound(f"{source.name} has no zip directory; it is not an archive, or its end is lost (try `repair`).")


def _at_end(source: ByteSource, tail: bytes, tail_start: int) -> Directory | None:
    position = tail.rfind(zipformat.END_SIGNATURE)
    while position >= 0:
        end = _read_end(source, tail, position, tail_start)
        if end is not None and end.end == source.size and _looks_right(source, end):
            marked = end.comment.startswith(SEAL)
            return Directory(end, marked and _seal_holds(source, end), marked, 0)
        position = tail.rfind(zipformat.END_SIGNATURE, 0, position)
    return None


def _scan_back(source: ByteSource) -> Directory | None:
    """The last sealed directory whose seal holds, anywhere in the file.

    Only a sealed one at its absolute place counts, so that an archive inside a member is not taken for this one.
    """
    overlap = zipformat.END_SIZE + len(SEAL) + 32
    upper = source.size
    while upper > 0:
        lower = max(0, upper - _SCAN)
        data = source.read_at(lower, min(upper + overlap, source.size) - lower)
        position = data.rfind(zipformat.END_SIGNATURE, 0, upper - lower + 4)
        while position >= 0:
            if data[position + zipformat.END_SIZE :].startswith(SEAL):
                end = _read_end(source, data, position, lower)
                if end is not None and end.prefix == 0 and _seal_holds(source, end):
                    return Directory(end, True, True, source.size - end.end)
            position = data.rfind(zipformat.END_SIGNATURE, 0, position)
        upper = lower
    return None


def _read_end(source: ByteSource, data: bytes, at: int, data_start: int) -> End | None:
    parsed = zipformat.parse_end(data, at)
    if parsed is None:
        return None
    count, size, offset, comment = parsed
    position = data_start + at
    directory_end = position
    locator_at = position - zipformat.LOCATOR_SIZE
    if locator_at >= 0:
        end64_at = zipformat.parse_locator(source.read_at(locator_at, zipformat.LOCATOR_SIZE))
        if end64_at is not None:
            found = _read_end64(source, end64_at, locator_at)
            if found is None:
                return None
            directory_end, (count, size, offset) = found
    prefix = directory_end - size - offset
    if prefix < 0 or size > _MAXIMUM_DIRECTORY or count * zipformat.CENTRAL_SIZE > size:
        return None
    length = zipformat.END_SIZE + len(comment)
    return End(position, length, count, directory_end - size, size, comment, prefix)


def _read_end64(source: ByteSource, said: int, locator_at: int) -> tuple[int, tuple[int, int, int]] | None:
    """(where the ZIP64 end record is, what it says): where it is said to be, else right before its locator."""
    for place in (said, locator_at - zipformat.END64_SIZE):
        if 0 <= place <= locator_at - zipformat.END64_SIZE:
            parsed = zipformat.parse_end64(source.read_at(place, zipformat.END64_SIZE))
            if parsed is not None:
                return place, parsed
    return None


def _looks_right(source: ByteSource, end: End) -> bool:
    if end.count == 0:
        return end.directory_size == 0
    return source.read_at(end.directory_offset, 4) == zipformat.CENTRAL_SIGNATURE


def _seal_holds(source: ByteSource, end: End) -> bool:
    manifest = manifest_entry(source, end)
    if manifest is None or not 0 <= manifest.header_offset <= end.directory_offset:
        return False
    hasher = MultiHasher()
    region_end = end.directory_offset + end.directory_size
    for block in read_ahead(source, manifest.header_offset, region_end - manifest.header_offset):
        hasher.update(block)
    return end.comment == seal(hasher.digests()[KEY])


def manifest_entry(source: ByteSource, end: End) -> Entry | None:
    """The directory's last entry, if that is a manifest of ours."""
    size = min(end.directory_size, _LAST_ENTRY)
    tail = source.read_at(end.directory_offset + end.directory_size - size, size)
    start = tail.rfind(layout.MANIFEST.encode()) - zipformat.CENTRAL_SIZE
    if start < 0:
        return None
    try:
        return next(zipformat.iterate_directory(tail[start:], 1, end.prefix))
    except Damaged:
        return None


def read_entries(source: ByteSource, end: End) -> Iterator[Entry]:
    """The directory's entries, in its order."""
    return zipformat.iterate_directory(
        source.read_at(end.directory_offset, end.directory_size), end.count, end.prefix
    )


def payload_offset(source: ByteSource, entry: Entry) -> int:
    """Where a member's bytes begin, from its local header; raises Damaged where that is not the one of this member."""
    fixed = source.read_at(entry.header_offset, zipformat.LOCAL_SIZE + len(entry.name))
    name_length = int.from_bytes(fixed[26:28], "little")
    extra_length = int.from_bytes(fixed[28:30], "little")
    named = fixed[zipformat.LOCAL_SIZE :]
    if not fixed.startswith(zipformat.LOCAL_SIGNATURE) or (name_length == len(entry.name) and named != entry.name):
        raise Damaged(f"{source.name}: the header of {entry.path} is not where the directory says.")
    offset = entry.header_offset + zipformat.LOCAL_SIZE + name_length + extra_length
    if offset + entry.packed_size > source.size:
        raise Damaged(f"{source.name}: {entry.path} reaches beyond the end of the file.")
    return offset
