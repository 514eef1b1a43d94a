"""`Fan`: one writer over the cartridges of all copies of a set, which get the same bytes at the same time.

Each copy beyond the first is written in a thread of its own, block by block beside the first: a block is let go when all have
it, so the source is read once and no drive runs ahead. What does not fit on one of them is on none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from queue import SimpleQueue

from film_archive.core.errors import NoSpace
from film_archive.core.source import printable
from film_archive.tape.ltfs.tree import TapeAttribute, TapeFile, Times
from film_archive.tape.volumes import OpenTape

Block = bytes | bytearray | memoryview


class Fan:
    """What `feed` writes to.

    `kept` are bytes that stay free on each cartridge for its own lists; `folders` has the times of folders.
    """

    def __init__(
        self,
        tapes: Sequence[OpenTape],
        has: Sequence[Mapping[str, object]],
        sizes: Mapping[str, int],
        folders: Mapping[str, Times],
        kept: Callable[[], int],
    ) -> None:
        self.tapes = tapes
        self._has = has
        self._sizes = sizes
        self._folders = folders
        self._made: set[str] = set()
        self._kept = kept
        self.on_tapes: dict[str, dict[int, TapeFile]] = {}
        """Path → number of the copy, from 0 → the file, of all that was written."""
        self.ended: NoSpace | None = None
        """That a cartridge had no room for the last index of its data partition; all that was written is on it."""

    @property
    def uncommitted(self) -> int:
        return max(tape.writable.uncommitted for tape in self.tapes)

    def write_file(
        self,
        path: str,
        blocks: Iterable[Block],
        times: Times,
        *,
        attributes: Callable[[], Iterable[TapeAttribute]] = tuple,
        readonly: bool = False,
    ) -> TapeFile:
        """Write a file to the copies that lack it. Raises NoSpace before anything is written where it can't fit."""
        lacking = [number for number, there in enumerate(self._has) if path not in there]
        for number in lacking:
            tape = self.tapes[number]
            if self.ended is not None or self._sizes[path] + self._kept() > tape.room:
                raise NoSpace(f"{printable(path)} does not fit on {tape.serial} any more; it goes to the next cartridge.")
        for number in lacking:
            self._make_folders(number, path)
        copies = [_Copy(self.tapes[number], path, times, attributes, readonly) for number in lacking[1:]]
        first = self.tapes[lacking[0]].writable
        try:
            file = first.write_file(path, _poured(blocks, copies), times, attributes=attributes, readonly=readonly)
            others = [copy.finish() for copy in copies]
        finally:
            for copy in copies:
                copy.drop()
        self.on_tapes[path] = dict(zip(lacking, [file, *others], strict=True))
        return file

    def _make_folders(self, number: int, path: str) -> None:
        """The folders above a file, with their own times and not the file's."""
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            times = self._folders.get(folder)
            if times is not None and (key := f"{number}:{folder}") not in self._made:
                self.tapes[number].make_folder(folder, times)
                self._made.add(key)

    def commit(self, comment: str = "") -> None:
        for tape in self.tapes:
            try:
                tape.commit(comment)
            except NoSpace as error:
                self.ended = error


class _Dropped(Exception):
    """The first copy could not be written; the others don't finish theirs."""


class _Copy:
    """A further copy of one file, written in a thread of its own."""

    def __init__(
        self,
        tape: OpenTape,
        path: str,
        times: Times,
        attributes: Callable[[], Iterable[TapeAttribute]],
        readonly: bool,
    ) -> None:
        self._given: SimpleQueue[Block | _Dropped | None] = SimpleQueue()
        self._taken: SimpleQueue[BaseException | None] = SimpleQueue()
        self._file: TapeFile | None = None
        self._error: BaseException | None = None
        self._is_ended = False
        self._thread = threading.Thread(
            target=self._write, args=(tape, path, times, attributes, readonly), name=f"write {tape.serial}", daemon=True
        )
        self._thread.start()

    def _write(
        self,
        tape: OpenTape,
        path: str,
        times: Times,
        attributes: Callable[[], Iterable[TapeAttribute]],
        readonly: bool,
    ) -> None:
        try:
            self._file = tape.writable.write_file(path, self._blocks(), times, attributes=attributes, readonly=readonly)
        except _Dropped:
            pass  # why is known to the first copy
        except BaseException as error:  # noqa: BLE001  raised where the first copy is written
            self._error = error
        self._taken.put(self._error)

    def _blocks(self) -> Iterator[Block]:
        while (block := self._given.get()) is not None:
            if isinstance(block, _Dropped):
                raise block
            yield block
            self._taken.put(None)

    def give(self, block: Block) -> None:
        self._given.put(block)

    def wait(self) -> None:
        """Until the block is written; raises what writing it raised."""
        error = self._taken.get()
        if error is not None:
            self._taken.put(error)
            raise error

    def finish(self) -> TapeFile:
        """End the file."""
        self._end(None)
        if self._error is not None:
            raise self._error
        assert self._file is not None
        return self._file

    def drop(self) -> None:
        """Give up the file, unless it is finished."""
        self._end(_Dropped())

    def _end(self, last: _Dropped | None) -> None:
        if not self._is_ended:
            self._is_ended = True
            self._given.put(last)
            self._thread.join()


def _poured(blocks: Iterable[Block], copies: Sequence[_Copy]) -> Iterator[Block]:
    """The same blocks, each let go when all copies have it."""
    for block in blocks:
        for copy in copies:
            copy.give(block)
        yield block
        for copy in copies:
            copy.wait()
