"""A cartridge in memory and a drive that misbehaves on request: the test bench for everything that writes tapes.

The cartridge keeps what a real one keeps: records and marks of two partitions, its memory, which records have gone bad.
The drive counts operations and lets one of them fail, pulls the cartridge, or loses power with any part of what was not
flushed yet; it knows how long each move would have taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from film_archive.core.errors import Damaged, NoSpace, Refused, StorageError, UsageError
from film_archive.tape.drives.drive import Attribute, AttributeFormat, Capacity, Drive, Mark, Position, Room
from film_archive.tape.drives.motion import Motion, motion_of
from film_archive.tape.formats import MEDIA, Medium

_CHANGE_REFERENCE = 0x0009
_COHERENCY = 0x080C


class Fault(StrEnum):
    """What happens instead of an operation."""

    ERROR = "error"
    """It fails, nothing of it is done, and the drive goes on working."""
    BAD_RECORD = "bad record"
    """A write says that all is well, and what it wrote can never be read."""
    PULLED = "pulled"
    """Somebody takes the cartridge out: what was not flushed is lost, and everything fails from now on."""
    POWER = "power"
    """As pulled, but the drive had put so many unflushed records on tape as `kept` says."""
    POWER_NO_END = "power, no end"
    """As power, and the end of data behind them was not written any more."""


@dataclass(slots=True)
class SimulatedCartridge:
    """What stays when the drive is off. `blocks` is how many records and marks each partition takes."""

    medium: Medium = MEDIA["L8"]
    blocks: tuple[int, int] = (256, 4096)
    block_limit: int = 1 << 20
    write_protected: bool = False
    worm: bool = False
    partitions: int = 1
    contents: tuple[list[bytes | Mark], list[bytes | Mark]] = field(default_factory=lambda: ([], []))
    memory: dict[tuple[int, int], Attribute] = field(default_factory=dict)
    bad: set[Position] = field(default_factory=set)
    """Positions that can't be read any more."""
    endless: set[int] = field(default_factory=set)
    """Partitions whose end of data is missing."""
    in_use: bool = False


@dataclass(slots=True)
class Faults:
    """Which operations (counted from 0 over the drive's life) go wrong, and how."""

    at: Mapping[int, Fault] = field(default_factory=dict)
    kept: int = 0
    """Of the records that were not flushed when power was lost, so many are on tape."""


class SimulatedDrive(Drive):
    """A drive with a cartridge in memory. Raises Refused where another drive has that cartridge."""

    def __init__(
        self, cartridge: SimulatedCartridge, *, faults: Faults | None = None, motion: Motion | None = None
    ) -> None:
        if cartridge.in_use:
            raise Refused("The simulated cartridge is used by another job; nothing was changed.")
        cartridge.in_use = True
        self.cartridge = cartridge
        self.name = f"simulated {cartridge.medium.code}"
        self.medium = cartridge.medium
        self.block_limit = self.record_cost = cartridge.block_limit
        self.write_protected = cartridge.write_protected
        self.worm = cartridge.worm
        self.motion = motion if motion is not None else motion_of(cartridge.medium, cartridge.blocks[1])
        self.microseconds = 0
        """What the moves, reads and writes so far would have taken."""
        self.operations: list[str] = []
        """What was asked for so far, faults included."""
        self._faults = faults if faults is not None else Faults()
        self._position = Position(0, 0)
        self._unflushed: list[bytes | Mark] = []
        self._bad: list[int] = []
        self._changed = False
        self._gone = False

    def _operation(self, name: str) -> Fault | None:
        """Count an operation, and raise where it is to fail; returns a fault that the operation itself plays."""
        if self._gone:
            raise StorageError(f"There is no cartridge in the drive ({self.name}) any more.")
        fault = self._faults.at.get(len(self.operations))
        self.operations.append(name)
        if fault is Fault.ERROR:
            raise StorageError(f"The drive ({self.name}) failed to {name} at {self._position}; nothing was changed.")
        if fault in (Fault.PULLED, Fault.POWER, Fault.POWER_NO_END):
            kept = 0 if fault is Fault.PULLED else min(self._faults.kept, len(self._unflushed))
            partition = self._position.partition
            self.cartridge.contents[partition].extend(self._unflushed[:kept])
            if fault is Fault.POWER_NO_END and self._unflushed:
                self.cartridge.endless.add(partition)
            self._unflushed.clear()
            self._gone = True
            self.cartridge.in_use = False
            raise StorageError(f"The drive ({self.name}) lost its cartridge in the middle of a {name}.")
        return fault

    @property
    def partitions(self) -> int:
        return self.cartridge.partitions

    @property
    def position(self) -> Position:
        return self._position

    @property
    def room(self) -> Room:
        partition, block = self._position
        total = self.cartridge.blocks[partition]
        if block >= total - max(4, total // 64):
            return Room.LAST
        return Room.LOW if block >= self._low(partition) else Room.AMPLE

    def _low(self, partition: int) -> int:
        small = self.cartridge.blocks[0] // 2
        return self.cartridge.blocks[1] - small if partition else small

    def capacity(self, partition: int) -> Capacity:
        total = self.cartridge.blocks[partition]
        used = len(self.cartridge.contents[partition])
        if partition == self._position.partition:
            used += len(self._unflushed)
        left, low = max(0, total - used), max(0, self._low(partition) - used)
        return Capacity(total * self.block_limit, left * self.block_limit, low * self.block_limit)

    def _go(self, partition: int, block: int) -> None:
        target = Position(partition, block)
        self.microseconds += self.motion.locating(self._position, target)
        self._position = target

    def locate(self, partition: int, block: int) -> Position:
        if not (0 <= partition < 2 and block >= 0):
            raise UsageError(f"A cartridge has no block {block} on partition {partition}.")
        self._operation("locate")
        self._settle()
        self._go(partition, min(block, len(self.cartridge.contents[partition])))
        return self._position

    def locate_end(self, partition: int) -> Position:
        self._operation("locate the end")
        self._settle()
        if partition in self.cartridge.endless:
            raise Damaged(f"Partition {partition} of the cartridge ({self.name}) has no end of data.")
        self._go(partition, len(self.cartridge.contents[partition]))
        return self._position

    def space_filemarks(self, count: int) -> bool:
        self._operation("space")
        self._settle()
        partition, block = self._position
        contents = self.cartridge.contents[partition]
        step = 1 if count > 0 else -1
        left = abs(count)
        while left:
            if not 0 <= (block if step > 0 else block - 1) < len(contents):
                self._go(partition, block)
                return False
            left -= contents[block if step > 0 else block - 1] is Mark.FILEMARK
            block += step
        self._go(partition, block)
        return True

    def read(self) -> bytes | Mark:
        self._operation("read")
        self._settle()
        partition, block = self._position
        contents = self.cartridge.contents[partition]
        if block >= len(contents):
            return Mark.END_OF_DATA
        if self._position in self.cartridge.bad:
            raise Damaged(f"The record at block {block} of partition {partition} ({self.name}) can't be read.")
        record = contents[block]
        if isinstance(record, bytes):
            self.microseconds += self.motion.streaming(len(record))
        self._position = Position(partition, block + 1)
        return record

    def make_partitions(self) -> None:
        self._operation("make partitions")
        self._require_writable()
        if self.worm and any(self.cartridge.contents):
            raise Refused(f"The cartridge ({self.name}) is WORM and written already; it can't be formatted again.")
        self._unflushed.clear()
        self._new_reference()
        for contents in self.cartridge.contents:
            contents.clear()
        self.cartridge.bad.clear()
        self.cartridge.endless.clear()
        self.cartridge.partitions = 2
        self._go(0, 0)

    def write(self, record: bytes | bytearray | memoryview) -> None:
        if not 0 < len(record) <= self.block_limit:
            raise UsageError(f"A record of {len(record)} bytes can't be written; 1 to {self.block_limit} can.")
        self._put("write", bytes(record))
        self.microseconds += self.motion.streaming(len(record))

    def write_filemark(self) -> None:
        self._put("write a filemark", Mark.FILEMARK)

    def _put(self, name: str, record: bytes | Mark) -> None:
        fault = self._operation(name)
        self._require_writable()
        partition, block = self._position
        if block >= self.cartridge.blocks[partition]:
            raise NoSpace(f"The end of partition {partition} ({self.name}) is reached, at block {block}.")
        contents = self.cartridge.contents[partition]
        if not self._unflushed and block < len(contents):
            if self.worm:
                raise Refused(f"The cartridge ({self.name}) is WORM: block {block} is written already and stays.")
            del contents[block:]
            self.cartridge.bad -= {place for place in self.cartridge.bad if place[0] == partition and place[1] >= block}
            self.cartridge.endless.discard(partition)
        elif partition in self.cartridge.endless:
            raise Damaged(f"Partition {partition} of the cartridge ({self.name}) has no end of data.")
        self._new_reference()
        self._unflushed.append(record)
        if fault is Fault.BAD_RECORD:
            self.cartridge.bad.add(self._position)
        self._position = Position(partition, block + 1)

    def _require_writable(self) -> None:
        if self.write_protected:
            raise Refused(f"The cartridge ({self.name}) is write-protected; nothing was written.")

    def flush(self) -> None:
        self._operation("flush")
        self._settle()

    def _settle(self) -> None:
        partition = self._position.partition
        self.cartridge.contents[partition].extend(self._unflushed)
        self._unflushed.clear()

    def attribute(self, partition: int, identifier: int) -> Attribute | None:
        self._operation("read an attribute")
        return self.cartridge.memory.get((partition, identifier))

    def set_attribute(self, partition: int, attribute: Attribute) -> None:
        self._operation("write an attribute")
        self._require_writable()
        self.cartridge.memory[partition, attribute.identifier] = attribute
        if attribute.identifier == _COHERENCY:
            self._changed = False

    def _new_reference(self) -> None:
        if self._changed:
            return
        known = self.cartridge.memory.get((0, _CHANGE_REFERENCE))
        number = 1 + (int.from_bytes(known.value, "big") if known is not None else 0)
        self.cartridge.memory[0, _CHANGE_REFERENCE] = Attribute(
            _CHANGE_REFERENCE, AttributeFormat.BINARY, number.to_bytes(4, "big")
        )
        self._changed = True

    def close(self) -> None:
        if not self._gone:
            self._settle()
            self._gone = True
            self.cartridge.in_use = False
