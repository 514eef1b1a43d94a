"""The manifest: what an archive holds, as a header line and a line of JSON a member, read and written as a stream.

    {"film_archive": "manifest", "schema_version": 1, "generation": 1, …}
    {"path": "footage/A001C001.mov", "role": "original", "size": …, "offset": …, "digests": {"xxh128": …}, "media": {…}, …}

A line keeps what this version does not know: a record is passed on as it was read. `path` is always a line's first key, so
that a member is found by its line's beginning. `UPGRADES` turns records of older schema versions into today's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.facts import MediaFacts

if TYPE_CHECKING:  # numpy is loaded only where a table is read
    from film_archive.core.frame_table import FrameFile, FrameTable, SequenceName

SCHEMA_VERSION = 1
KIND = "manifest"

Record = dict[str, Any]
"""One line of JSON. It does not leave this module but inside a Member or a Header."""

UPGRADES: Mapping[int, Callable[[Record], Record]] = {}
"""Schema version → function that turns a member's record of that version into the next one's."""


class Role(StrEnum):
    """What a member is for."""

    ORIGINAL = "original"
    PROXY = "proxy"
    POSTER = "poster"
    STRIP = "strip"
    PROOF = "proof"
    FRAMES = "frames"
    """A frame index (`.idx`) or per-frame digests (`.sum`)."""
    TIMELINE = "timeline"
    STRUCTURE = "structure"
    """What makes the archive one: its format mark."""
    FOLDER = "folder"
    SYMLINK = "symlink"
    """Recorded with its target, not stored as a link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyRecord:
    """A proxy as its original's line names it. `bit_rate` in bits a second, measured over the file."""

    size: str
    """The ladder's name ("preview") or "1280x720"."""
    path: str
    width: int
    height: int
    bit_rate: int
    frames: int

    def to_json(self) -> Record:
        return {
            "size": self.size,
            "path": self.path,
            "width": self.width,
            "height": self.height,
            "bit_rate": self.bit_rate,
            "frames": self.frames,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ProxyRecord:
        return cls(**{name: data[name] for name in ("size", "path", "width", "height", "bit_rate", "frames")})


class Member:
    """One line of a manifest. Values are read from the record when asked for, so that a million lines stay cheap."""

    __slots__ = ("_record",)

    def __init__(self, record: Record) -> None:
        self._record = record

    @classmethod
    def make(
        cls,
        path: str,
        role: Role,
        size: int,
        *,
        digests: Mapping[str, str] | None = None,
        crc32: str | None = None,
        mtime_ns: int | None = None,
        mode: int | None = None,
        of: str | None = None,
        target: str | None = None,
        raw_name: str | None = None,
        media: MediaFacts | None = None,
        **more: Any,
    ) -> Member:
        """A new member; keys without a value are left out of its line."""
        record: Record = {"path": path, "role": str(role), "size": size}
        optional = {
            "of": of,
            "digests": dict(digests) if digests else None,
            "crc32": crc32,
            "mtime_ns": mtime_ns,
            "mode": mode,
            "target": target,
            "raw_name": raw_name,
            "media": None if media is None else media.to_json(),
            **more,
        }
        record.update((key, value) for key, value in optional.items() if value is not None)
        return cls(record)

    @property
    def path(self) -> str:
        path: str = self._record["path"]
        return path

    @property
    def role(self) -> str:
        """A `Role`, or the word of a later version."""
        role: str = self._record["role"]
        return role

    @property
    def size(self) -> int:
        size: int = self._record["size"]
        return size

    @property
    def offset(self) -> int | None:
        """Where the payload begins in the archive file; None in the folder form and for what has no payload."""
        return self._record.get("offset")

    @property
    def packed_size(self) -> int:
        """Bytes in the archive: less than `size` where the member is deflated."""
        return int(self._record.get("packed_size", self.size))

    @property
    def method(self) -> int:
        """The zip's compression method: 0 stored, 8 deflated."""
        return int(self._record.get("method", 0))

    @property
    def digests(self) -> Mapping[str, str]:
        return self._record.get("digests") or {}

    @property
    def crc32(self) -> int | None:
        text = self._record.get("crc32")
        return None if text is None else int(text, 16)

    @property
    def mtime_ns(self) -> int | None:
        return self._record.get("mtime_ns")

    @property
    def mode(self) -> int | None:
        return self._record.get("mode")

    @property
    def of(self) -> str | None:
        """For what was made from an original: that original's path."""
        return self._record.get("of")

    @property
    def target(self) -> str | None:
        """For symlinks: where they pointed."""
        return self._record.get("target")

    @property
    def raw_name(self) -> bytes | None:
        """The name's bytes on disk where they were not UTF-8 (the path then has them percent-encoded)."""
        text = self._record.get("raw_name")
        return None if text is None else bytes.fromhex(text)

    @property
    def media(self) -> MediaFacts | None:
        data = self._record.get("media")
        return None if data is None else MediaFacts.from_json(data)

    @property
    def proxies(self) -> tuple[ProxyRecord, ...]:
        return tuple(ProxyRecord.from_json(data) for data in self._record.get("proxies", ()))

    @property
    def is_original(self) -> bool:
        return self.role == Role.ORIGINAL

    @property
    def sequence(self) -> SequenceName | None:
        """How the files are called, where this line is an image sequence."""
        from film_archive.core.frame_table import SequenceName

        data = self._record.get("sequence")
        return None if data is None else SequenceName.from_json(data)

    @property
    def frame_count(self) -> int:
        """How many files an image sequence has; 0 for all else."""
        data = self._record.get("sequence")
        return 0 if data is None else int(data["count"])

    def frame_table(self) -> FrameTable:
        """The files of an image sequence."""
        from film_archive.core.frame_table import FrameTable

        return FrameTable.from_text(self._record.get("table", ""), self.frame_count)

    def frame_members(self) -> Iterator[Member]:
        """Each file of an image sequence as a member of its own, in order."""
        name = self.sequence
        if name is not None:
            for frame in self.frame_table():
                yield self._frame_member(name.path(frame.number), frame)

    def frame_member(self, path: str) -> Member | None:
        """The file of this path as a member of its own, if the sequence has it."""
        name = self.sequence
        number = None if name is None else name.number(path)
        frame = None if number is None else self.frame_table().find(number)
        return None if frame is None else self._frame_member(path, frame)

    def _frame_member(self, path: str, frame: FrameFile) -> Member:
        return Member.make(
            path,
            Role(self.role),
            frame.size,
            offset=frame.offset,
            crc32=f"{frame.crc32:08x}",
            digests={"xxh128": frame.xxh128},
            mtime_ns=frame.mtime_ns,
            mode=frame.mode,
            of=self.path,
        )

    def get(self, key: str) -> Any:
        """A value that has no property here; None where the line does not have it."""
        return self._record.get(key)

    def changed(self, **values: Any) -> Member:
        """The same member with some values set, or removed where None."""
        record = dict(self._record)
        for key, value in values.items():
            if value is None:
                record.pop(key, None)
            else:
                record[key] = value
        return Member(record)

    def with_proxies(self, proxies: Iterable[ProxyRecord]) -> Member:
        """The same member naming these proxies, in the order of their sizes on screen."""
        listed = sorted(proxies, key=lambda proxy: (proxy.width * proxy.height, proxy.size))
        return self.changed(proxies=[proxy.to_json() for proxy in listed] or None)

    def to_json(self) -> Record:
        """The line as plain data (a copy)."""
        return dict(self._record)

    def __repr__(self) -> str:
        return f"<Member {self.path} {self.role} {self.size}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Member) and self._record == other._record

    __hash__ = None  # type: ignore[assignment]  # a record is not hashable


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """Bytes of an archive file that belong to no member any more: an older directory, a replaced proxy."""

    offset: int
    length: int
    xxh128: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The manifest's first line.

    `archive_id` is made from the first generation's members, and kept; `offset` is where the manifest's own payload lies in
    the archive file, by which a manifest inside a member (an archive in an archive) is told from ours.
    """

    archive_id: str
    generation: int = 1
    members: int = 0
    bytes: int = 0
    offset: int | None = None
    tool: str = ""
    superseded: tuple[Superseded, ...] = ()
    schema_version: int = SCHEMA_VERSION
    more: Mapping[str, Any] = field(default_factory=dict)

    def to_line(self) -> bytes:
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
            **self.more,
        }
        return to_json(record) + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Header:
        try:
            data = from_json(line)
            if not isinstance(data, dict) or data.get("film_archive") != KIND:
                raise Damaged("This is not a film-archive manifest.")
            version = int(data.pop("schema_version"))
            if version > SCHEMA_VERSION:
                raise NotSupported(
                    f"The archive was written by a later version (manifest schema {version}, this program reads up to "
                    f"{SCHEMA_VERSION}); update film-archive."
                )
            data.pop("film_archive")
            return cls(
                archive_id=str(data.pop("archive_id")),
                generation=int(data.pop("generation")),
                members=int(data.pop("members")),
                bytes=int(data.pop("bytes")),
                offset=data.pop("offset", None),
                tool=str(data.pop("tool", "")),
                superseded=tuple(Superseded(**region) for region in data.pop("superseded", ())),
                schema_version=version,
                more=data,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(f"The manifest's first line can't be read ({error}).") from error


def member_line(member: Member) -> bytes:
    return to_json(member._record) + b"\n"


def line_start(path: str) -> bytes:
    """How the line of this member begins."""
    return b'{"path":' + to_json(path)


def parse_member(line: bytes, version: int = SCHEMA_VERSION) -> Member:
    """One line as a member of today's schema; raises Damaged where it is not one."""
    try:
        record = from_json(line)
        for step in range(version, SCHEMA_VERSION):
            record = UPGRADES[step](record)
        if not (isinstance(record["path"], str) and isinstance(record["role"], str) and record["size"] >= 0):
            raise Damaged(f"A line of the manifest is not a member: {line[:80]!r}.")
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"A line of the manifest can't be read ({error}): {line[:80]!r}.") from error
    return Member(record)


def read_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines (without their ends) of a stream of chunks."""
    rest = b""
    for chunk in chunks:
        lines = (rest + chunk).split(b"\n") if rest else chunk.split(b"\n")
        rest = lines.pop()
        yield from lines
    if rest:
        yield rest


def read_manifest(chunks: Iterable[bytes]) -> tuple[Header, Iterator[Member]]:
    """The header and, as a stream, the members."""
    lines = read_lines(chunks)
    header = Header.from_line(next(lines, b""))
    return header, (parse_member(line, header.schema_version) for line in lines)


def archive_id(members: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """An id from what the first generation holds: XXH3-128 over paths and content keys, so that it is the same next time."""
    from film_archive.core.digest import KEY, MultiHasher

    hasher = MultiHasher()
    for path, digests in members:
        hasher.update(f"{path}\0{digests.get(KEY, '')}\n".encode("utf-8", "surrogateescape"))
    return hasher.digests()[KEY]
