"""A member's entries in the zip: everything that local header and directory say of it follows from its line in the manifest."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from film_archive.archive import layout, zipformat
from film_archive.archive.zipformat import Entry
from film_archive.core.errors import Damaged
from film_archive.core.member import Member, ProxyRecord, Role
from film_archive.core.source import printable

EPOCH_NS = 315_532_800 * 10**9
"""1 January 1980, the date of what has none of its own: the time of making is not stored."""
_OWN = f"{layout.OWN}/"


def parts_of(member: Member) -> Iterator[Member]:
    """The files of an image sequence, each as a member of its own; of any other member itself."""
    if member.sequence is not None:
        yield from member.frame_members()
    else:
        yield member


def entries_of(member: Member) -> Iterator[tuple[Entry, int]]:
    """All of a member's entries in the zip's directory (an image sequence has one a frame), with their payloads' places."""
    for part in parts_of(member):
        placed = entry_of(part)
        if placed is not None:
            yield placed


def entry_of(member: Member) -> tuple[Entry, int] | None:
    """A member's entry in the zip's directory and the place of its payload; None for a line that has no bytes there."""
    payload = member.offset
    if payload is None:
        return None
    folder = member.role == Role.FOLDER
    mtime_ns = member.mtime_ns
    name = (member.path + "/" if folder else member.path).encode("utf-8", "surrogateescape")
    numbers = (member.size, member.packed_size, payload)
    possible = len(name) <= 0xFFFF and 0 <= (member.crc32 or 0) <= 0xFFFFFFFF and 0 <= member.method <= 0xFFFF
    if not possible or not all(0 <= number < 1 << 63 for number in numbers):
        raise _impossible(member)
    entry = Entry(
        name=name,
        method=member.method,
        crc32=member.crc32 or 0,
        packed_size=member.packed_size,
        size=member.size,
        header_offset=0,
        mtime=(EPOCH_NS if mtime_ns is None else mtime_ns) // 10**9,
        mode=(stat.S_IFDIR if folder else stat.S_IFREG) | (member.mode if member.mode is not None else 0o644),
    )
    entry = at_payload(entry, payload)
    if entry.header_offset < 0:
        raise _impossible(member)
    return entry, payload


def _impossible(member: Member) -> Damaged:
    return Damaged(f"The manifest says of {printable(member.path[:80])} what can't be.")


def naming_others(members: Callable[[], Iterable[Member]]) -> Iterator[Member]:
    """Members, each original naming its proxies, and the parts of its clip, among them; `members` is asked twice."""
    proxies: dict[str, list[ProxyRecord]] = {}
    parts: dict[str, list[str]] = {}
    for member in members():
        if member.part_of is not None:
            parts.setdefault(member.part_of, [member.part_of]).append(member.path)
        if member.role == Role.PROXY and member.of is not None:
            record = member.as_proxy
            if record is not None:
                proxies.setdefault(member.of, []).append(record)
    for member in members():
        yield _naming(member, proxies.get(member.path, ()), parts.get(member.path, ())) if member.is_original else member


def _naming(member: Member, proxies: Iterable[ProxyRecord], parts: Iterable[str]) -> Member:
    return member.with_proxies(proxies).changed(parts=sorted(parts) or None)


def is_zero(data: bytes) -> bool:
    return data.count(0) == len(data)


def gaps_between(regions: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What regions (start, end) leave free from byte 0 to the last one's end."""
    position = 0
    for start, end in sorted(regions):
        if start > position:
            yield position, start
        position = max(position, end)


def at_payload(entry: Entry, payload: int) -> Entry:
    """The entry with the header offset that follows from where its payload lies."""
    return entry._replace(header_offset=payload - zipformat.header_length(entry, payload))


def member_of_entry(entry: Entry, offset: int | None) -> Member:
    """A member as a zip's directory alone knows it; without an offset where its bytes are not found."""
    path, size, packed_size, mode = entry.path, entry.size, entry.packed_size, entry.mode
    known: dict[str, Any] = {"path": path, "role": "", "size": size}  # not by `Member.make`: there may be a million
    if path.endswith("/"):
        known |= {"path": path.rstrip("/"), "role": str(Role.FOLDER), "size": 0}
    else:
        known["role"] = str(Role.SYMLINK if stat.S_ISLNK(mode) else role_of_path(path))
        of = original_of(path)
        if of is not None:
            known["of"] = of
        known["crc32"] = f"{entry.crc32:08x}"
    known["mtime_ns"] = entry.mtime * 10**9
    if mode & 0o7777:
        known["mode"] = mode & 0o7777
    if path.endswith("/"):
        return Member(known)
    if offset is not None:
        known["offset"] = offset
    if packed_size != size:
        known["packed_size"] = packed_size
    if entry.method:
        known["method"] = entry.method
    if entry.encrypted:
        known["encrypted"] = True
    return Member(known)


def role_of_path(path: str) -> Role:
    """What a member is for, from where it lies (used where no manifest says)."""
    if path == layout.BUNDLE_CONTENT:
        return Role.TIMELINE
    if not path.startswith(_OWN):
        return Role.ORIGINAL
    if path == layout.FORMAT:
        return Role.STRUCTURE
    if path.startswith(f"{layout.OWN}/proxies/"):
        stem = path.rsplit("/", 1)[-1]
        if stem.startswith("poster"):
            return Role.POSTER
        if stem.startswith("strip"):
            return Role.STRIP
        if stem.startswith("sheet"):
            return Role.SHEET
        return Role.PROOF if stem.endswith(".proof.json") else Role.PROXY
    if path.startswith(f"{layout.OWN}/frames/"):
        return Role.FRAMES
    if path.startswith(f"{layout.OWN}/timelines/"):
        return Role.TIMELINE
    return Role.ORIGINAL


def original_of(path: str) -> str | None:
    """The original that a member of ours was made from, from where it lies."""
    if not path.startswith(_OWN):
        return None
    if path.startswith(f"{layout.OWN}/proxies/"):
        return path.removeprefix(f"{layout.OWN}/proxies/").rsplit("/", 1)[0]
    if path.startswith(f"{layout.OWN}/frames/"):
        return path.removeprefix(f"{layout.OWN}/frames/").rsplit(".", 1)[0]
    return None
