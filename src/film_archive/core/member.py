"""Members: one line of a manifest each, what it is for, and the proxies and parts that it names.

    {"path": "footage/A001C001.mov", "role": "original", "size": …, "offset": …, "digests": {…}, "media": {…}, …}

A line keeps what this version does not know: a record is passed on as it was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import to_json

from film_archive.core.errors import Damaged, FilmArchiveError
from film_archive.core.facts import MediaFacts

if TYPE_CHECKING:  # numpy is loaded only where a table is read
    from film_archive.core.frame_table import FrameFile, FrameTable, SequenceName

Record = dict[str, Any]
"""One line of JSON. It does not leave `core` but inside a Member or a Header."""


class Role(StrEnum):
    """What a member is for."""

    ORIGINAL = "original"
    PROXY = "proxy"
    POSTER = "poster"
    STRIP = "strip"
    SHEET = "sheet"
    """A contact sheet."""
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
    """The member that it is."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    bit_rate: int
    """Bits a second, measured over the file."""
    frames: int
    """As many as the original has."""
    codec: str = "h264"
    """"h264"; of proxies for the edit "prores_proxy" or "dnxhr_lb", and what a lab's are coded in."""

    def to_json(self) -> Record:
        return {
            "size": self.size,
            "path": self.path,
            "width": self.width,
            "height": self.height,
            "bit_rate": self.bit_rate,
            "frames": self.frames,
            "codec": self.codec,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ProxyRecord:
        """Raises KeyError, TypeError or ValueError for what is none."""
        named: dict[str, Any] = {name: str(data[name]) for name in ("size", "path")}
        named |= {name: int(data[name]) for name in ("width", "height", "bit_rate", "frames")}
        return cls(**named, codec=str(data.get("codec", "h264")))


class Member:
    """One line of a manifest. Values are read from the record when asked for, so that a million lines stay cheap."""

    __slots__ = ("_record",)

    def __init__(self, record: Record) -> None:
        self._record = record

    @classmethod
    def make(
        cls,
        path: str,
        role: Role | str,
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
        """Its path in the archive."""
        path: str = self._record["path"]
        return path

    @property
    def role(self) -> str:
        """What it is for: "original", "proxy", "frames", "folder", … (`Role`), or the word of a later version."""
        role: str = self._record["role"]
        return role

    @property
    def size(self) -> int:
        """Bytes, uncompressed; 0 for folders and links."""
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
        """Algorithm and value, as hex."""
        return self._record.get("digests") or {}

    @property
    def crc32(self) -> int | None:
        text = self._record.get("crc32")
        if text is None:
            return None
        with self._believing("crc32"):
            return int(text, 16)

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
        if text is None:
            return None
        with self._believing("raw_name"):
            return bytes.fromhex(text)

    @property
    def raw_target(self) -> bytes | None:
        """For symlinks: where they pointed, where that was not UTF-8."""
        text = self._record.get("raw_target")
        if text is None:
            return None
        with self._believing("raw_target"):
            return bytes.fromhex(text)

    @property
    def media(self) -> MediaFacts | None:
        """Of originals: what is known of it, or null."""
        data = self._record.get("media")
        with self._believing("media"):
            return None if data is None else MediaFacts.from_json(data)

    @property
    def proxies(self) -> tuple[ProxyRecord, ...]:
        """Of originals: the proxies in the archive."""
        with self._believing("proxies"):
            return tuple(ProxyRecord.from_json(data) for data in self._record.get("proxies", ()))

    @property
    def as_proxy(self) -> ProxyRecord | None:
        """Of proxies: how its original names it; None for what says nothing of the kind."""
        with self._believing("proxy"):
            said = self._record.get("proxy")
            return ProxyRecord.from_json({**said, "path": self.path}) if said else None

    @property
    def parts(self) -> tuple[str, ...]:
        """Of the first file of a clip that is spanned over several: all of them, itself among them, in order."""
        return tuple(map(str, self._record.get("parts", ())))

    @property
    def part_of(self) -> str | None:
        """Of every other file of such a clip: the first one's path, whose line has what is known of the clip."""
        return self._record.get("part_of")

    @property
    def is_original(self) -> bool:
        return self.role == Role.ORIGINAL

    @property
    def sequence(self) -> SequenceName | None:
        """How the files are called, where this line is an image sequence."""
        data = self._record.get("sequence")
        if data is None:
            return None
        from film_archive.core.frame_table import SequenceName

        with self._believing("sequence"):
            return SequenceName.from_json(data)

    @property
    def frame_count(self) -> int:
        """How many files an image sequence has; 0 for all else."""
        data = self._record.get("sequence")
        with self._believing("sequence"):
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
            self.role,
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
        listed = sorted(proxies, key=lambda proxy: (proxy.width * proxy.height, proxy.size, proxy.codec))
        return self.changed(proxies=[proxy.to_json() for proxy in listed] or None)

    def _believing(self, key: str) -> _Believing:
        return _Believing(self, key)

    def to_json(self) -> Record:
        """The line as plain data (a copy)."""
        return dict(self._record)

    def to_line(self) -> bytes:
        """The line as it stands in a manifest."""
        return to_json(self._record) + b"\n"

    def __repr__(self) -> str:
        return f"<Member {self.path} {self.role} {self.size}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Member) and self._record == other._record

    __hash__ = None  # type: ignore[assignment]  # a record is not hashable


class _Believing:
    """A line may have been written by anybody: what does not hold in the block is Damaged."""

    __slots__ = ("_key", "_member")

    def __init__(self, member: Member, key: str) -> None:
        self._member, self._key = member, key

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if isinstance(error, ValueError | TypeError | LookupError | AttributeError | ArithmeticError) and not isinstance(
            error, FilmArchiveError
        ):
            what = f"The manifest's {self._key!r} of {self._member.path[:80]!r} can't be read ({error})."
            raise Damaged(what) from error
        return False


_TYPES: Mapping[str, type] = {
    **dict.fromkeys(("path", "role", "of", "part_of", "crc32", "target", "raw_name", "raw_target", "table"), str),
    **dict.fromkeys(("size", "offset", "mtime_ns", "mode", "packed_size", "method"), int),
    **dict.fromkeys(("digests", "media", "sequence", "proxy", "still"), dict),
    **dict.fromkeys(("proxies", "parts"), list),
}
"""What a member's values have to be before anything is done with them."""


def is_member_record(record: Any) -> bool:
    """Whether plain data can be a member's line."""
    try:
        return record_problem(record) is None
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def record_problem(record: Record) -> str | None:
    """What keeps plain data from being a member's line; raises as it comes where that is not even looked for."""
    if record["size"] < 0 or record.get("offset", 0) < 0 or "role" not in record or "path" not in record:
        return "is not a member"
    for key, value in record.items():
        if type(value) is not _TYPES.get(key, type(value)):
            return f"has a wrong {key}"
    return None
