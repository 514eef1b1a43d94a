"""Finding a zip's directory: at the end of the file, or, in an archive caught in the middle of an `add`, further back.

Our end record carries a comment, `film-archive 1 ` and an XXH3-128: the *seal*. It covers the manifest (the last member, from
its local header on) and the directory right behind it. Where it holds, both are as they were written, and the manifest can
be believed in all it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from film_archive.archive import layout, packing, zipformat, zipreading
from film_archive.archive.zipformat import Entry
from film_archive.archive.zipreading import End
from film_archive.core.digest import KEY, MultiHasher, read_ahead
from film_archive.core.errors import Damaged, NotFound, NotSupported
from film_archive.core.source import ByteSource, SliceSource, printable

SEAL = b"film-archive 1 "
_TAIL = zipformat.END_SIZE + zipformat.LOCATOR_SIZE + 0xFFFF
_SCAN = 1 << 24
_LAST_ENTRY = 256
"""More than the manifest's directory entry takes."""
_MOST_CANDIDATES = 1_000_000
_MOST_ENTRIES = 4 * layout.MOST_MEMBERS


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
    """The newest whole directory of a zip; raises NotFound where there is no zip, Damaged where its directory is lost.

    A zip may stand behind other bytes (a self-extractor's program), but not behind the beginning of a zip: an end record
    that is counted from a later place is that of an archive inside a member, and is never taken for this one's.
    """
    head = source.read_at(0, zipformat.ALIGNMENT)
    ours = begins_as_ours(head)
    may_be_prefixed = not ours and not head.startswith(zipformat.LOCAL_SIGNATURE)
    tail_start = max(0, source.size - _TAIL)
    tail = source.read_at(tail_start, _TAIL)
    if not ours:
        _refuse_split(source, head, tail)
    ends = [end for end in _ends(source, tail, tail_start) if may_be_prefixed or end.prefix == 0]
    for end in ends:
        if end.end == source.size:
            marked = end.comment.startswith(SEAL)
            return Directory(end, marked and end.prefix == 0 and _seal_holds(source, end), marked, 0)
    if ours:
        behind = _scan_back(source)
        if behind is not None:
            return behind
    for end in ends:  # a foreign zip with something appended
        return Directory(end, False, False, source.size - end.end)
    if may_be_prefixed:
        if not source.size:
            raise NotFound(f"{source.name} is empty (0 bytes), so it is no archive; copy it again from where it came.")
        raise NotFound(
            f"{source.name} is not an archive: it neither begins nor ends as one; `create` makes archives, "
            "and `probe` looks at media."
        )
    if not ours:
        raise Damaged(
            f"{source.name} is a zip of another program, and its directory is lost: its end is missing or damaged; copy it again "
            "from where it came."
        )
    raise Damaged(f"{source.name} has no whole directory: its end is lost or damaged; try `repair`.")


_SPLIT_MARK = b"PK\7\x08"
"""With what the first of the files begins over which a zip was split (8.5.4)."""
_SPLIT_NAME = re.compile(r".+\.(z\d{2,}|zip\.\d{3})", re.IGNORECASE | re.ASCII)


def _refuse_split(source: ByteSource, head: bytes, tail: bytes) -> None:
    """Raise NotSupported for one of the files over which another program has split a zip: none of them is one by itself."""
    count = zipreading.volumes(tail)
    if count > 1:
        what = f"is the last of {count} files over which a zip was split"
    elif head.startswith(_SPLIT_MARK) or _SPLIT_NAME.fullmatch(source.name):
        what = "is one of the files over which a zip was split"
    else:
        return
    raise NotSupported(f"{source.name} {what}; join them again with the program that made them, or unpack them with `7z x`.")


def begins_as_ours(head: bytes) -> bool:
    """Whether a file's first bytes are our format mark; one flipped byte in them does not matter."""
    return layout.FORMAT.encode() in head[:256] or layout.FORMAT_TEXT[:64] in head


def _ends(source: ByteSource, tail: bytes, tail_start: int) -> Iterator[End]:
    """The end records in the last bytes of a file that a directory stands before, from the last one on."""
    position = tail.rfind(zipformat.END_SIGNATURE)
    while position >= 0:
        end = _read_end(source, tail, position, tail_start)
        if end is not None and _looks_right(source, end):
            yield end
        position = tail.rfind(zipformat.END_SIGNATURE, 0, position)


def _scan_back(source: ByteSource) -> Directory | None:
    """The last sealed directory whose seal holds, anywhere in the file.

    Only one that is counted from the file's beginning is looked at, so that an archive inside a member is not taken for
    this one. How much is hashed on the way is bounded, whatever stands in the file.
    """
    overlap = zipformat.END_SIZE + len(SEAL) + 32
    upper, candidates, budget = source.size, 0, 2 * source.size
    while upper > 0:
        lower = max(0, upper - _SCAN)
        data = source.read_at(lower, min(upper + overlap, source.size) - lower)
        position = data.rfind(zipformat.END_SIGNATURE, 0, upper - lower + 3)
        while position >= 0 and candidates < _MOST_CANDIDATES and budget > 0:
            if data.startswith(SEAL, position + zipformat.END_SIZE):
                candidates += 1
                end = _read_end(source, data, position, lower)
                if end is not None and end.prefix == 0:
                    budget -= end.directory_size
                    if _seal_holds(source, end):
                        return Directory(end, True, True, source.size - end.end)
            position = data.rfind(zipformat.END_SIGNATURE, 0, position)
        upper = lower
    return None


def _read_end(source: ByteSource, data: bytes, at: int, data_start: int) -> End | None:
    parsed = zipreading.parse_end(data, at)
    if parsed is None:
        return None
    count, size, offset, comment = parsed
    position = data_start + at
    directory_end = position
    locator_at = position - zipformat.LOCATOR_SIZE
    if locator_at >= 0:
        end64_at = zipreading.parse_locator(source.read_at(locator_at, zipformat.LOCATOR_SIZE))
        if end64_at is not None:
            found = _read_end64(source, end64_at, locator_at)
            if found is None:
                return None
            directory_end, (count64, size64, offset64) = found
            count = count64 if count == 0xFFFF else count
            size = size64 if size == zipformat.MAX32 else size
            offset = offset64 if offset == zipformat.MAX32 else offset
    prefix = directory_end - size - offset
    if prefix < 0 or size > layout.LARGEST_DIRECTORY or count * zipformat.CENTRAL_SIZE > size:
        return None
    length = zipformat.END_SIZE + len(comment)
    return End(position, length, count, directory_end - size, size, comment, prefix)


def end_at(source: ByteSource, position: int) -> End | None:
    """The end record at a place of a file, if a directory can stand before it."""
    return _read_end(source, source.read_at(position, zipformat.END_SIZE + 0xFFFF), 0, position)


def _read_end64(source: ByteSource, said: int, locator_at: int) -> tuple[int, tuple[int, int, int]] | None:
    """(where the ZIP64 end record is, what it says): where it is said to be, else right before its locator."""
    for place in (said, locator_at - zipformat.END64_SIZE):
        if 0 <= place <= locator_at - zipformat.END64_SIZE:
            parsed = zipreading.parse_end64(source.read_at(place, zipformat.END64_SIZE))
            if parsed is not None:
                return place, parsed
    return None


def _looks_right(source: ByteSource, end: End) -> bool:
    if end.count == 0:
        return end.directory_size == 0
    return source.read_at(end.directory_offset, 4) == zipformat.CENTRAL_SIGNATURE


def _seal_holds(source: ByteSource, end: End) -> bool:
    manifest = manifest_entry(source, end)
    if manifest is None or payload_as_we_write(manifest) + manifest.packed_size != end.directory_offset:
        return False
    hasher = MultiHasher()
    region_end = end.directory_offset + end.directory_size
    for block in read_ahead(source, manifest.header_offset, region_end - manifest.header_offset):
        hasher.update(block)
    return end.comment == seal(hasher.digests()[KEY])


def payload_as_we_write(entry: Entry) -> int:
    """Where one of our members' payload begins: local and central extra fields are of one length."""
    return entry.header_offset + zipformat.LOCAL_SIZE + len(entry.name) + entry.extra_length


def manifest_entry(source: ByteSource, end: End) -> Entry | None:
    """The directory's last entry, if that is a manifest of ours."""
    size = min(end.directory_size, _LAST_ENTRY)
    tail = source.read_at(end.directory_offset + end.directory_size - size, size)
    start = tail.rfind(layout.MANIFEST.encode()) - zipformat.CENTRAL_SIZE
    if start < 0:
        return None
    try:
        (entry,) = zipreading.iterate_directory((tail[start:],), 1, end.prefix)
    except Damaged:
        return None
    return entry if entry.name == layout.MANIFEST.encode() else None


def read_entries(source: ByteSource, end: End) -> Iterator[Entry]:
    """The directory's entries, in its order. Raises NotSupported where there are more than any program of ours writes."""
    if end.count > _MOST_ENTRIES:
        raise NotSupported(f"{source.name} has {end.count} members; up to {_MOST_ENTRIES} are read.")
    pieces = packing.steps(SliceSource(source, end.directory_offset, end.directory_size, source.name))
    ours = begins_as_ours(source.read_at(0, zipformat.ALIGNMENT))
    try:
        yield from zipreading.iterate_directory(pieces, end.count, end.prefix, local_times=not ours)
    except Damaged as error:
        hint = "Run `repair`, or `check` to see what is whole." if ours else "Copy it again from where it came."
        raise Damaged(f"{source.name}: {error} {hint}") from error


def mentions_manifest(source: ByteSource, end: End) -> bool:
    """Whether the path of a manifest of ours stands anywhere in the directory; most other programs' zips end here."""
    wanted, before = layout.MANIFEST.encode(), b""
    for piece in packing.steps(SliceSource(source, end.directory_offset, end.directory_size, source.name)):
        if wanted in before + piece:
            return True
        before = piece[-len(wanted) :]
    return False


class HeaderSource(ByteSource):
    """A zip whose local headers are read one after the other: those of small members many at once."""

    _WINDOW = 1 << 16
    _NEAR = 1 << 13
    """Where the next header is nearer than this, more than one is read."""

    def __init__(self, source: ByteSource) -> None:
        self.name, self.size = source.name, source.size
        self._source = source
        self._start = 0
        self._window = b""

    def expect(self, entry: Entry) -> None:
        """Have the header of a member at hand, and those behind it where they are near."""
        start, size = entry.header_offset, entry.packed_size
        if size < self._NEAR and not self._start <= start <= self._start + len(self._window) - self._NEAR:
            self._start, self._window = start, self._source.read_at(start, self._WINDOW)

    def read_at(self, offset: int, length: int) -> bytes:
        at = offset - self._start
        if at >= 0 and at + length <= len(self._window):
            return self._window[at : at + length]
        return self._source.read_at(offset, length)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        return self._source.read_into(offset, buffer)


def payload_offset(source: ByteSource, entry: Entry) -> int:
    """Where a member's bytes begin, from its local header; raises Damaged where that is not the one of this member.

    What the local header leaves at zero is not compared: a descriptor behind the payload has it then, or nobody.
    """
    stored = entry.stored_name
    fixed = source.read_at(entry.header_offset, zipformat.LOCAL_SIZE + len(stored))
    is_whole = len(fixed) == zipformat.LOCAL_SIZE + len(stored) and fixed.startswith(zipformat.LOCAL_SIGNATURE)
    if not is_whole or fixed[zipformat.LOCAL_SIZE :] != stored:
        raise Damaged(f"{source.name}: the header of {printable(entry.path)} is not where the directory says.")
    *_, crc, packed, size, name_length, extra_length = zipformat.LOCAL.unpack_from(fixed)
    for said, known in ((crc, entry.crc32), (packed, entry.packed_size), (size, entry.size)):
        if said not in (known, 0, zipformat.MAX32):
            raise Damaged(f"{source.name}: the header of {printable(entry.path)} contradicts the directory.")
    if name_length != len(stored):
        raise Damaged(f"{source.name}: the header of {printable(entry.path)} has another name than the directory says.")
    offset: int = entry.header_offset + zipformat.LOCAL_SIZE + name_length + extra_length
    if offset + entry.packed_size > source.size:
        raise Damaged(f"{source.name}: {printable(entry.path)} reaches beyond the end of the file.")
    return offset
