"""`Drive`: records, filemarks and cartridge memory, as a tape drive has them, and as small as LTFS needs them.

A cartridge has one partition when it is blank and two when it is made for LTFS. A partition is a row of positions from
0: at each is a record (the bytes of one write) or a filemark, and behind the last one is the end of data. Writing at a
position drops everything behind it. What was written becomes durable, all of it and in order, with `flush`; a power cut
before that leaves any first part of it.

Errors. Damaged: a record can't be read, the end of data is missing. NoSpace: the record does not fit, and is not
written. Refused: write-protected, WORM, in use by another job. StorageError: the drive or its disk failed; where
records that were written since the last flush are is then not known, and the drive is to be opened again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum, IntEnum
from types import TracebackType
from typing import NamedTuple, Self

from film_archive.core.errors import Damaged
from film_archive.tape.formats import Medium

INDEX_PARTITION = 0
"""Where LTFS keeps its index by convention: on the first partition, which is the small one."""
DATA_PARTITION = 1


class Position(NamedTuple):
    """A place on a cartridge: partitions and blocks count from 0, and filemarks take a block too."""

    partition: int
    block: int


class Mark(Enum):
    """What a read may meet instead of a record."""

    FILEMARK = "filemark"
    END_OF_DATA = "end of data"


class Room(IntEnum):
    """What a drive says of the room behind its position when it writes."""

    AMPLE = 0
    LOW = 1
    """Past the programmable early warning: what is left is for indexes."""
    LAST = 2
    """Past the early warning: the medium may end at any write."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bytes that a partition takes in all, and that it takes behind its end of data."""

    total: int
    remaining: int
    before_warning: int
    """As `remaining`, up to where the drive says that room is low."""


class AttributeFormat(IntEnum):
    """How an attribute's value is written (SPC-4 7.4.1)."""

    BINARY = 0
    ASCII = 1
    TEXT = 2


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a cartridge's memory (MAM), as READ ATTRIBUTE gives it: SPC-4 7.4."""

    identifier: int
    format: AttributeFormat
    value: bytes

    def encode(self) -> bytes:
        """Identifier (2 bytes), format (1), length (2), value; big-endian."""
        header = self.identifier.to_bytes(2, "big") + bytes([self.format]) + len(self.value).to_bytes(2, "big")
        return header + self.value

    @classmethod
    def decode(cls, data: bytes) -> Attribute:
        """The attribute that begins these bytes; raises Damaged where they are too short or of an unknown format."""
        length = int.from_bytes(data[3:5], "big")
        if len(data) < 5 + length or len(data) < 5 or data[2] & 3 == 3:
            raise Damaged(f"An attribute of {len(data)} bytes is not one of a cartridge's memory.")
        return cls(int.from_bytes(data[:2], "big"), AttributeFormat(data[2] & 3), bytes(data[5 : 5 + length]))


class Drive(ABC):
    """A drive with a cartridge in it. Not for several threads at once."""

    name: str
    """What a person calls it."""
    medium: Medium
    block_limit: int
    """The largest record, in bytes."""
    record_cost: int
    """Bytes of its capacity that a record takes at least; a real tape takes what a record has."""
    write_protected: bool
    """By the cartridge's tab, or because it was opened for reading."""
    worm: bool
    """Records can be appended and never overwritten."""

    @property
    @abstractmethod
    def partitions(self) -> int:
        """1 on a blank cartridge, 2 on one that was made for LTFS."""

    @property
    @abstractmethod
    def position(self) -> Position:
        """Where the next read or write happens."""

    @property
    @abstractmethod
    def room(self) -> Room:
        """What the drive said at the last write, or at the position that was gone to since."""

    @abstractmethod
    def make_partitions(self) -> None:
        """Give the cartridge two empty partitions, the first small; all that was on it is gone. Goes to its begin."""

    @abstractmethod
    def locate(self, partition: int, block: int) -> Position:
        """Go to a position, or to the end of data where that comes first; returns where that is."""

    @abstractmethod
    def locate_end(self, partition: int) -> Position:
        """Go to the end of data; raises Damaged where there is none, as after a drive lost power in mid-write."""

    @abstractmethod
    def space_filemarks(self, count: int) -> bool:
        """Go over so many filemarks: forward to behind the last one, backward (negative) to before it.

        False, and at the partition's end or begin, where there are fewer.
        """

    @abstractmethod
    def read(self) -> bytes | Mark:
        """The record here, or what is here instead of one, and go behind it; the end of data is not passed.

        Raises Damaged where it can't be read; the position then stays.
        """

    def read_into(self, buffer: memoryview) -> int | Mark:
        """As `read`, into a buffer; returns how many bytes the record has. Raises Damaged too where it has more."""
        where = self.position
        record = self.read()
        if isinstance(record, Mark):
            return record
        if len(record) > len(buffer):
            self.locate(*where)
            raise Damaged(f"The record at {where} in {self.name} has {len(record)} bytes, more than {len(buffer)}.")
        buffer[: len(record)] = record
        return len(record)

    @abstractmethod
    def write(self, record: bytes | bytearray | memoryview) -> None:
        """Write a record of 1 to `block_limit` bytes here and go behind it; what was behind is gone."""

    @abstractmethod
    def write_filemark(self) -> None:
        """Write a filemark here and go behind it; what was behind is gone."""

    @abstractmethod
    def flush(self) -> None:
        """Make all that was written durable."""

    @abstractmethod
    def attribute(self, partition: int, identifier: int) -> Attribute | None:
        """An attribute of the cartridge's memory; None where it has none of that number."""

    @abstractmethod
    def set_attribute(self, partition: int, attribute: Attribute) -> None:
        """Store an attribute, durably."""

    @abstractmethod
    def capacity(self, partition: int) -> Capacity:
        """How much a partition takes."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the drive; what was not flushed may be gone. May be called again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
