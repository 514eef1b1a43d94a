"""The manifest: what an archive holds, as a header line and a line of JSON a member, read and written as a stream.

    {"film_archive": "manifest", "schema_version": 1, "generation": 1, …}
    {"path": "footage/A001C001.mov", "role": "original", "size": …, "offset": …, "digests": {…}, "media": {…}, …}

A line keeps what this version does not know: a record is passed on as it was read. `path` is always a line's first
key, so that a member is found by its line's beginning. `UPGRADES` turns records of older schema versions into
today's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic_core import from_json, to_json

from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.member import Member, Record, record_problem

SCHEMA_VERSION = 1
KIND = "manifest"
_LONGEST_LINE = 1 << 28
"""A sequence's table has about 20 bytes a frame, so this is far more than anything real."""

_Bytes = bytes  # the name stands for a count in Header
UPGRADES: Mapping[int, Callable[[Record], Record]] = {}
"""Schema version → function that turns a member's record of that version into the next one's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """Bytes of an archive file that belong to no member any more: an older directory, a replaced proxy."""

    offset: int
    length: int
    xxh128: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The manifest's first line.

    `archive_id` is made from the first generation's members, and kept; `offset` is where the manifest's own payload
    lies in the archive file, by which a manifest inside a member (an archive in an archive) is told from ours.
    """

    archive_id: str
    generation: int = 1
    members: int = 0
    bytes: int = 0
    offset: int | None = None
    tool: str = ""
    superseded: tuple[Superseded, ...] = ()
    seal: str | None = None
    """In the folder form: XXH3-128 of the whole manifest, with these digits as zeros. A zip has its seal at its end."""
    schema_version: int = SCHEMA_VERSION
    more: Mapping[str, Any] = field(default_factory=dict)

    def to_line(self) -> _Bytes:
        record: Record = {
            "film_archive": KIND,
            "schema_version": SCHEMA_VERSION,
            "archive_id": self.archive_id,
            "generation": self.generation,
            "members": self.members,
            "bytes": self.bytes,
            "offset": self.offset,
            "tool": self.tool,
            "superseded": [
                {"offset": region.offset, "length": region.length, "xxh128": region.xxh128}
                for region in self.superseded
            ],
            **({} if self.seal is None else {"seal": self.seal}),
            **self.more,
        }
        return to_json(record) + b"\n"

    @classmethod
    def from_line(cls, line: _Bytes) -> Header:
        try:
            data = from_json(line)
            if not isinstance(data, dict) or data.get("film_archive") != KIND:
                raise Damaged("This is not a film-archive manifest.")
            version = _count(data.pop("schema_version"))
            if version > SCHEMA_VERSION:
                raise NotSupported(
                    f"The archive was written by a later version (manifest schema {version}, this program reads up to "
                    f"{SCHEMA_VERSION}); update film-archive."
                )
            data.pop("film_archive")
            return cls(
                archive_id=str(data.pop("archive_id")),
                generation=_count(data.pop("generation")),
                members=_count(data.pop("members")),
                bytes=_count(data.pop("bytes")),
                offset=None if data.get("offset") is None else _count(data["offset"]),
                tool=str(data.pop("tool", "")),
                superseded=tuple(_superseded(region) for region in data.pop("superseded", ())),
                seal=data.pop("seal", None),
                schema_version=version,
                more={key: value for key, value in data.items() if key != "offset"},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(f"The manifest's first line can't be read ({error}).") from error


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{str(value)[:40]!r} stands where a count or a place should")
    return value


def _superseded(data: Mapping[str, Any]) -> Superseded:
    return Superseded(offset=_count(data["offset"]), length=_count(data["length"]), xxh128=str(data["xxh128"]))


_SEAL = b'"seal":"'
_ZEROS = b"0" * 32


def seal_of(chunks: Iterable[bytes]) -> str:
    """What a folder archive's manifest states as its seal, if nothing in it was changed."""
    from film_archive.core.digest import KEY, MultiHasher

    hasher = MultiHasher()
    stream = iter(chunks)
    first = b""
    while b"\n" not in first and (chunk := next(stream, b"")):
        first += chunk
    at = first.partition(b"\n")[0].find(_SEAL) + len(_SEAL)
    hasher.update(first[:at] + _ZEROS + first[at + len(_ZEROS) :])
    for chunk in stream:
        hasher.update(chunk)
    return hasher.digests()[KEY]


def sealed_lines(header: Header, lines: Callable[[], Iterable[bytes]]) -> Iterator[bytes]:
    """A folder archive's whole manifest with its seal; `lines` gives the members' lines, and is asked twice."""
    blank = replace(header, seal=_ZEROS.decode())

    def all_lines() -> Iterator[bytes]:
        yield blank.to_line()
        yield from lines()

    yield replace(header, seal=seal_of(all_lines())).to_line()
    yield from lines()


def member_line(member: Member) -> bytes:
    return member.to_line()


def line_start(path: str) -> bytes:
    """How the line of this member begins."""
    return b'{"path":' + to_json(path)


def parse_member(line: bytes, version: int = SCHEMA_VERSION) -> Member:
    """One line as a member of today's schema; raises Damaged where it is not one."""
    try:
        record = from_json(line)
        for step in range(version, SCHEMA_VERSION):
            record = UPGRADES[step](record)
        problem = record_problem(record)
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"A line of the manifest can't be read ({error}): {line[:80]!r}.") from error
    if problem is not None:
        raise Damaged(f"A line of the manifest {problem}: {line[:80]!r}.")
    return Member(record)


def read_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines (without their ends) of a stream of chunks; raises Damaged where a line is longer than any can be."""
    rest: list[bytes] = []
    held = 0
    for chunk in chunks:
        first, *lines = chunk.split(b"\n")
        rest.append(first)
        held += len(first)
        if held > _LONGEST_LINE:
            raise Damaged(f"A line of the manifest is longer than {_LONGEST_LINE} bytes.")
        if lines:
            yield b"".join(rest)
            rest = [lines.pop()]
            held = len(rest[0])
            yield from lines
    if held:
        yield b"".join(rest)


def member_lines(chunks: Iterable[bytes]) -> tuple[int, Iterator[bytes]]:
    """The schema version and the lines of all members as they are, for who looks at a million of them."""
    lines = read_lines(chunks)
    return Header.from_line(next(lines, b"")).schema_version, lines


def read_manifest(chunks: Iterable[bytes]) -> tuple[Header, Iterator[Member]]:
    """The header and, as a stream, the members."""
    lines = read_lines(chunks)
    header = Header.from_line(next(lines, b""))
    return header, (parse_member(line, header.schema_version) for line in lines)


def archive_id(members: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """An id from what the first generation holds, the same next time: XXH3-128 over paths and content keys."""
    from film_archive.core.digest import KEY, MultiHasher

    hasher = MultiHasher()
    for path, digests in members:
        hasher.update(f"{path}\0{digests.get(KEY, '')}\n".encode("utf-8", "surrogateescape"))
    return hasher.digests()[KEY]
