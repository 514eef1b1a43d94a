"""`FileBackedDrive`: a cartridge that is a folder, laid out as the LTFS reference's file backend lays it out.

`0_5_R` is the record at block 5 of partition 0, `1_6_F` a filemark, `0_7_E` the end of data; `attr_0_80c` is an
attribute of the cartridge's memory; `filedebug_tc_conf.xml` says what kind of cartridge it is. So whoever has the
reference can mount it.

What it promises: an end of data that is visible stands behind whole, durable records. New records are written behind it,
where no reader looks, and made durable; then the end mark is moved over them in one rename. A kill or a power cut leaves
what was there at the last flush. Overwriting puts the new end mark first and removes what it cuts off after that.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

from film_archive.core import files
from film_archive.core.errors import Damaged, NoSpace, NotFound, Refused, StorageError, UsageError, from_os_error
from film_archive.core.source import printable
from film_archive.tape.drives.cartridge_config import POSITION, CartridgeConfig, read_config, write_config
from film_archive.tape.drives.drive import Attribute, AttributeFormat, Capacity, Drive, Mark, Position, Room

LARGE = 100 * 10**9
"""Bytes of positions above which writing wants a confirmation: every record is a file."""
BLOCK_LIMIT = 4 << 20

_NAME = re.compile(r"([01])_(0|[1-9][0-9]{0,17})_([RFE])")
_CHANGE_REFERENCE = 0x0009
_COHERENCY = 0x080C
_MEDIUM_TYPE = 0x0408
_WORM = 0x80
_FEW = 32
"""So many new files are made durable one by one; more of them by one call for the whole file system."""
_LARGEST_ATTRIBUTE = 1 << 16


def create_cartridge(folder: Path, config: CartridgeConfig, *, worm: bool = False) -> None:
    """A new, blank cartridge in a folder that is not there yet, or is empty; raises Refused where something is in it."""
    with files.explaining(f"make a cartridge in {printable(folder)}"):
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise Refused(f"{printable(folder)} is not empty; no cartridge was made there.")
        for partition in (0, 1):
            (folder / f"{partition}_0_E").touch(0o644)
    if worm:
        _write_attribute(folder, 0, Attribute(_MEDIUM_TYPE, AttributeFormat.BINARY, bytes([_WORM])))
    write_config(folder, config)
    files.sync_folder(folder.parent)


def write_device_file(folder: Path, serial: str = "FA0001") -> Path:
    """Put a file beside a cartridge that the reference takes as a drive (`-o devname=`) with this cartridge in it.

    Raises UsageError where the folder's name is longer than the 35 bytes that the reference reads.
    """
    name = os.fsencode(folder.name)
    if len(name) > 35:
        raise UsageError(f"{printable(folder.name)} is longer than the 35 bytes that the reference's device files have.")
    device = folder.parent / f"{folder.name}_{serial}.{read_config(folder).product}"
    files.write_atomically(device, name.ljust(64, b"\0"), replace=True)
    return device


class _Partition:
    """What is known of one partition. Blocks from `end` on are not on the cartridge, whatever files there are."""

    __slots__ = ("end", "known", "marks", "strays")

    def __init__(self, names: list[tuple[int, str]]) -> None:
        numbers = {number for number, kind in names if kind != "E"}
        ends = sorted(number for number, kind in names if kind == "E")
        hole = next(number for number in range(len(numbers) + 1) if number not in numbers)
        self.end: int | None = ends[0] if ends and ends[0] <= hole else 0 if not names else None
        """Where the end of data is; None where it is missing, or behind a hole."""
        self.known = self.end if self.end is not None else max(numbers | set(ends), default=0) + 1
        """Nothing can be read from here on."""
        self.marks = sorted({number for number, kind in names if kind == "F" and number < self.known})
        self.strays = [
            f"{number}_{kind}" for number, kind in names if number >= self.known and (number, kind) != (self.end, "E")
        ]
        """Names of files behind the end: what a killed run had not finished."""


class FileBackedDrive(Drive):
    """The cartridge in a folder. Raises Refused where another job has it, or where it is to be written and can't be."""

    def __init__(self, folder: Path, *, writable: bool = True, allow_large: bool = False) -> None:
        """`allow_large` is the confirmation that more than 100 GB may be written into files of 512 KiB."""
        self.folder = folder
        self.name = printable(folder)
        self.config = read_config(folder)
        self.medium = self.config.medium
        self.block_limit = BLOCK_LIMIT
        self.record_cost = POSITION
        self.write_protected = self.config.write_protected or not writable
        self._allow_large = allow_large
        self._opened_for_reading = not writable
        self._pending: list[str] = []
        """Files that were written since the last flush, all of the partition that the position is in."""
        self._changed = False
        """Whether something was written since the coherency information was set, so that a new reference is due."""
        self._partitioned = False
        self._failed = False
        """Whether records could not be made durable: they are given up, and so is this drive."""
        self._position = Position(0, 0)
        self._descriptor: int | None = self._lock(writable)
        try:
            self._parts = self._scan()
            kind = self.attribute(0, _MEDIUM_TYPE)
            self.worm = kind is not None and kind.value == bytes([_WORM])
        except BaseException:
            self._release()
            raise

    def _lock(self, writable: bool) -> int:
        try:
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise from_os_error(error, f"open the cartridge {self.name}") from error
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if writable else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise Refused(f"The cartridge {self.name} is used by another job; nothing was changed.") from error
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                os.close(descriptor)
                raise from_os_error(error, f"lock the cartridge {self.name}") from error
            # a share without locks: that nobody else uses the cartridge is up to its user
        return descriptor

    def _scan(self) -> tuple[_Partition, _Partition]:
        found: tuple[list[tuple[int, str]], list[tuple[int, str]]] = ([], [])
        with files.explaining(f"read the cartridge {self.name}"), os.scandir(self.folder) as entries:
            for entry in entries:
                if matched := _NAME.fullmatch(entry.name):
                    found[int(matched[1])].append((int(matched[2]), matched[3]))
        return _Partition(found[0]), _Partition(found[1])

    # Where it is

    @property
    def partitions(self) -> int:
        return 2 if self._partitioned or self._parts[1].known else 1

    @property
    def position(self) -> Position:
        return self._position

    @property
    def _part(self) -> _Partition:
        return self._parts[self._position.partition]

    @property
    def room(self) -> Room:
        partition, block = self._position
        total = self._blocks(partition)
        if block >= total - max(4, total // 64):
            return Room.LAST
        return Room.LOW if block >= self._low(partition) else Room.AMPLE

    def _low(self, partition: int) -> int:
        """The block from which room is low, where the reference's programmable early warning is too."""
        small = self._blocks(0) // 2
        return self._blocks(1) - small if partition else small

    def _blocks(self, partition: int) -> int:
        capacity = self.config.data_capacity if partition else self.config.index_capacity
        return capacity // POSITION

    def capacity(self, partition: int) -> Capacity:
        total = self._blocks(partition)
        used = self._parts[partition].known
        if partition == self._position.partition and self._pending:
            used = self._position.block
        left, low = max(0, total - used), max(0, self._low(partition) - used)
        return Capacity(total * POSITION, left * POSITION, low * POSITION)

    def locate(self, partition: int, block: int) -> Position:
        if not (0 <= partition < 2 and block >= 0):
            raise UsageError(f"A cartridge has no block {block} on partition {partition}.")
        self.flush()
        self._position = Position(partition, min(block, self._parts[partition].known))
        return self._position

    def locate_end(self, partition: int) -> Position:
        self.flush()
        end = self._parts[partition].end
        if end is None:
            raise Damaged(
                f"Partition {partition} of the cartridge {self.name} has no end of data; it can be read up to block "
                f"{self._parts[partition].known}, but not written."
            )
        self._position = Position(partition, end)
        return self._position

    def space_filemarks(self, count: int) -> bool:
        self.flush()
        partition, block = self._position
        marks = self._part.marks
        here = bisect_left(marks, block)
        wanted = here + count - 1 if count > 0 else here + count
        if count == 0:
            return True
        if wanted < 0:
            self._position = Position(partition, 0)
        elif wanted >= len(marks):
            self._position = Position(partition, self._part.known)
        else:
            self._position = Position(partition, marks[wanted] + (count > 0))
            return True
        return False

    # Reading

    def read(self) -> bytes | Mark:
        mark = self._mark_here()
        if mark is not None:
            return mark
        with self._record_here() as (descriptor, size):
            buffer = bytearray(size)
            self._fill(descriptor, memoryview(buffer))
        self._position = Position(self._position.partition, self._position.block + 1)
        return bytes(buffer)

    def read_into(self, buffer: memoryview) -> int | Mark:
        mark = self._mark_here()
        if mark is not None:
            return mark
        with self._record_here() as (descriptor, size):
            if size > len(buffer):
                raise Damaged(f"The record at {self._here} has {size} bytes, more than the {len(buffer)} of a full one.")
            self._fill(descriptor, buffer[:size])
        self._position = Position(self._position.partition, self._position.block + 1)
        return size

    def _mark_here(self) -> Mark | None:
        """What is here instead of a record; a filemark is passed."""
        if self._pending:
            self.flush()
        partition, block = self._position
        part = self._part
        if block >= part.known:
            return Mark.END_OF_DATA
        place = bisect_left(part.marks, block)
        if part.marks[place : place + 1] != [block]:
            return None
        self._position = Position(partition, block + 1)
        return Mark.FILEMARK

    @property
    def _here(self) -> str:
        return f"block {self._position.block} of partition {self._position.partition} of the cartridge {self.name}"

    @contextlib.contextmanager
    def _record_here(self) -> Iterator[tuple[int, int]]:
        """The open file of the record here, and its size."""
        partition, block = self._position
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(f"{partition}_{block}_R", flags, dir_fd=self._folder)
        except FileNotFoundError as error:
            raise Damaged(f"There is no record at {self._here}.") from error
        except OSError as error:
            raise from_os_error(error, f"read {self._here}") from error
        try:
            size = os.fstat(descriptor).st_size
            if not 0 < size <= self.block_limit:
                raise Damaged(f"The record at {self._here} has {size} bytes, which no record has.")
            yield descriptor, size
        finally:
            os.close(descriptor)

    def _fill(self, descriptor: int, view: memoryview) -> None:
        done = 0
        while done < len(view):
            with files.explaining(f"read {self._here}"):
                count = os.preadv(descriptor, [view[done:]], done)
            if count == 0:
                raise Damaged(f"The record at {self._here} ended while it was read.")
            done += count

    @property
    def _folder(self) -> int:
        if self._descriptor is None:
            raise StorageError(f"The cartridge {self.name} is closed already.")
        return self._descriptor

    # Writing

    def make_partitions(self) -> None:
        self._require_writable()
        self.flush()
        if self.worm and any(part.known for part in self._parts):
            raise Refused(f"The cartridge {self.name} is WORM and written already; it can't be formatted again.")
        self._new_reference()
        for partition in (1, 0):
            self._position = Position(partition, 0)
            self._truncate()
        self._partitioned = True

    def write(self, record: bytes | bytearray | memoryview) -> None:
        if not 0 < len(record) <= self.block_limit:
            raise UsageError(f"A record of {len(record)} bytes can't be written; 1 to {self.block_limit} can.")
        self._put("R", record)

    def write_filemark(self) -> None:
        self._put("F", b"")

    def _put(self, kind: str, data: bytes | bytearray | memoryview) -> None:
        partition, block = self._position
        self._require_writable()
        if not self._pending:
            self._begin_writing()
        self._require_room(partition, block)
        name = f"{partition}_{block}_{kind}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with files.explaining(
            f"write block {block} of partition {partition} of the cartridge {self.name}",
            needed=lambda: len(data),
            folder=self.folder,
            state=f"the cartridge is as it was at block {self._part.end}",
        ):
            descriptor = os.open(name, flags, 0o644, dir_fd=self._folder)
            try:
                files.write_at(descriptor, data, 0)
            except OSError:
                files.remove(self.folder / name)  # a part of a record behind the end, and in the way of the next try
                raise
            finally:
                os.close(descriptor)
        self._pending.append(name)
        if kind == "F":
            self._part.marks.append(block)
        self._position = Position(partition, block + 1)

    def _begin_writing(self) -> None:
        """Make sure that the position is the end of data and that nothing lies behind it."""
        part = self._part
        if part.end is None:
            self.locate_end(self._position.partition)  # raises, saying why
        elif self._position.block < part.end:
            if self.worm:
                raise Refused(
                    f"The cartridge {self.name} is WORM: block {self._position.block} of partition "
                    f"{self._position.partition} is written already and stays."
                )
            self._new_reference()
            self._truncate()
        elif part.strays:
            for stray in part.strays:
                files.remove(self.folder / f"{self._position.partition}_{stray}")
            part.strays = []

    def _require_writable(self) -> None:
        if self._opened_for_reading:
            raise Refused(f"The cartridge {self.name} was opened for reading; nothing was written.")
        if self.write_protected:
            raise Refused(f"The cartridge {self.name} is write-protected; nothing was written.")
        if self._failed:
            raise StorageError(
                f"The cartridge {self.name} could not be written before; open it again to go on from its last index."
            )

    def _require_room(self, partition: int, block: int) -> None:
        total = self._blocks(partition)
        if block >= total:
            raise NoSpace(f"The end of partition {partition} of the cartridge {self.name} is reached, at block {block}.")
        if block * POSITION >= LARGE and not self._allow_large:
            raise Refused(
                f"The cartridge {self.name} would have more than {LARGE // POSITION} records, each of which is a file; "
                "confirm that such a large file-backed cartridge is meant."
            )

    def _truncate(self) -> None:
        """Make the position the end of data, durably, then remove what lies behind."""
        partition, block = self._position
        mark = f"{partition}_{block}_E"
        with files.explaining(f"write to the cartridge {self.name}", folder=self.folder, needed=lambda: 1):
            os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644, dir_fd=self._folder))
            files.sync_folder(self.folder)
            names = [entry.name for entry in self.folder.iterdir()]
        part = self._parts[partition]
        part.end = part.known = block
        del part.marks[bisect_left(part.marks, block) :]
        part.strays = []
        for name in names:
            matched = _NAME.fullmatch(name)
            if matched and int(matched[1]) == partition and int(matched[2]) >= block and name != mark:
                files.remove(self.folder / name)
        files.sync_folder(self.folder)

    def flush(self) -> None:
        if not self._pending:
            return
        self._require_writable()
        partition, block = self._position
        part = self._part
        assert part.end is not None  # what is pending was written behind it
        self._failed = True  # unless all of what follows is done
        self._new_reference()
        with files.explaining(
            f"make records of the cartridge {self.name} durable",
            needed=lambda: 1,
            folder=self.folder,
            state=f"partition {partition} ends at block {part.end} as before",
        ):
            self._sync_pending()
            old, new = self.folder / f"{partition}_{part.end}_E", self.folder / f"{partition}_{block}_E"
            if old.exists():
                files.rename_unsynced(old, new)
            else:  # a blank cartridge that something else made
                new.touch(0o644)
        files.sync_folder(self.folder)
        part.end = part.known = block
        self._pending.clear()
        self._failed = False

    def _sync_pending(self) -> None:
        if len(self._pending) > _FEW and files.sync_file_system(self._folder):
            return
        for name in self._pending:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self._folder)
            try:
                files.sync(descriptor)
            finally:
                os.close(descriptor)
        files.sync_folder(self.folder)

    # The cartridge's memory

    def attribute(self, partition: int, identifier: int) -> Attribute | None:
        path = self.folder / f"attr_{partition}_{identifier:x}"
        try:
            with files.explaining(f"read the memory of the cartridge {self.name}"), path.open("rb") as file:
                data = file.read(_LARGEST_ATTRIBUTE)
        except NotFound:
            return None
        found = Attribute.decode(data)
        if found.identifier != identifier:
            raise Damaged(f"{printable(path)} holds attribute {found.identifier:x} and not {identifier:x}.")
        return found

    def set_attribute(self, partition: int, attribute: Attribute) -> None:
        self._require_writable()
        _write_attribute(self.folder, partition, attribute)
        if attribute.identifier == _COHERENCY:
            self._changed = False

    def _new_reference(self) -> None:
        """Change the volume change reference, once for all that is written until coherency information is set again.

        So what that information says is never believed of a cartridge that was written to since.
        """
        if self._changed:
            return
        known = None
        with contextlib.suppress(Damaged):
            known = self.attribute(0, _CHANGE_REFERENCE)
        number = int.from_bytes(known.value, "big") if known is not None else 0
        number = number + 1 if number < 0xFFFFFFFE else 1
        value = Attribute(_CHANGE_REFERENCE, AttributeFormat.BINARY, number.to_bytes(4, "big"))
        _write_attribute(self.folder, 0, value)
        self._changed = True

    # The end

    def close(self) -> None:
        """Let go of the cartridge, which is as it was at the last flush."""
        self._pending.clear()
        self._release()

    def _release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _write_attribute(folder: Path, partition: int, attribute: Attribute) -> None:
    files.write_atomically(folder / f"attr_{partition}_{attribute.identifier:x}", attribute.encode(), replace=True)
