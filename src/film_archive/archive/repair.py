"""Mending an archive's structure: the newest whole generation is made the archive again.

Three ways back, tried in this order:

1. A manifest that no directory follows: it says of itself where it lies, so that one inside a member is not taken for it. It
   was written after all members were durable, so directory and damaged local headers follow from its lines.
2. A sealed directory, perhaps before the end: damaged local headers are written anew, and what stands behind the end (an
   unfinished add) is cut off.
3. Neither: the chain of local headers is walked from the start; whole members (their CRC holds) become a new archive's, and
   what stood behind the first break is named as lost.

Members' bytes are never changed, and what a newer generation had dropped is not brought back: without a manifest it is
unknown what was dropped, so the report says which members were found and not that they were the last state.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from film_archive.archive import directory, layout, writer, zipformat
from film_archive.archive.check import Problem
from film_archive.archive.reader import ZipArchive, inflate_checked, original_of, role_of_path
from film_archive.archive.writer import EPOCH_NS, entries_of
from film_archive.archive.zipformat import Entry
from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher, read_ahead
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, NotSupported
from film_archive.core.manifest import Header, Member, Role, archive_id, read_manifest
from film_archive.core.source import ByteSource, FileSource, printable

_WINDOW = 1 << 24
_HEADER_WINDOW = 1 << 17


@dataclass(frozen=True, slots=True)
class RepairResult:
    """What was done. `generation` is the one that the archive has now."""

    done: tuple[str, ...]
    """Each one sentence; empty where nothing was wrong."""
    lost: tuple[Problem, ...]
    generation: int
    members: int


@dataclass(frozen=True, slots=True)
class _Found:
    """A manifest found without a directory: its header, its place, and its entry."""

    header: Header
    entry: Entry
    payload: int


def plan_repair(path: Path) -> str:
    """What `repair_archive` would do, in one sentence; reads, changes nothing."""
    with FileSource(path) as source:
        return _diagnose(source)[0]


def repair_archive(path: Path) -> RepairResult:
    """Mend a zip archive's structure in place; raises Damaged where there is nothing to build on."""
    if path.is_dir():
        raise NotSupported(f"{printable(path)} is a folder; its manifest is made again with `create --in-place`.")
    with FileSource(path) as source:
        _, found = _diagnose(source)
        done: list[str] = []
        lost: list[Problem] = []
        if isinstance(found, directory.Directory):
            if found.trailing:
                _truncate(path, found.end.end)
                done.append(f"Cut off {found.trailing} bytes of an unfinished add.")
            done.extend(_mend_headers(path))
        elif isinstance(found, _Found):
            done.extend(_rebuild_from_manifest(path, source, found))
        else:
            lost.extend(_rebuild_from_headers(path, source, found))
            done.append(f"Built directory and manifest anew from {len(found.members)} members that were whole.")
    if writer.abandon(path):
        done.append("Removed the working files of an unfinished run.")
    with ZipArchive(path) as archive:
        header = archive.require_manifest("be repaired")
        return RepairResult(tuple(done), tuple(lost), header.generation, header.members)


def _diagnose(source: ByteSource) -> tuple[str, directory.Directory | _Found | _Walk]:
    try:
        found = directory.find_directory(source)
    except (NotFound, Damaged):
        found = None
    sealed = found is not None and found.sealed
    manifest = _find_manifest(source, found.end.end if found is not None and sealed else 0)
    if manifest is None and found is not None and not sealed:
        manifest = _manifest_of(source, found)
    if found is not None and sealed and manifest is None:
        return f"cut off {found.trailing} bytes behind the end" if found.trailing else "mend local headers", found
    if manifest is not None:
        return f"build the directory from the manifest of generation {manifest.header.generation}", manifest
    if found is not None and found.end.count and not source.read_at(0, 4096).count(layout.FORMAT.encode()):
        raise NotSupported(f"{source.name} is a zip that another program made; `repair` mends only archives of ours.")
    walk = _walk(source)
    if all(member.role == Role.STRUCTURE for member in walk.members):
        raise Damaged(f"{source.name} has no directory, no manifest and no whole member; nothing can be rebuilt from it.")
    return f"build directory and manifest from {len(walk.members)} whole members", walk


# 1. From the manifest


def _find_manifest(source: ByteSource, behind: int) -> _Found | None:
    """The last manifest behind a place in the file that is whole and lies where it says that it lies."""
    name = layout.MANIFEST.encode()
    upper = source.size
    while upper > behind:
        lower = max(behind, upper - _WINDOW)
        data = source.read_at(lower, min(source.size, upper + len(name)) - lower)
        at = data.rfind(name)
        while at >= 0:
            found = _manifest_at(source, lower + at - zipformat.LOCAL_SIZE)
            if found is not None:
                return found
            at = data.rfind(name, 0, at)
        upper = lower
    return None


def _manifest_at(source: ByteSource, position: int) -> _Found | None:
    if position < 0:
        return None
    header = zipformat.parse_local_header(source.read_at(position, _HEADER_WINDOW))
    if header is None or header.name != layout.MANIFEST.encode() or header.size is None or header.packed_size is None:
        return None
    payload = position + header.length
    if payload + header.packed_size > source.size:
        return None
    entry = Entry(
        header.name, header.method, header.crc32, header.packed_size, header.size, position, header.mtime, 0o100644
    )
    return _proven_manifest(source, entry, payload)


def _manifest_of(source: ByteSource, found: directory.Directory) -> _Found | None:
    """The manifest that an unsealed directory names, where only its own local header is damaged."""
    entry = directory.manifest_entry(source, found.end)
    if entry is None:
        return None
    near = entry.header_offset + zipformat.header_length(entry, entry.header_offset)
    far = entry.header_offset + zipformat.header_length(entry, 1 << 40)
    for payload in {near, far}:
        if payload + entry.packed_size <= source.size:
            manifest = _proven_manifest(source, entry, payload)
            if manifest is not None:
                return manifest
    return None


def _proven_manifest(source: ByteSource, entry: Entry, payload: int) -> _Found | None:
    """The manifest with its payload there, if it is whole and says that it lies there."""
    try:
        stated, members = read_manifest(inflate_checked(source.slice(payload, entry.packed_size), entry))
        for _ in members:  # to the end, where its CRC is compared
            pass
    except FilmArchiveError:
        return None
    return _Found(stated, entry, payload) if stated.offset == payload else None


def _rebuild_from_manifest(path: Path, source: ByteSource, found: _Found) -> list[str]:
    """Write the directory that belongs to a manifest, and those local headers that are not as they should be."""
    done = [f"Built the directory of generation {found.header.generation} from its manifest."]
    packed = source.slice(found.payload, found.entry.packed_size)
    central = bytearray()
    count = 0
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        with files.explaining(f"repair {printable(path)}"):
            members = read_manifest(inflate_checked(packed, found.entry))[1]
            for entry, payload in _all_entries(members, found):
                if _mend_header(descriptor, source, entry, payload):
                    done.append(f"Wrote the local header of {printable(entry.path)} anew.")
                central += zipformat.central_header(entry, payload)
                count += 1
            start = found.payload + found.entry.packed_size
            os.pwrite(descriptor, central, start)
            end = start + len(central)
            hasher = MultiHasher()
            with FileSource(path) as now:
                for block in read_ahead(now, found.entry.header_offset, end - found.entry.header_offset):
                    hasher.update(block)
            tail = zipformat.end_records(count, start, len(central), directory.seal(hasher.digests()[KEY]))
            os.pwrite(descriptor, tail, end)
            os.ftruncate(descriptor, end + len(tail))
            files.sync(descriptor)
    finally:
        os.close(descriptor)
    return done


def _mend_header(descriptor: int, source: ByteSource, entry: Entry, payload: int) -> bool:
    """Write a local header as it should be; False where it is so already."""
    wanted = zipformat.local_header(entry, payload)
    if source.read_at(entry.header_offset, len(wanted)) == wanted:
        return False
    os.pwrite(descriptor, wanted, entry.header_offset)
    return True


def _mend_headers(path: Path) -> Iterator[str]:
    """Write anew those local headers of a sealed archive that are not as its manifest says."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        with files.explaining(f"repair {printable(path)}"), ZipArchive(path) as archive:
            manifest = archive.manifest_entry
            assert manifest is not None
            found = _Found(archive.require_manifest("be repaired"), manifest, directory.payload_offset(archive.file, manifest))
            for entry, payload in _all_entries(archive.members(), found):
                if _mend_header(descriptor, archive.file, entry, payload):
                    yield f"Wrote the local header of {printable(entry.path)} anew."
            files.sync(descriptor)
    finally:
        os.close(descriptor)


def _all_entries(members: Iterator[Member], found: _Found) -> Iterator[tuple[Entry, int]]:
    for member in members:
        yield from entries_of(member)
    yield found.entry, found.payload


# 3. From the local headers


@dataclass(frozen=True, slots=True)
class _Walk:
    """Members found by their headers, how far the chain held, and what was lost."""

    members: tuple[Member, ...]
    end: int
    lost: tuple[Problem, ...]


def _walk(source: ByteSource) -> _Walk:
    members: list[Member] = []
    lost: list[Problem] = []
    position, end = 0, 0
    while position < source.size:
        start = _next_header(source, position)
        if start is None:
            break
        header = zipformat.parse_local_header(source.read_at(start, _HEADER_WINDOW))
        if header is None or header.size is None or header.packed_size is None:
            lost.append(Problem(f"byte {start}", "a local header is damaged; what stood behind it is lost"))
            break
        path = header.name.decode("utf-8", "replace")
        payload = start + header.length
        if payload + header.packed_size > source.size:
            lost.append(Problem(printable(path), f"only {source.size - payload} of its {header.packed_size} bytes are there"))
            break
        position = payload + header.packed_size
        member = _member_at(source, header, path, payload)
        if isinstance(member, Problem):
            lost.append(member)
        elif member is not None:
            members = [other for other in members if other.path != member.path] + [member]
            end = position
    return _Walk(tuple(members), end, tuple(lost))


def _next_header(source: ByteSource, position: int) -> int | None:
    """The next local header: behind zeros only, or behind an older directory, which is stepped over."""
    window = source.read_at(position, 2 * zipformat.ALIGNMENT)
    stripped = window.lstrip(b"\0")
    start = position + len(window) - len(stripped)
    if stripped.startswith(zipformat.LOCAL_SIGNATURE):
        return start
    if not stripped.startswith((zipformat.CENTRAL_SIGNATURE, zipformat.END_SIGNATURE)):
        return None
    while start < source.size:
        data = source.read_at(start, _WINDOW)
        at = data.find(zipformat.END_SIGNATURE)
        if at >= 0:
            parsed = zipformat.parse_end(data[at : at + 4096], 0)
            if parsed is not None and parsed[3].startswith(directory.SEAL):
                return _next_header(source, start + at + zipformat.END_SIZE + len(parsed[3]))
            return None
        start += len(data) - 3 if len(data) == _WINDOW else len(data)
    return None


def _member_at(
    source: ByteSource, header: zipformat.LocalHeader, path: str, payload: int
) -> Member | Problem | None:
    """The member whose header stands there, its bytes proven by the header's CRC; None for an older manifest."""
    if path == layout.MANIFEST:
        return None
    problem = layout.name_problem(path, folder=True)
    if problem is not None:
        return Problem(printable(path), f"is not brought back under this name: {problem}")
    hasher = MultiHasher(("crc32", KEY))
    for block in read_ahead(source, payload, header.packed_size or 0):
        hasher.update(block)
    digests = hasher.digests()
    if header.method != zipformat.STORED or int(digests.pop("crc32"), 16) != header.crc32:
        return Problem(printable(path), "its bytes are damaged")
    folder = path.endswith("/")
    return Member.make(
        path.rstrip("/"),
        Role.FOLDER if folder else role_of_path(path),
        header.size or 0,
        offset=payload,
        crc32=f"{header.crc32:08x}",
        digests=None if folder else digests,
        mtime_ns=header.mtime * 10**9,
        mode=0o755 if folder else 0o644,
        of=original_of(path),
    )


def _rebuild_from_headers(path: Path, source: ByteSource, walk: _Walk) -> tuple[Problem, ...]:
    """Write a manifest and a directory behind the last whole member."""
    present = {member.path for member in walk.members}
    members = [member for member in walk.members if member.of is None or member.of in present]
    identity = archive_id([(member.path, member.digests) for member in members if member.is_original])
    _, payload = zipformat.place(walk.end, layout.MANIFEST.encode(), 0, 0, EPOCH_NS // 10**9, aligned=False)
    header = Header(
        archive_id=identity,
        members=len(members),
        bytes=sum(member.size for member in members),
        offset=payload,
        tool="film-archive repair",
        more={"rebuilt": True},
    )
    from film_archive.core.manifest import member_line

    text = header.to_line() + b"".join(map(member_line, members))
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = deflater.compress(text) + deflater.flush()
    crc = MultiHasher(("crc32",))
    crc.update(text)
    entry = writer.at_payload(
        Entry(
            layout.MANIFEST.encode(),
            zipformat.DEFLATED,
            int(crc.digests()["crc32"], 16),
            len(packed),
            len(text),
            0,
            EPOCH_NS // 10**9,
            0o100644,
        ),
        payload,
    )
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        with files.explaining(f"repair {printable(path)}"):
            os.pwrite(descriptor, bytes(entry.header_offset - walk.end), walk.end)
            os.pwrite(descriptor, zipformat.local_header(entry, payload) + packed, entry.header_offset)
            files.sync(descriptor)
    finally:
        os.close(descriptor)
    with FileSource(path) as now:
        _rebuild_from_manifest(path, now, _Found(header, entry, payload))
    return walk.lost


def _truncate(path: Path, size: int) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        with files.explaining(f"repair {printable(path)}"):
            os.ftruncate(descriptor, size)
            files.sync(descriptor)
    finally:
        os.close(descriptor)
