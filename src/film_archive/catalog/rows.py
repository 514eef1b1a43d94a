"""What is put into the catalog and comes out of it: contents, files, image sequences, holders, events, places."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from film_archive.core.errors import Damaged

_FRAME_BYTES = 4 * 8 + 16
_MOST_FRAMES = 20_000_000


class Kind(StrEnum):
    """What holds a tree of paths."""

    DISK = "disk"
    CARTRIDGE = "cartridge"
    ARCHIVE = "archive"
    BRANCH = "branch"


@dataclass(frozen=True, slots=True)
class Content:
    """Some bytes, known by their size and XXH3-128; other digests that are known of them beside."""

    size: int
    xxh128: bytes
    others: Mapping[str, str] = field(default_factory=dict, compare=False, hash=False)

    @property
    def digests(self) -> dict[str, str]:
        """Name → value, `xxh128` first."""
        return {"xxh128": self.xxh128.hex(), **self.others}

    @classmethod
    def of(cls, size: int, digests: Mapping[str, str]) -> Content:
        others = {name: value for name, value in digests.items() if name != "xxh128"}
        return cls(size, bytes.fromhex(digests["xxh128"]), others)


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file in a folder. `content` is None where it has not been read."""

    name: str
    size: int
    mtime_ns: int
    inode: int
    content: Content | None = None

    def same_stat(self, other: FileRow) -> bool:
        """Whether size, time and inode are what they were."""
        return (self.size, self.mtime_ns, self.inode) == (other.size, other.mtime_ns, other.inode)


@dataclass(frozen=True, slots=True)
class SequenceRow:
    """An image sequence in a folder: frame number → file, all of them read."""

    stem: str
    digits: int
    suffix: str
    frames: Mapping[int, FileRow]

    @property
    def name(self) -> str:
        """As people write it: "a.####.exr"."""
        return f"{self.stem}{'#' * self.digits}{self.suffix}"

    def file_name(self, number: int) -> str:
        return f"{self.stem}{number:0{self.digits}d}{self.suffix}"

    def pack(self) -> bytes:
        """Number, size, time, inode and digest of each frame, column by column."""
        import numpy as np

        from film_archive.core.columns import pack

        rows = [(number, row.size, row.mtime_ns, row.inode) for number, row in sorted(self.frames.items())]
        table = np.array(rows, np.int64).reshape(-1, 4)
        body = b"".join(pack(np.diff(table[:, column], prepend=0)) for column in range(4))
        digests = b"".join(row.content.xxh128 for _, row in sorted(self.frames.items()) if row.content is not None)
        return zlib.compress(body, 6) + digests

    @classmethod
    def unpack(cls, stem: str, digits: int, suffix: str, count: int, packed: bytes) -> SequenceRow:
        """Read what `pack` wrote; raises Damaged where it is not that."""
        import numpy as np

        from film_archive.core.columns import ColumnReader

        if not 0 <= count <= _MOST_FRAMES:
            raise Damaged(f"The catalog has a sequence of {count} frames; make it again with `film-archive catalog rebuild`.")
        try:
            inflate = zlib.decompressobj()
            reader = ColumnReader(inflate.decompress(packed, count * _FRAME_BYTES))
            digests = inflate.unused_data
            columns = [np.cumsum(reader.take(count)).tolist() for _ in range(4)]
        except (ValueError, zlib.error) as error:
            raise Damaged(
                f"The catalog's table of a sequence can't be read ({error}); make it again with `film-archive catalog rebuild`."
            ) from error
        if len(digests) != 16 * count:
            raise Damaged("The catalog's table of a sequence is cut short; make it again with `film-archive catalog rebuild`.")
        row = cls(stem, digits, suffix, {})
        return cls(stem, digits, suffix, dict(row._unpacked(columns, digests)))

    def _unpacked(self, columns: list[list[int]], digests: bytes) -> Iterator[tuple[int, FileRow]]:
        for place, (number, size, mtime_ns, inode) in enumerate(zip(*columns, strict=True)):
            content = Content(size, digests[16 * place : 16 * place + 16])
            yield number, FileRow(self.file_name(number), size, mtime_ns, inode, content)


@dataclass(frozen=True, slots=True)
class FolderRows:
    """All that a folder holds, as it was just found."""

    inner: str
    """Its path in its holder, "/" for the root."""
    signature: bytes | None
    files: tuple[FileRow, ...]
    sequences: tuple[SequenceRow, ...] = ()
    folders: frozenset[str] | None = None
    """Names of the folders in it; None where that is not known, and those that the catalog has are left."""


@dataclass(frozen=True, slots=True)
class Holder:
    """What holds a tree of paths, as the catalog knows it. Times are seconds since 1970."""

    id: int
    kind: Kind
    identity: str
    label: str
    stable: bool
    last_seen: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done."""

    id: int
    at: int
    """Seconds since 1970."""
    who: str
    verb: str
    subject: str
    journal: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a content is."""

    holder: Holder
    inner: str
    size: int
    mtime_ns: int
    verified: Event | None
    """When it was last read back and found right; None where it never was."""
    sequence: str | None = None
    """The image sequence that it is a frame of."""
    gone: Event | None = None
    """What found it gone; None where it is there, or its holder is offline."""
