"""`Volume`: an LTFS volume in a drive: made, opened, files appended to it, its index committed.

The order of writing (LTFS Format Specification 2.4, 4 and annex C): records of files; an index behind them on the data
partition; the same on the index partition; then the cartridge's memory is told. Nothing on the data partition is ever
overwritten. What was committed is there whatever happens later: when a write breaks off, the next opening finds the last
index that is whole, and puts a new one behind what was left over.
"""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import NoReturn, Self

from film_archive.core.errors import Damaged, NoSpace, NotFound, Refused, UsageError
from film_archive.core.source import printable
from film_archive.tape.drives.drive import DATA_PARTITION, INDEX_PARTITION, Drive, Position, Room
from film_archive.tape.ltfs.content import RecordReader, TapeSource
from film_archive.tape.ltfs.generations import Generation, generations
from film_archive.tape.ltfs.index import Index, encode_index, in_records, size_in_index
from film_archive.tape.ltfs.label import (
    BLOCK_SIZE,
    CREATOR,
    SMALLEST_BLOCK,
    Label,
    encode_label,
    encode_vol1,
)
from film_archive.tape.ltfs.memory import write_coherency, write_host_attributes
from film_archive.tape.ltfs.mounting import LABEL_END, FoundIndex, Mounted, mount, read_index_at
from film_archive.tape.ltfs.names import tape_name
from film_archive.tape.ltfs.tree import (
    Location,
    TapeAttribute,
    TapeExtent,
    TapeFile,
    TapeFolder,
    Times,
    Tree,
)
from film_archive.tape.planning import barcode, require_serial

_INDEX_HEAD = 16_384
"""More bytes than an index has before its root folder, with a comment of ours."""

Clock = Callable[[], int]
"""The time, in nanoseconds since 1970."""


class Volume:
    """An open volume. For one thread but for reading files; `close` does not commit, leaving its block without an error does."""

    def __init__(self, drive: Drive, mounted: Mounted, *, writable: bool, clock: Clock = time.time_ns) -> None:
        self.drive = drive
        self.label = mounted.label
        self.index = mounted.newest.index
        self.problems: list[str] = [*mounted.problems, *(f"{one.what}: {one.path}" for one in self.index.problems)]
        """What was not as it should be when the volume was opened, in words."""
        self.writable = writable
        self._clock = clock
        self._reader = RecordReader(drive, self.label)
        self._data_index = mounted.data_index
        """Where the last index of the data partition begins."""
        self._index_start = LABEL_END
        """Where the next index on the index partition begins: its leading filemark."""
        self._data_end = 0
        self._dirty = False
        self._index_size = _INDEX_HEAD + mounted.newest.records * self.label.block_size
        """Bytes that the next index has at most."""
        self.uncommitted = 0
        """Bytes of files that were written since the last commit."""
        self._writing: FileWriter | None = None

    # Opening

    @classmethod
    def format(
        cls,
        drive: Drive,
        serial: str,
        name: str = "",
        *,
        erase: bool = False,
        block_size: int = BLOCK_SIZE,
        clock: Clock = time.time_ns,
    ) -> Volume:
        """Make a new, empty volume and open it for writing; what was on the cartridge is gone.

        `serial` is the volume serial, `name` what the volume is called. Raises Refused where something is on the cartridge
        and `erase` is not given.
        """
        require_serial(serial)
        if not SMALLEST_BLOCK <= block_size <= drive.block_limit:
            raise UsageError(f"A block size of {block_size} bytes can't be used; {SMALLEST_BLOCK} to {drive.block_limit} can.")
        volume_name = tape_name(name) if name else ""
        if not erase and (drive.partitions > 1 or drive.locate(INDEX_PARTITION, 1).block > 0):
            raise Refused(f"The cartridge in {drive.name} is not blank; nothing was changed. Say that it is to be erased.")
        now = clock()
        label = Label(serial, str(uuid.uuid4()), now, block_size=block_size)
        drive.make_partitions()
        for partition in (DATA_PARTITION, INDEX_PARTITION):
            drive.locate(partition, 0)
            drive.write(encode_vol1(label))
            drive.write_filemark()
            drive.write(encode_label(label, label.letter(partition)))
            drive.write_filemark()
            drive.flush()
        root = TapeFolder(1, Times.all_of(now))
        index = Index(label.volume_uuid, 0, now, Tree(root), volume_name=volume_name)
        mounted = Mounted(label, _unwritten(index), data_index=None, index_location=None)
        volume = cls(drive, mounted, writable=True, clock=clock)
        volume._data_end = LABEL_END
        volume._commit("Format")
        write_host_attributes(drive, label, volume_name, barcode(serial, drive.medium))
        return volume

    @classmethod
    def open(cls, drive: Drive, *, writable: bool = False, generation: int | None = None, clock: Clock = time.time_ns) -> Volume:
        """Open the volume in a drive as its newest index has it, or as an older `generation` had it (to read).

        For writing, what an unfinished write left is put in order first: a new index behind it. Raises Damaged where there
        is no index or the indexes contradict each other, NotSupported where it is no LTFS volume, NotFound where there is no
        such generation, Refused where it can't be written.
        """
        if writable and generation is not None:
            raise UsageError("An older generation can be read; to write behind it, roll back to it first.")
        if writable and drive.write_protected:
            raise Refused(f"The cartridge in {drive.name} is write-protected; nothing was written.")
        mounted = mount(drive, writing=writable)
        if generation is not None and generation != mounted.newest.index.generation:
            mounted.newest = read_index_at(drive, mounted.label, _place_of(drive, mounted, generation))
        if writable and not mounted.writable:
            raise Damaged(
                f"The cartridge in {drive.name} can't be written to: {' '.join(mounted.problems)} It can be read; "
                "copy what is on it to another one."
            )
        volume = cls(drive, mounted, writable=writable, clock=clock)
        if writable:
            volume._prepare_writing(mounted)
        return volume

    def _prepare_writing(self, mounted: Mounted) -> None:
        """Find where the next index goes, and put one behind what an unfinished write left."""
        if self.index.lock_state not in (None, "unlocked"):
            raise Refused(f"The volume {self.label.serial} is {self.index.lock_state}; nothing was written.")
        index_letter = self.label.index_partition
        keeps = self.drive.worm or any(
            extent.partition == index_letter for _, file in self.index.tree.all_files() for extent in file.extents
        )
        if keeps:  # files lie there, or nothing can be overwritten: the next index goes behind everything
            self._index_start = self.drive.locate_end(INDEX_PARTITION).block
        elif mounted.index_location is not None:
            self._index_start = mounted.index_location - 1
        self._data_end = self.drive.locate_end(DATA_PARTITION).block
        if not mounted.consistent:
            self._commit("Recovered after an unfinished write")
        elif not mounted.by_memory and mounted.index_location is not None and self._data_index is not None:
            write_coherency(
                self.drive, self.label, self.index.generation, mounted.index_location, self._data_index.block
            )

    # Reading

    @property
    def tree(self) -> Tree:
        return self.index.tree

    def open_file(self, path: str) -> TapeSource:
        """The bytes of a file, called SERIAL::PATH; raises NotFound, and Damaged where the index contradicts itself."""
        file = self.tree.file(path)
        if file.target is not None:
            raise NotFound(f"{printable(path)} is a link to {printable(file.target)}, and has no bytes of its own.")
        return TapeSource(self._reader, file, f"{self.label.serial or self.label.volume_uuid}::{printable(path)}")

    @property
    def bytes_read(self) -> int:
        """Bytes of records that were read for files so far."""
        return self._reader.bytes_read

    def generations(self) -> list[Generation]:
        """The generations that can still be opened, newest first."""
        location = self.index.location
        return [] if location is None else list(generations(self.drive, self.label, location))

    # Writing

    @property
    def room(self) -> int:
        """Bytes of files that still fit, with what the next indexes need left free."""
        if not self._index_fits:
            return 0
        records = self.drive.capacity(DATA_PARTITION).before_warning // self._cost
        return max(0, records - self._index_records) * self.label.block_size

    @property
    def _cost(self) -> int:
        """Bytes of capacity that a full record takes."""
        return max(self.label.block_size, self.drive.record_cost)

    @property
    def _index_records(self) -> int:
        """Records and filemarks of the next index, at most."""
        return self._index_size // self.label.block_size + 3

    @property
    def _index_fits(self) -> bool:
        """Whether the index partition will hold the next index."""
        blocks = self.drive.capacity(INDEX_PARTITION).total // self._cost
        return self._index_start + self._index_records <= blocks

    def new_file(self, path: str) -> FileWriter:
        """Begin a file; it is on the volume when its writer has finished.

        Raises Refused where the path is taken, NotSupported where it can't be on tape.
        """
        self._require_writable()
        if self._writing is not None:
            raise UsageError(f"{self._writing.path} is being written to the tape; one file goes after the other.")
        path = self.tree.check_free(path)
        self._writing = FileWriter(self, path)
        return self._writing

    def write_file(
        self,
        path: str,
        blocks: Iterable[bytes | bytearray | memoryview],
        times: Times,
        *,
        attributes: Callable[[], Iterable[TapeAttribute]] = tuple,
        readonly: bool = False,
    ) -> TapeFile:
        """Write a whole file; `attributes` is asked when all blocks are written (digests are known then).

        Raises NoSpace where it does not fit: it is then not on the volume, and what was before is.
        """
        with self.new_file(path) as new:
            for block in blocks:
                new.write(block)
            return new.finish(times, attributes(), readonly=readonly)

    def make_folder(self, path: str, times: Times, attributes: Iterable[TapeAttribute] = ()) -> str:
        """Make a folder and those above it, where they are not there; returns its path on the volume."""
        self._require_writable()
        path = self.tree.add_folder(path, times, attributes=tuple(attributes))
        self._changed(path)
        return path

    def _changed(self, path: str) -> None:
        """Note that something is new or other than in the last index."""
        self._dirty = True
        entry = self.tree.get(path)
        if entry is not None:
            folders = path.count("/") * 1024  # those above it may be new too
            self._index_size += size_in_index(path.rpartition("/")[2], entry) + folders

    def make_link(self, path: str, target: str, times: Times) -> str:
        """Put a symbolic link on the volume."""
        self._require_writable()
        path = self.tree.check_free(path)
        self.tree.add_file(path, TapeFile(self.tree.next_uid(), 0, times, target=target))
        self._changed(path)
        return path

    def set_attributes(self, path: str, attributes: Iterable[TapeAttribute]) -> None:
        """Add extended attributes to a file, or to the root (""), or give them other values."""
        self._require_writable()
        new = {attribute.key: attribute for attribute in attributes}
        found = self.tree.get(path)
        if found is None:
            raise NotFound(f"There is nothing called {printable(path)} on the volume.")
        kept = tuple(attribute for attribute in found.attributes if attribute.key not in new)
        changed = dataclasses.replace(found, attributes=(*kept, *new.values()))
        if isinstance(changed, TapeFile):
            self.tree.replace_file(path, changed)
        else:
            self.tree.node(path).folder = changed
        self._changed(path)

    def remove_file(self, path: str) -> None:
        """Take a file out of the index; its records stay on the tape, in older generations too."""
        self._require_writable()
        self.tree.remove_file(path)
        self._dirty = True

    def roll_back(self, generation: int) -> None:
        """Make an older generation the newest one: committed as a new generation, so nothing is lost."""
        self._require_writable()
        if self._dirty:
            raise Refused("The volume has changes that are not committed; nothing was rolled back.")
        mounted = Mounted(self.label, _unwritten(self.index), self._data_index, None)
        old = read_index_at(self.drive, self.label, _place_of(self.drive, mounted, generation)).index
        old.tree.highest_uid = max(old.tree.highest_uid, self.tree.highest_uid)
        self.index = dataclasses.replace(self.index, tree=old.tree, volume_name=old.volume_name)
        self._commit(f"Rolled back to generation {generation}")

    def _require_writable(self) -> None:
        if not self.writable:
            raise Refused(f"The volume {self.label.serial} was opened for reading; nothing was written.")

    # Committing

    def commit(self, comment: str = "") -> None:
        """Put an index of everything on both partitions, durably; nothing where nothing changed since the last.

        Raises NoSpace where the data partition has no room for it; it is on the index partition then, and all files that
        were written are on the volume.
        """
        self._require_writable()
        if self._writing is not None:
            raise UsageError(f"{self._writing.path} is being written to the tape; finish or drop it first.")
        if self._dirty:
            self._commit(comment)

    def _commit(self, comment: str) -> None:
        self._reader.forget()
        index = dataclasses.replace(
            self.index,
            generation=self.index.generation + 1,
            updated=self._clock(),
            creator=CREATOR,
            comment=comment,
            problems=(),
        )
        full: NoSpace | None = None
        before = self._data_index
        try:
            begin = self._write_index(index, DATA_PARTITION, self._data_end, before)
            self._data_index = Location(self.label.data_partition, begin)
        except NoSpace as error:
            full = error
        begin = self._write_index(index, INDEX_PARTITION, self._index_start, self._data_index)
        self.index = index.located(Location(self.label.index_partition, begin), self._data_index)
        if self.drive.worm:
            self._index_start = self.drive.position.block
        if self._data_index is not None and full is None:
            write_coherency(self.drive, self.label, index.generation, begin, self._data_index.block)
        self._dirty = False
        self.uncommitted = 0
        if full is not None:
            raise NoSpace(
                f"The data partition of {self.label.serial} has no room for an index; generation {index.generation} is on "
                "the index partition only. Everything that was written can be read; write no more to this cartridge."
            ) from full

    def _write_index(self, index: Index, partition: int, start: int, previous: Location | None) -> int:
        """Write filemark, index, filemark, durably; returns the block of its first record."""
        start = self._go(partition, start)
        located = index.located(Location(self.label.letter(partition), start + 1), previous)
        self.drive.write_filemark()
        for record in in_records(encode_index(located), self.label.block_size):
            self.drive.write(record)
        self.drive.write_filemark()
        end = self.drive.position.block
        self.drive.flush()
        if partition == DATA_PARTITION:
            self._data_end = end
        return start + 1

    def _go(self, partition: int, block: int) -> int:
        """Stand where something is to be appended. Locating would flush, so only where the drive is elsewhere."""
        if self.drive.position != Position(partition, block):
            there = self.drive.locate(partition, block)
            if there != Position(partition, block):
                raise Damaged(
                    f"Partition {partition} of the cartridge in {self.drive.name} ends at block {there.block}, before block "
                    f"{block}; somebody else wrote to it. Nothing was written."
                )
        return block

    # The end

    def close(self) -> None:
        """Let go of the drive. What was not committed is not on the volume."""
        self.writable = False
        self.drive.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and self.writable:
                self.commit()
        finally:
            self.close()


class FileWriter:
    """A file that is being written to the end of a volume; leaving the block without `finish` drops it.

    The records of a dropped file stay on the tape, but no index names them.
    """

    def __init__(self, volume: Volume, path: str) -> None:
        self.path = path
        self.length = 0
        self._volume = volume
        self._block = volume.label.block_size
        self._start: int | None = None
        self._waiting = bytearray()
        """The begin of the next record."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes; raises NoSpace where the tape has room for indexes only."""
        view = memoryview(data).cast("B")
        self.length += len(view)
        if self._waiting:
            count = min(len(view), self._block - len(self._waiting))
            self._waiting += view[:count]
            view = view[count:]
            if len(self._waiting) < self._block:
                return
            self._put(self._waiting)
            self._waiting = bytearray()
        whole = len(view) // self._block * self._block
        for place in range(0, whole, self._block):
            self._put(view[place : place + self._block])
        self._waiting += view[whole:]

    def _put(self, record: bytearray | memoryview) -> None:
        volume = self._volume
        if self._start is None:
            self._start = volume._go(DATA_PARTITION, volume._data_end)
        if volume.drive.room is not Room.AMPLE or volume.room < len(record):
            self._say_full()
        volume.drive.write(record)
        volume._data_end += 1

    def _say_full(self) -> NoReturn:
        raise NoSpace(
            f"The cartridge in {self._volume.drive.name} is full at byte {self.length} of {printable(self.path)}; that file is "
            "not on it, and all before it are. Commit, and go on with the next cartridge."
        )

    def finish(self, times: Times, attributes: Iterable[TapeAttribute] = (), *, readonly: bool = False) -> TapeFile:
        """Put the file in the volume's tree; it is in the index with the next commit."""
        volume = self._volume
        if self._waiting:
            self._put(self._waiting)
            self._waiting = bytearray()
        extents: tuple[TapeExtent, ...] = ()
        if self._start is not None:
            extents = (TapeExtent(0, volume.label.data_partition, self._start, 0, self.length),)
        if not volume._index_fits:
            self._say_full()
        file = TapeFile(volume.tree.next_uid(), self.length, times, extents, tuple(attributes), readonly)
        volume.tree.add_file(self.path, file)
        volume.uncommitted += self.length
        volume._changed(self.path)
        self._end()
        return file

    def _end(self) -> None:
        if self._volume._writing is self:
            self._volume._writing = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._volume._writing is self and self._start is not None:
            self._volume._dirty = True  # records that no index names lie behind the last one
        self._end()


def _unwritten(index: Index) -> FoundIndex:
    """An index that is on no tape yet."""
    return FoundIndex(index, Position(INDEX_PARTITION, 0), 0, True)


def _place_of(drive: Drive, mounted: Mounted, generation: int) -> Position:
    """Where an older generation's index lies; raises NotFound."""
    start = mounted.newest.index.location
    if start is None:
        raise NotFound("The volume has no generations yet.")
    known = []
    for found in generations(drive, mounted.label, start):
        if found.number == generation:
            return Position(mounted.label.number(found.location.partition), found.location.block)
        known.append(found.number)
    raise NotFound(f"The volume has no generation {generation}; it has {', '.join(map(str, known))}.")
