"""`TapeSource`: a file on tape as a source of bytes; only the records that hold what is asked for are read."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict

from film_archive.core.errors import Damaged
from film_archive.core.source import ByteSource
from film_archive.tape.drives.drive import Drive, Mark, Position
from film_archive.tape.ltfs.label import Label
from film_archive.tape.ltfs.tree import TapeFile

_KEPT = 16
"""Records that are kept: who cuts a clip goes back and forth between its index and its frames."""


class RecordReader:
    """Records of a cartridge, one after the other without locating in between, the last few kept.

    For several threads: a drive has one position, so they take turns.
    """

    def __init__(self, drive: Drive, label: Label) -> None:
        self.drive = drive
        self.label = label
        self.lock = threading.RLock()
        self._kept: OrderedDict[Position, bytes] = OrderedDict()
        self.bytes_read = 0
        """Bytes of records that were read from the drive."""

    def record(self, position: Position) -> bytes:
        """The record here; raises Damaged where there is none or it can't be read."""
        kept = self._kept.get(position)
        if kept is not None:
            self._kept.move_to_end(position)
            return kept
        if self.drive.position != position:
            self.drive.locate(*position)
        record = self.drive.read()
        if not isinstance(record, bytes):
            raise self._no_record(position, record)
        self.bytes_read += len(record)
        self._kept[position] = record
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return record

    def record_into(self, position: Position, view: memoryview) -> int:
        """Read the record here straight into a view; returns its size. Raises as `record` does."""
        kept = self._kept.get(position)
        if kept is not None and len(kept) <= len(view):
            view[: len(kept)] = kept
            return len(kept)
        if self.drive.position != position:
            self.drive.locate(*position)
        found = self.drive.read_into(view)
        if not isinstance(found, int):
            raise self._no_record(position, found)
        self.bytes_read += found
        return found

    def _no_record(self, position: Position, mark: Mark) -> Damaged:
        return Damaged(
            f"Block {position.block} of partition {self.label.letter(position.partition)} in {self.drive.name} is "
            f"{mark.value} and not a record of a file."
        )

    def forget(self) -> None:
        """The cartridge is written to: what was read may be gone."""
        self._kept.clear()


class TapeSource(ByteSource):
    """The bytes of a file on tape. What no extent covers is zeros."""

    def __init__(self, reader: RecordReader, file: TapeFile, name: str) -> None:
        """Raises Damaged where the file's extents overlap, or lie on no partition of the volume."""
        self._reader = reader
        self._block = reader.label.block_size
        self._extents = sorted(extent for extent in file.extents if extent.byte_count)
        self.name = name
        self.size = file.length
        end = 0
        for extent in self._extents:
            reader.label.number(extent.partition)
            if extent.file_offset < end or extent.file_end > file.length:
                raise Damaged(f"The index contradicts itself about where {name} lies; it can't be read from this index.")
            end = extent.file_end
        self._starts = [extent.file_offset for extent in self._extents]

    def read_into(self, offset: int, buffer: memoryview) -> int:
        view = self._bounded(offset, buffer)
        done = 0
        with self._reader.lock:
            while done < len(view):
                done += self._read_some(offset + done, view[done:])
        return done

    def _read_some(self, offset: int, view: memoryview) -> int:
        """Fill the begin of a view from one record, or with the zeros of a hole; returns how many bytes."""
        place = bisect_right(self._starts, offset) - 1
        extent = self._extents[place] if place >= 0 else None
        if extent is None or offset >= extent.file_end:
            following = self._starts[place + 1] if place + 1 < len(self._starts) else self.size
            count = min(len(view), following - offset)
            view[:count] = bytes(count)
            return count
        block, within = divmod(extent.byte_offset + offset - extent.file_offset, self._block)
        position = Position(self._reader.label.number(extent.partition), extent.start_block + block)
        count = min(len(view), extent.file_end - offset, self._block - within)
        if within == 0 and count == self._block:  # a whole record needs no copy of it
            size = self._reader.record_into(position, view[:count])
        else:
            record = self._reader.record(position)
            size = len(record)
            if size >= within + count:
                view[:count] = memoryview(record)[within : within + count]
        if size < within + count:
            raise Damaged(
                f"{self.name} is not whole: the record at block {position.block} of partition {extent.partition} has "
                f"{size} bytes, and {within + count} are needed."
            )
        return count
