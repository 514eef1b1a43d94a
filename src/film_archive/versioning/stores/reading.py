"""The bytes of an object in a bucket: small reads by way of blocks that are kept, long ones fetched ahead in several requests."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from queue import SimpleQueue
from typing import NamedTuple

from film_archive.core.errors import Damaged, NotFound
from film_archive.core.source import ByteSource
from film_archive.storage.objects import Bucket

BLOCK = 1 << 20
"""Bytes that a small read fetches: contents that were packed together are read together."""
_KEPT = 64
"""Blocks that are kept."""
PIECE = 8 << 20
"""Bytes of one request of a long read."""
_AHEAD = 4
"""Requests under way at once."""

_Piece = memoryview | BaseException
_Task = tuple[int, int, SimpleQueue[_Piece]]
"""Offset, length, and where the bytes go."""


class BlockCache:
    """Blocks of objects that were read last. Objects never change, so no block is ever out of date."""

    def __init__(self) -> None:
        self._blocks: OrderedDict[tuple[str, int], memoryview] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, key: str, number: int) -> memoryview | None:
        with self._guard:
            found = self._blocks.get((key, number))
            if found is not None:
                self._blocks.move_to_end((key, number))
        return found

    def put(self, key: str, number: int, block: memoryview) -> None:
        with self._guard:
            self._blocks[key, number] = block
            if len(self._blocks) > _KEPT:
                self._blocks.popitem(last=False)


class _Fetching(NamedTuple):
    """An object, as threads hold it that must not keep its source from being let go of."""

    bucket: Bucket
    key: str
    name: str

    def fetch(self, offset: int, length: int) -> memoryview:
        """Exactly these bytes, in one request; raises Damaged where the object is gone or shorter than it was."""
        try:
            data = self.bucket.read_range(self.key, offset, length)
        except NotFound as error:
            raise Damaged(f"The content of {self.name} is missing from {self.bucket.name}; restore it from a copy.") from error
        if len(data) != length:
            raise Damaged(f"The content of {self.name} in {self.bucket.name} is cut short; restore it from a copy.")
        return data


class BucketSource(ByteSource):
    """An object. Who reads it from end to end has the next pieces fetched meanwhile."""

    def __init__(self, bucket: Bucket, key: str, size: int, name: str, blocks: BlockCache) -> None:
        self.size = size
        self.name = name
        self._key = key
        self._object = _Fetching(bucket, key, name)
        self._blocks = blocks
        self._ahead: _Ahead | None = None
        self._next = 0
        self._guard = threading.Lock()

    def read_into(self, offset: int, buffer: memoryview) -> int:
        view = self._bounded(offset, buffer)
        length = len(view)
        if length < BLOCK:
            self._by_blocks(offset, view)
        elif not self._in_order(offset, view):
            view[:] = self._object.fetch(offset, length)
        return length

    def _by_blocks(self, offset: int, view: memoryview) -> None:
        done = 0
        while done < len(view):
            number, inside = divmod(offset + done, BLOCK)
            block = self._blocks.get(self._key, number)
            if block is None:
                block = self._object.fetch(number * BLOCK, min(BLOCK, self.size - number * BLOCK))
                self._blocks.put(self._key, number, block)
            part = block[inside : inside + len(view) - done]
            view[done : done + len(part)] = part
            done += len(part)

    def _in_order(self, offset: int, view: memoryview) -> bool:
        """Fill from what is fetched ahead, if this read goes on where the last long one ended, or begins at the beginning."""
        if not self._guard.acquire(blocking=False):
            return False  # another thread reads in order
        try:
            if self._ahead is None or self._ahead.position != offset:
                if self._ahead is not None:
                    self._ahead.stop()
                    self._ahead = None
                goes_on, self._next = offset in (0, self._next), offset + len(view)
                if not goes_on or self.size - offset <= max(PIECE, len(view)):
                    return False
                self._ahead = _Ahead(self._object, self.size, offset)
            self._ahead.read_into(view)
            return True
        except BaseException:
            if self._ahead is not None:
                self._ahead.stop()
                self._ahead = None
            raise
        finally:
            self._guard.release()

    def close(self) -> None:
        with self._guard:
            if self._ahead is not None:
                self._ahead.stop()
                self._ahead = None

    def __del__(self) -> None:
        ahead = getattr(self, "_ahead", None)
        if ahead is not None:
            ahead.stop()


class _Ahead:
    """Threads that fetch the next pieces of an object."""

    def __init__(self, thing: _Fetching, size: int, offset: int) -> None:
        self.position = offset
        self._size = size
        self._asked = offset
        self._todo: SimpleQueue[_Task | None] = SimpleQueue()
        self._coming: deque[SimpleQueue[_Piece]] = deque()
        self._left = memoryview(b"")
        pieces = -(-(size - offset) // PIECE)
        self._threads = min(_AHEAD, pieces)
        for _ in range(self._threads):
            self._ask()
            worker = threading.Thread(target=_work, args=(self._todo, thing), name=f"read {thing.name}", daemon=True)
            worker.start()

    def read_into(self, view: memoryview) -> None:
        done = 0
        while done < len(view):
            if not self._left:
                piece = self._coming.popleft().get()
                if isinstance(piece, BaseException):
                    raise piece
                self._left = piece
                self._ask()
            part = self._left[: len(view) - done]
            view[done : done + len(part)] = part
            self._left = self._left[len(part) :]
            done += len(part)
        self.position += done

    def _ask(self) -> None:
        if self._asked < self._size:
            length = min(PIECE, self._size - self._asked)
            answer: SimpleQueue[_Piece] = SimpleQueue()
            self._todo.put((self._asked, length, answer))
            self._coming.append(answer)
            self._asked += length

    def stop(self) -> None:
        """Let the threads end, each when the piece that it fetches is there."""
        self._size = self._asked  # nothing more is asked for
        for _ in range(self._threads):
            self._todo.put(None)


def _work(todo: SimpleQueue[_Task | None], thing: _Fetching) -> None:
    while (task := todo.get()) is not None:
        offset, length, answer = task
        try:
            answer.put(thing.fetch(offset, length))
        except BaseException as error:  # noqa: BLE001  raised by who waits for the bytes
            answer.put(error)
