"""What can be found of an archive without its directory: manifests, which say where they lie, and members by their headers.

Nothing here trusts a header alone: a manifest has to be whole and to name its own place, so that one inside a member (an
archive in an archive) is not taken for it, and a member's bytes have to have the CRC that its header states. The chain of
headers is followed from a known beginning and ends where it breaks; beyond a break headers can't be told from those of
an archive inside a member.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from film_archive.archive import directory, layout, sealing, zipformat, zipreading
from film_archive.archive.entries import entry_of, original_of, role_of_path
from film_archive.archive.reader import manifest_chunks
from film_archive.archive.zipformat import Entry
from film_archive.archive.zipreading import End, LocalHeader
from film_archive.core.digest import KEY, MultiHasher, read_ahead
from film_archive.core.errors import FilmArchiveError, NotSupported
from film_archive.core.manifest import Header, read_manifest
from film_archive.core.member import Member, Role
from film_archive.core.source import ByteSource, MemorySource, printable

_NAME = layout.MANIFEST.encode()
_WINDOW = 1 << 24
_HEADER_WINDOW = 1 << 17
_TAIL = 1 << 17


@dataclass(frozen=True, slots=True)
class FoundManifest:
    """A whole manifest: its first line, its entry, and where its payload lies."""

    header: Header
    entry: Entry
    payload: int

    @property
    def end(self) -> int:
        """Where the directory that belongs to it begins."""
        return self.payload + self.entry.packed_size

    def members(self, source: ByteSource) -> Iterator[Member]:
        return read_manifest(manifest_chunks(source.slice(self.payload, self.entry.packed_size), self.entry))[1]


def last_manifest(source: ByteSource, behind: int = 0) -> FoundManifest | None:
    """The last manifest behind a place in the file that is whole and lies where it says that it lies."""
    upper, budget = source.size, 2 * source.size + _WINDOW
    while upper > behind:
        lower = max(behind, upper - _WINDOW)
        data = source.read_at(lower, min(source.size, upper + len(_NAME) - 1) - lower)
        at = data.rfind(_NAME)
        while at >= 0 and budget > 0:
            header = _header_at(source, lower + at - zipformat.LOCAL_SIZE)
            if header is not None and header.name == _NAME:
                budget -= header.packed_size or 0
                found = _proven(source, header, lower + at - zipformat.LOCAL_SIZE)
                if found is not None:
                    return found
            at = data.rfind(_NAME, 0, at)
        upper = lower
    return None


def manifest_named_by(source: ByteSource, end: End) -> FoundManifest | None:
    """The manifest that a directory names, if it is whole but for its local header."""
    entry = directory.manifest_entry(source, end)
    if entry is None or end.prefix:
        return None
    payload = directory.payload_as_we_write(entry)
    return manifest_at(source, payload, entry.crc32, entry.packed_size, entry.size)


def manifest_at(source: ByteSource, payload: int, crc32: int, packed_size: int, size: int) -> FoundManifest | None:
    """The manifest with its payload there, if it is whole and says that it lies there."""
    header_offset = payload - zipformat.header_length(sealing.manifest_entry(0, crc32, packed_size, size), payload)
    if header_offset < 0 or payload + packed_size > source.size:
        return None
    entry = sealing.manifest_entry(header_offset, crc32, packed_size, size)
    try:
        stated, members = read_manifest(manifest_chunks(source.slice(payload, packed_size), entry))
        if stated.offset != payload:
            return None
        for _ in members:  # to the end, where its CRC is compared
            pass
    except FilmArchiveError:
        return None
    return FoundManifest(stated, entry, payload)


def _proven(source: ByteSource, header: LocalHeader, position: int) -> FoundManifest | None:
    if header.size is None or header.packed_size is None or header.method != zipformat.DEFLATED:
        return None
    return manifest_at(source, position + header.length, header.crc32, header.packed_size, header.size)


def _header_at(source: ByteSource, position: int) -> LocalHeader | None:
    if position < 0:
        return None
    header = zipreading.parse_local_header(source.read_at(position, _HEADER_WINDOW))
    return None if header is None else _with_time(header, position)


# The chain of local headers


@dataclass(frozen=True, slots=True)
class Broken:
    """A member, or a place, where the chain shows damage."""

    path: str
    what: str


@dataclass(frozen=True, slots=True)
class Chain:
    """Members found by their local headers, one behind the other."""

    members: tuple[Member, ...]
    """Whole ones, their bytes proven by the CRC; of two with one path the later one."""
    broken: tuple[Broken, ...]
    saw_manifest: bool
    """Whether the chain came to a manifest: a generation was finished, or nearly, behind these members."""

    @property
    def originals(self) -> int:
        """How many whole originals it has."""
        return sum(member.role == Role.ORIGINAL for member in self.members)


def follow_headers(source: ByteSource, start: int = 0) -> Chain:
    """Follow the local headers from `start`, stepping over older generations' directories, until the chain breaks."""
    members: dict[str, Member] = {}
    broken: list[Broken] = []
    saw_manifest = False
    position = start
    while position < source.size:
        step = _next_header(source, position)
        if step is None:
            break
        at, before = step
        header = _header_at(source, at)
        if header is None or header.size is None or header.packed_size is None:
            broken.append(Broken(f"byte {at}", "a local header is damaged; what stood behind it is not found"))
            break
        if not _is_where_we_write(header, at, before):
            break  # that of an archive inside a half-written member
        payload = at + header.length
        path = header.name.decode("utf-8", "replace")
        if at and layout.is_mark(path, header.size, header.crc32):
            what = "another archive begins here: its bytes stay in the file, from here on, and are not looked at"
            broken.append(Broken(f"byte {at}", what))
            break
        if payload + header.packed_size > source.size:
            there = max(0, source.size - payload)
            broken.append(Broken(printable(path), f"only {there} of its {header.packed_size} bytes are there"))
            break
        position = payload + header.packed_size
        if header.name == _NAME:
            saw_manifest = True
            continue
        found = _member_at(source, header, path, at)
        if isinstance(found, Broken):
            broken.append(found)
        else:
            members.pop(found.path, None)
            members[found.path] = found
    return Chain(tuple(members.values()), tuple(broken), saw_manifest)


def _begins_as_add(source: ByteSource, behind: int) -> bool:
    """Whether what stands behind an archive's end can be the beginning of an add: a local header, or where one is to go.

    A payload is written before its header, so that zeros stand there until the first member is whole. A header at the very
    beginning is no payload of ours, so it has to be one that an add writes there: not another zip, put behind this one.
    """
    window = source.read_at(behind, 2 * zipformat.ALIGNMENT)
    if window.startswith(zipformat.LOCAL_SIGNATURE):
        return _is_of_add(source, behind)
    stripped = window.lstrip(b"\0")
    zeros = len(window) - len(stripped)
    return not stripped or zeros > zipformat.LOCAL_SIZE or stripped.startswith(zipformat.LOCAL_SIGNATURE)


def _is_of_add(source: ByteSource, behind: int) -> bool:
    """Whether the local header there can be an add's first; one that the file ends in can."""
    header = _header_at(source, behind)
    if header is None:
        return source.size - behind < _HEADER_WINDOW
    path = header.name.decode("utf-8", "replace")
    return _is_where_we_write(header, behind, behind) and not layout.is_mark(path, header.size, header.crc32)


def unfinished_add(source: ByteSource, behind: int) -> Chain | None:
    """What stands behind an archive's end, if it can be an add that was killed before it wrote its manifest.

    A finished generation of which the end is missing looks the same: only the journal beside the archive tells them apart.
    """
    if not _begins_as_add(source, behind) or last_manifest(source, behind) is not None:
        return None
    chain = follow_headers(source, behind)
    return None if chain.saw_manifest or _has_directory_entry(source, behind) else chain


def _has_directory_entry(source: ByteSource, behind: int) -> bool:
    """Whether, near the end, there is the last entry of a directory that was written behind that place of this very file."""
    start = max(behind, source.size - _TAIL)
    tail = source.read_at(start, _TAIL)
    at = tail.rfind(_NAME)
    while at >= 0:
        entry = zipreading.entry_at(tail, at - zipformat.CENTRAL_SIZE)
        if entry is not None and entry.header_offset >= behind:
            directory_offset = directory.payload_as_we_write(entry) + entry.packed_size
            if source.read_at(directory_offset, 4) == zipformat.CENTRAL_SIGNATURE:
                return True
        at = tail.rfind(_NAME, 0, at)
    return False


def _with_time(header: LocalHeader, at: int) -> LocalHeader:
    """The header with the time that our writer had, as far as that can be known."""
    numbers = (header.packed_size or 0, header.size or 0, at, header.mtime)
    entry = Entry(header.name, header.method, header.crc32, *numbers, mode=0)
    wanted = zipformat.header_length(entry, at + header.length)
    return replace(header, mtime=zipformat.time_as_written(header.mtime, header.length, wanted))


def _is_where_we_write(header: LocalHeader, at: int, position: int) -> bool:
    """Whether a header stands where our writer puts that of a member behind `position`, and is as long."""
    size, packed_size = header.size or 0, header.packed_size or 0
    return any(
        zipformat.place(position, header.name, size, packed_size, header.mtime, aligned=aligned) == (at, at + header.length)
        for aligned in (False, True)
    )


def _next_header(source: ByteSource, position: int) -> tuple[int, int] | None:
    """(place of the next local header, where what stands before it ends): behind zeros only, or behind an older directory."""
    while True:
        window = source.read_at(position, 2 * zipformat.ALIGNMENT)
        stripped = window.lstrip(b"\0")
        start = position + len(window) - len(stripped)
        if stripped.startswith(zipformat.LOCAL_SIGNATURE):
            return start, position
        if not stripped.startswith((zipformat.CENTRAL_SIGNATURE, zipformat.END_SIGNATURE, zipformat.END64_SIGNATURE)):
            return None
        behind = _behind_directory(source, start)
        if behind is None:
            return None
        position = behind


def _behind_directory(source: ByteSource, start: int) -> int | None:
    """Where the directory of ours that begins at `start` ends, with its end records."""
    position = start
    while position < source.size:
        data = source.read_at(position, _WINDOW)
        at = data.find(zipformat.END_SIGNATURE)
        while at >= 0:
            end = directory.end_at(source, position + at)
            if end is not None and end.prefix == 0 and end.comment.startswith(directory.SEAL):
                return end.end if end.directory_offset == start else None
            at = data.find(zipformat.END_SIGNATURE, at + 1)
        position += len(data) - 3 if len(data) == _WINDOW else len(data)
    return None


def _member_at(source: ByteSource, header: LocalHeader, path: str, at: int) -> Member | Broken:
    """The member whose header stands there, its bytes proven by the header's CRC."""
    payload = at + header.length
    problem = layout.name_problem(path, folder=True)
    if problem is not None:
        return Broken(printable(path), f"is not brought back under this name: {problem}")
    is_mark = layout.is_mark(path, header.size, header.crc32)
    digests = _digests(source, payload, header.packed_size or 0, is_mark=is_mark).digests()
    crc32 = digests.pop("crc32")
    if header.method != zipformat.STORED or int(crc32, 16) != header.crc32:
        return Broken(printable(path), "its bytes are damaged")
    folder = path.endswith("/")
    mode = 0o755 if folder else 0o644
    member = _bare_member(path, header.size or 0, payload, crc32, None if folder else digests, header.mtime, mode)
    placed = entry_of(member)
    if placed is None or placed[0].header_offset != at:
        return Broken(printable(path), "was written by another program")
    return member


def _digests(source: ByteSource, payload: int, size: int, *, is_mark: bool) -> MultiHasher:
    """CRC-32 and key of a payload; of the format mark those that it has to have: it is written anew where it is damaged."""
    if is_mark:
        source, payload = MemorySource(layout.FORMAT_TEXT), 0
    hasher = MultiHasher(("crc32", KEY))
    for block in read_ahead(source, payload, size):
        hasher.update(block)
    return hasher


def leads_to_member(source: ByteSource, entry: Entry) -> bool:
    """Whether a directory's entry leads to a local header of that name."""
    header = _header_at(source, entry.header_offset)
    return header is not None and header.name == entry.name


def member_of(source: ByteSource, entry: Entry) -> Member | Broken:
    """A member as a directory of ours that has lost its manifest knows it, its bytes proven.

    Raises NotSupported where another program wrote the entry.
    """
    payload = directory.payload_as_we_write(entry)
    if not leads_to_member(source, entry):
        return Broken(printable(entry.path), "is not where the directory says")
    is_mark = layout.is_mark(entry.path, entry.size, entry.crc32)
    hasher = _digests(source, payload, entry.packed_size, is_mark=is_mark)
    digests = hasher.digests()
    whole = int(digests.pop("crc32"), 16) == entry.crc32 and hasher.size == entry.size
    wanted = zipformat.header_length(entry, payload)
    mtime = zipformat.time_as_written(entry.mtime, payload - entry.header_offset, wanted)
    member = _bare_member(
        entry.path,
        entry.size,
        payload,
        f"{entry.crc32:08x}",
        None if entry.is_folder else digests,
        mtime,
        stat.S_IMODE(entry.mode),
    )
    placed = entry_of(member)
    if placed is None or placed[0].header_offset != entry.header_offset or entry.method != zipformat.STORED:
        raise NotSupported(
            f"{source.name} was altered by another program ({printable(entry.path)} is not as we write it); "
            "unpack it and make a new archive of what comes out."
        )
    return member if whole else Broken(printable(entry.path), "its bytes are damaged")


def _bare_member(
    path: str, size: int, payload: int, crc32: str, digests: Mapping[str, str] | None, mtime: int, mode: int
) -> Member:
    folder = path.endswith("/")
    return Member.make(
        path.rstrip("/"),
        Role.FOLDER if folder else role_of_path(path),
        size,
        offset=payload,
        crc32=crc32,
        digests=digests,
        mtime_ns=mtime * 10**9,
        mode=mode,
        of=original_of(path),
    )
