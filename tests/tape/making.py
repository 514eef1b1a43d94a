"""Cartridges for tests: the same small one in a folder and in memory, and volumes on them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from film_archive.tape.drives.cartridge_config import MIB, new_config
from film_archive.tape.drives.drive import Attribute, Drive, Mark, Position
from film_archive.tape.drives.file_backed import FileBackedDrive, create_cartridge
from film_archive.tape.drives.simulated import Faults, SimulatedCartridge, SimulatedDrive
from film_archive.tape.formats import MEDIA
from film_archive.tape.ltfs.tree import DIGEST_KEYS, TapeAttribute, TapeFile, Times
from film_archive.tape.ltfs.volume import Volume

BLOCK = 4096
"""The smallest that LTFS allows: a file of a few kilobytes has several records."""
CAPACITY = 320 * MIB
"""640 positions: 32 of the index partition, 608 of the data partition."""
NOW = 1_795_000_000_123_456_789
SERIAL = "FA0001"


@dataclass
class Bench:
    """A cartridge that can be put in a drive again and again."""

    def drive(self, *, writable: bool = True) -> Drive:
        raise NotImplementedError

    def records(self, partition: int) -> list[bytes | Mark]:
        """All that a partition has."""
        raise NotImplementedError

    def rewrite(self, partition: int, records: list[bytes | Mark | None], *, end: bool = True) -> None:
        """Give a partition other contents behind every drive's back; None is a record that is lost."""
        raise NotImplementedError

    def put_attribute(self, partition: int, attribute: Attribute) -> None:
        """Store an attribute behind every drive's back."""
        raise NotImplementedError

    def set_attribute(self, partition: int, identifier: int, value: bytes | None) -> None:
        """Change the cartridge's memory behind every drive's back; None removes an attribute."""
        raise NotImplementedError


@dataclass
class FolderBench(Bench):
    folder: Path
    medium: str = "L8"
    capacity: int = CAPACITY
    worm: bool = False

    def __post_init__(self) -> None:
        create_cartridge(self.folder, new_config(MEDIA[self.medium], self.capacity), worm=self.worm)

    def drive(self, *, writable: bool = True) -> FileBackedDrive:
        return FileBackedDrive(self.folder, writable=writable)

    def records(self, partition: int) -> list[bytes | Mark]:
        found: list[bytes | Mark] = []
        while True:
            record = self.folder / f"{partition}_{len(found)}_R"
            if record.exists():
                found.append(record.read_bytes())
            elif (self.folder / f"{partition}_{len(found)}_F").exists():
                found.append(Mark.FILEMARK)
            else:
                return found

    def rewrite(self, partition: int, records: list[bytes | Mark | None], *, end: bool = True) -> None:
        for old in self.folder.glob(f"{partition}_*_[RFE]"):
            old.unlink()
        for number, record in enumerate(records):
            if isinstance(record, bytes):
                (self.folder / f"{partition}_{number}_R").write_bytes(record)
            elif record is Mark.FILEMARK:
                (self.folder / f"{partition}_{number}_F").touch()
        if end:
            (self.folder / f"{partition}_{len(records)}_E").touch()

    def put_attribute(self, partition: int, attribute: Attribute) -> None:
        (self.folder / f"attr_{partition}_{attribute.identifier:x}").write_bytes(attribute.encode())

    def set_attribute(self, partition: int, identifier: int, value: bytes | None) -> None:
        path = self.folder / f"attr_{partition}_{identifier:x}"
        if value is None:
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:3] + len(value).to_bytes(2, "big") + value)


@dataclass
class MemoryBench(Bench):
    cartridge: SimulatedCartridge = field(
        default_factory=lambda: SimulatedCartridge(blocks=(32, 608), block_limit=64 << 10)
    )

    def drive(self, *, writable: bool = True, faults: Faults | None = None) -> SimulatedDrive:
        drive = SimulatedDrive(self.cartridge, faults=faults)
        drive.write_protected = drive.write_protected or not writable
        return drive

    def records(self, partition: int) -> list[bytes | Mark]:
        return list(self.cartridge.contents[partition])

    def rewrite(self, partition: int, records: list[bytes | Mark | None], *, end: bool = True) -> None:
        self.cartridge.partitions = 2
        self.cartridge.contents[partition][:] = [b"?" if record is None else record for record in records]
        self.cartridge.bad |= {Position(partition, block) for block, record in enumerate(records) if record is None}
        if not end:
            self.cartridge.endless.add(partition)

    def put_attribute(self, partition: int, attribute: Attribute) -> None:
        self.cartridge.memory[partition, attribute.identifier] = attribute

    def set_attribute(self, partition: int, identifier: int, value: bytes | None) -> None:
        if value is None:
            del self.cartridge.memory[partition, identifier]
        else:
            old = self.cartridge.memory[partition, identifier]
            self.cartridge.memory[partition, identifier] = Attribute(identifier, old.format, value)


def clock() -> Iterator[int]:
    """A time that goes on by a second and a nanosecond whenever it is asked for."""
    moment = NOW
    while True:
        moment += 1_000_000_001
        yield moment


def ticking() -> object:
    return clock().__next__


def format_volume(bench: Bench, name: str = "Show") -> Volume:
    return Volume.format(bench.drive(), SERIAL, name, block_size=BLOCK, clock=clock().__next__)


def open_volume(bench: Bench, *, writable: bool = False, generation: int | None = None) -> Volume:
    drive = bench.drive(writable=writable)
    try:
        return Volume.open(drive, writable=writable, generation=generation, clock=clock().__next__)
    except BaseException:
        drive.close()
        raise


def content(number: int, size: int) -> bytes:
    return random.Random(number).randbytes(size)


def put(volume: Volume, path: str, data: bytes, moment: int = NOW) -> TapeFile:
    """Write a file with its digest, in pieces that fit no record."""
    pieces = [data[place : place + 5000] for place in range(0, len(data), 5000)]
    digest = hashlib.sha256(data).hexdigest().encode()
    attributes = [TapeAttribute(DIGEST_KEYS["sha256"], digest)]
    return volume.write_file(path, pieces, Times.all_of(moment), attributes=lambda: attributes)


def contents(volume: Volume) -> dict[str, bytes]:
    """Path → bytes of all files, each proven by its digest."""
    found = {}
    for path, file in volume.tree.all_files():
        if file.target is None:
            with volume.open_file(path) as source:
                found[path] = source.read_at(0, source.size)
            if "sha256" in file.digests:
                assert hashlib.sha256(found[path]).hexdigest() == file.digests["sha256"], path
    return found


def contents_of(bench: Bench) -> Mapping[str, bytes]:
    with open_volume(bench) as volume:
        return contents(volume)
