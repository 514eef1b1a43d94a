"""Where bytes come from: a file, a part of one, several in a row, memory, a member of an archive.

A `ByteSource` has a name, a size and `read_at`; probing, proxies, streaming, cutting and verification are written
against it and against nothing else. A source that is one run of bytes of one file says so (`extent`), so that those
bytes can be sent or shared without passing through Python. Sources over files and memory can be handed to other
processes.
"""

from __future__ import annotations

import io
import os
import stat
import threading
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self, cast

from film_archive.core.errors import (
    NotFound,
    NotSupported,
    ShortRead,
    SourceChanged,
    StorageError,
    UsageError,
    from_os_error,
)

# macOS refuses to read more than 2 GiB - 1 at once, Linux reads no more.
_MOST_AT_ONCE = 1 << 30


class FileIdentity(NamedTuple):
    """By what a file that is opened again under its name is known to be the same, unchanged."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileIdentity:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Extent:
    """One run of bytes of one file.

    Who opens `path` anew compares `identity` first where it is given: another file may have the name by now.
    """

    path: Path
    offset: int
    length: int
    identity: FileIdentity | None = field(default=None, compare=False)


class OpenFile:
    """An open file that is closed when nobody refers to it any more.

    A reader in another thread so keeps it open past `close()`: else the number could be another file's in mid-read.
    """

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def fileno(self) -> int:
        return self.number

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        close(self.number)


@dataclass(frozen=True, slots=True)
class OpenRun:
    """One run of bytes of an open file, which stays open for as long as this is held."""

    file: OpenFile
    offset: int
    length: int


class ByteSource(ABC):
    """A run of `size` bytes that can be read at any place, by any number of threads at once.

    `name` is what a person calls it: a path, or ARCHIVE::MEMBER.
    """

    name: str
    size: int

    @abstractmethod
    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` from `offset`; returns how many bytes that were, fewer than asked only at the end.

        Raises ShortRead where the bytes end before `size`, StorageError where they can't be read.
        """

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end of the source."""
        length = max(0, min(length, self.size - offset))
        if length == 0:
            return b""
        buffer = bytearray(length)
        count = self.read_into(offset, memoryview(buffer))
        return bytes(buffer) if count == length else bytes(memoryview(buffer)[:count])

    def extent(self) -> Extent | None:
        """Where these bytes lie, if they are one run of one file."""
        return None

    def open_runs(self, offset: int, length: int) -> list[OpenRun | bytes] | None:
        """The same bytes as `read_at`, as runs of open files that the system can send by itself, and literal bytes.

        None where they have to be read (what is compressed, or a stream).
        """
        return None

    def in_memory(self) -> list[memoryview] | None:
        """The bytes, one view behind the other, where they are in memory already."""
        return None

    def slice(self, offset: int, length: int) -> ByteSource:
        """A part of this source; the part keeps working as long as this source is open."""
        return SliceSource(self, offset, length)

    def open(self) -> BinaryIO:
        """A new seekable, read-only file object over these bytes; it does not close the source."""
        return cast(BinaryIO, SourceFile(self))

    def check_unchanged(self) -> None:
        """Raise SourceChanged where the bytes are known to be others than when the source was opened."""
        return  # most sources can't know

    def close(self) -> None:
        """Let go of what the source holds open; nothing for most sources."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _within(self, offset: int, length: int) -> tuple[int, int]:
        """(offset, length) of what is there of a part."""
        if offset < 0:
            raise UsageError(f"{self.name}: {offset} is not a position to read from.")
        return offset, max(0, min(length, self.size - offset))

    def _bounded(self, offset: int, buffer: memoryview) -> memoryview:
        if offset < 0:
            raise UsageError(f"{self.name}: {offset} is not a position to read from.")
        return buffer[: max(0, self.size - offset)]


class FileSource(ByteSource):
    """A regular file, opened once; its size is the size it had then."""

    def __init__(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        self.path = Path(path)
        self.name = name if name is not None else printable(self.path)
        self._descriptor: OpenFile | None = None
        try:
            # Asked before it is opened: opening alone can wake a device or the writer of a pipe.
            self._require_regular(self.path.stat())
            # Without O_NONBLOCK a FIFO that takes the name now would hang here for ever.
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
            self._descriptor = OpenFile(os.open(self.path, flags))
            self.status = os.fstat(self._descriptor.number)
        except OSError as error:
            raise from_os_error(error, f"open {self.name}") from error
        except ValueError as error:  # a NUL, or signs that no encoding has
            raise NotFound(f"{self.name} can't be opened: no file can have this name.") from error
        self._require_regular(self.status)
        self.size = self.status.st_size

    def _require_regular(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise NotSupported(f"{self.name} is {kind_of(status.st_mode)}, not a file.")

    @property
    def _open_file(self) -> OpenFile:
        descriptor = self._descriptor
        if descriptor is None:
            raise StorageError(f"{self.name} is closed already.")
        return descriptor

    def read_into(self, offset: int, buffer: memoryview) -> int:
        view = self._bounded(offset, buffer)
        descriptor = self._open_file  # held for as long as this reads
        done = 0
        while done < len(view):
            try:
                count = os.preadv(descriptor.number, [view[done : done + _MOST_AT_ONCE]], offset + done)
            except OSError as error:
                raise from_os_error(error, f"read {self.name} at byte {offset + done}") from error
            if count == 0:
                raise ShortRead(
                    f"{self.name} ended at byte {offset + done} while it was read; "
                    f"it had {self.size} bytes when it was opened."
                )
            done += count
        return done

    def extent(self) -> Extent:
        return Extent(self.path, 0, self.size, self.identity)

    def open_runs(self, offset: int, length: int) -> list[OpenRun | bytes] | None:
        start, count = self._within(offset, length)
        return [OpenRun(self._open_file, start, count)] if count else []

    @property
    def identity(self) -> FileIdentity:
        """What the file was when it was opened."""
        return FileIdentity.of(self.status)

    def fileno(self) -> int:
        """The open descriptor, for the system's own copying calls."""
        return self._open_file.number

    def check_unchanged(self) -> None:
        now = os.fstat(self._open_file.number)
        then = self.status
        if (now.st_size, now.st_mtime_ns) != (then.st_size, then.st_mtime_ns):
            raise SourceChanged(
                f"{self.name} changed while it was read ({then.st_size} bytes at first, {now.st_size} now); "
                "try again when nothing writes to it."
            )

    def close(self) -> None:
        """Close the file; a read that runs in another thread is finished first. May be called again."""
        self._descriptor = None

    def __reduce__(self) -> tuple[Callable[..., FileSource], tuple[str, str, FileIdentity]]:
        return _reopened, (str(self.path.absolute()), self.name, self.identity)


def _reopened(path: str, name: str, identity: FileIdentity) -> FileSource:
    source = FileSource(path, name)
    if source.identity != identity:
        source.close()
        raise SourceChanged(f"{name} changed since it was opened; try again when nothing writes to it.")
    return source


class MemorySource(ByteSource):
    """Bytes that are in memory already."""

    def __init__(self, data: bytes | bytearray | memoryview, name: str = "memory") -> None:
        self._data = memoryview(data).cast("B")
        self.size = len(self._data)
        self.name = name

    def read_into(self, offset: int, buffer: memoryview) -> int:
        view = self._bounded(offset, buffer)
        view[:] = self._data[offset : offset + len(view)]
        return len(view)

    def open_runs(self, offset: int, length: int) -> list[OpenRun | bytes] | None:
        start, count = self._within(offset, length)
        return [bytes(self._data[start : start + count])] if count else []

    def in_memory(self) -> list[memoryview] | None:
        return [self._data] if type(self) is MemorySource else None  # another may read otherwise

    def __reduce__(self) -> tuple[type[MemorySource], tuple[bytes, str]]:
        return MemorySource, (bytes(self._data), self.name)


class SliceSource(ByteSource):
    """A part of another source."""

    def __init__(self, base: ByteSource, offset: int, length: int, name: str | None = None) -> None:
        if offset < 0 or length < 0 or offset + length > base.size:
            raise ShortRead(
                f"{name or base.name}: bytes {offset} to {offset + length} lie outside the {base.size} that are there."
            )
        self._base = base
        self._offset = offset
        self.size = length
        self.name = name if name is not None else base.name

    def read_into(self, offset: int, buffer: memoryview) -> int:
        view = self._bounded(offset, buffer)
        return self._base.read_into(self._offset + offset, view) if len(view) else 0

    def extent(self) -> Extent | None:
        below = self._base.extent()
        if below is None:
            return None
        return Extent(below.path, below.offset + self._offset, self.size, below.identity)

    def open_runs(self, offset: int, length: int) -> list[OpenRun | bytes] | None:
        start, count = self._within(offset, length)
        return self._base.open_runs(self._offset + start, count)

    def slice(self, offset: int, length: int) -> ByteSource:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise ShortRead(
                f"{self.name}: bytes {offset} to {offset + length} lie outside the {self.size} that are there."
            )
        return SliceSource(self._base, self._offset + offset, length, self.name)

    def check_unchanged(self) -> None:
        self._base.check_unchanged()


class ConcatSource(ByteSource):
    """Several sources, one behind the other. Closing them stays with whoever opened them."""

    def __init__(self, parts: Sequence[ByteSource], name: str | None = None) -> None:
        self._parts = tuple(part for part in parts if part.size)
        self._starts: list[int] = []
        position = 0
        for part in self._parts:
            self._starts.append(position)
            position += part.size
        self.size = position
        self.name = name if name is not None else (parts[0].name if parts else "nothing")

    def read_into(self, offset: int, buffer: memoryview) -> int:
        view = self._bounded(offset, buffer)
        done = 0
        while done < len(view):
            index = bisect_right(self._starts, offset + done) - 1
            part, start = self._parts[index], self._starts[index]
            room = min(len(view) - done, start + part.size - (offset + done))
            count = part.read_into(offset + done - start, view[done : done + room])
            if count != room:
                raise ShortRead(f"{part.name} ended at byte {offset + done - start + count}; it had {part.size}.")
            done += count
        return done

    def extent(self) -> Extent | None:
        whole: Extent | None = None
        for part in self._parts:
            here = part.extent()
            if here is None:
                return None
            if whole is None:
                whole = here
            elif (here.path, here.identity, here.offset) == (whole.path, whole.identity, whole.offset + whole.length):
                whole = Extent(whole.path, whole.offset, whole.length + here.length, whole.identity)
            else:
                return None
        return whole

    def open_runs(self, offset: int, length: int) -> list[OpenRun | bytes] | None:
        start, left = self._within(offset, length)
        found: list[OpenRun | bytes] = []
        index = bisect_right(self._starts, start) - 1
        while left:
            part, inside = self._parts[index], start - self._starts[index]
            runs = part.open_runs(inside, min(left, part.size - inside))
            if runs is None:
                return None
            found += runs
            taken = min(left, part.size - inside)
            start, left, index = start + taken, left - taken, index + 1
        return found

    def in_memory(self) -> list[memoryview] | None:
        found: list[memoryview] = []
        for part in self._parts:
            views = part.in_memory()
            if views is None:
                return None
            found += views
        return found

    def check_unchanged(self) -> None:
        for part in self._parts:
            part.check_unchanged()


class SourceFile(io.RawIOBase):
    """A source as a file object: read, seek, tell. Its position is its own; give each thread one."""

    def __init__(self, source: ByteSource) -> None:
        super().__init__()
        self.source = source
        self.name = source.name
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # "Buffer" is of 3.12
        self._require_open()
        count = self.source.read_into(self._position, memoryview(buffer).cast("B"))
        self._position += count
        return count

    def read(self, size: int | None = -1) -> bytes:
        self._require_open()
        left = self.source.size - self._position
        data = self.source.read_at(self._position, left if size is None or size < 0 else min(size, left))
        self._position += len(data)
        return data

    def readall(self) -> bytes:
        return self.read()

    def write(self, data: object, /) -> int:
        raise io.UnsupportedOperation(f"{self.name} is open for reading only")

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._require_open()
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.source.size}.get(whence)
        if base is None:
            raise ValueError(f"whence {whence} is not known")
        if base + offset < 0:
            raise ValueError("can't seek before the start")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        self._require_open()
        return self._position

    def _require_open(self) -> None:
        if self.closed:
            raise ValueError(f"{self.name} is closed")


class StreamSource(ByteSource):
    """A seekable binary stream that somebody else opened; reads take turns, since a stream has one position."""

    def __init__(self, stream: BinaryIO, name: str | None = None) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self.name = name if name is not None else printable(str(getattr(stream, "name", "stream")))
        if isinstance(stream, io.TextIOBase):
            raise UsageError(f"{self.name} is opened as text; open it in binary mode.")
        try:
            self.size = stream.seek(0, os.SEEK_END)
        except (AttributeError, OSError, ValueError) as error:
            raise NotSupported(f"{self.name} can't be read at any place; give a file or a seekable stream.") from error

    def read_into(self, offset: int, buffer: memoryview) -> int:
        view = self._bounded(offset, buffer)
        done = 0
        with self._lock:
            try:
                self._stream.seek(offset)
                while done < len(view):
                    data = self._stream.read(len(view) - done)[: len(view) - done]
                    if not data:
                        raise ShortRead(f"{self.name} ended at byte {offset + done}; it had {self.size} when opened.")
                    view[done : done + len(data)] = data
                    done += len(data)
            except OSError as error:
                raise from_os_error(error, f"read {self.name} at byte {offset + done}") from error
            except ValueError as error:  # what Python's streams say when they are closed
                raise StorageError(f"Could not read {self.name} at byte {offset + done}: {error}.") from error
        return done


def as_source(
    what: str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | ByteSource, name: str | None = None
) -> ByteSource:
    """A source over whatever holds the bytes: a path, bytes, a seekable binary stream, or a source as it is.

    `name` is what errors call bytes that have no name of their own.
    """
    if isinstance(what, ByteSource):
        return what
    if isinstance(what, str | os.PathLike):
        return FileSource(what)
    if isinstance(what, bytes | bytearray | memoryview):
        return MemorySource(what, name or "memory")
    return StreamSource(what, name if getattr(what, "name", None) is None else None)


def kind_of(mode: int) -> str:
    """What a file mode names, in words."""
    for test, words in (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe (FIFO)"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
        (stat.S_ISLNK, "a symbolic link"),
    ):
        if test(mode):
            return words
    return "a file"


def printable(path: str | os.PathLike[str]) -> str:
    """A path as text that can always be shown: bytes that are not UTF-8, and control signs, become escapes."""
    name = os.fspath(path)
    try:
        text = os.fsencode(name).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a surrogate pair, from JSON for instance; no file is called that
        text = name
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
