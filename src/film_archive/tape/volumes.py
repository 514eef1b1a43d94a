"""`OpenTape`: a cartridge that is open, in a folder or mounted by the system, with what sets need of either.

What a cartridge says of itself beside LTFS stands in attributes of its root: the set that it belongs to, its number there,
which copy of the set it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from film_archive.core.source import ByteSource
from film_archive.tape.drives.address import DriveAddress, DriveKind
from film_archive.tape.drives.drive import DATA_PARTITION, Attribute, AttributeFormat, Drive
from film_archive.tape.drives.file_backed import FileBackedDrive
from film_archive.tape.drives.mounted import LtfsPrograms, MountedVolume
from film_archive.tape.formats import Medium
from film_archive.tape.ltfs.content import TapeSource
from film_archive.tape.ltfs.feeding import WritableVolume
from film_archive.tape.ltfs.index import encode_index
from film_archive.tape.ltfs.memory import MEDIA_POOL
from film_archive.tape.ltfs.tree import TapeAttribute, TapeExtent, TapeFile, Times
from film_archive.tape.ltfs.volume import Volume

SET = "film_archive.set"
NUMBER = "film_archive.number"
COPY = "film_archive.copy"
_SOFTWARE = LtfsPrograms()


@dataclass(frozen=True, slots=True)
class Membership:
    """Which cartridge of which set this is."""

    tape_id: str
    number: int
    copy: int = 1

    def attributes(self) -> tuple[TapeAttribute, ...]:
        values = ((SET, self.tape_id), (NUMBER, str(self.number)), (COPY, str(self.copy)))
        return tuple(TapeAttribute(key, value.encode()) for key, value in values)

    @classmethod
    def of(cls, attributes: Iterable[TapeAttribute]) -> Membership | None:
        """What a root's attributes say; None where it is no set of ours."""
        found = {one.key: one.value.decode("utf-8", "replace") for one in attributes}
        number, copy = found.get(NUMBER, ""), found.get(COPY, "1")
        if SET not in found or not (number.isascii() and number.isdigit() and copy.isascii() and copy.isdigit()):
            return None
        return cls(found[SET], int(number[:9]), int(copy[:9]))


class OpenTape:
    """A cartridge's volume, for one thread but for reading files."""

    def __init__(
        self,
        address: DriveAddress,
        *,
        writable: bool = False,
        drive: Drive | None = None,
        allow_large: bool = False,
        software: LtfsPrograms = _SOFTWARE,
    ) -> None:
        """Open the cartridge at an address. `drive` is one that is open already; `allow_large` as of `FileBackedDrive`.

        Raises NotFound, Refused (in use, write-protected), NotSupported (no LTFS volume), Damaged.
        """
        self.address = address
        self.volume: Volume | None = None
        self.mounted: MountedVolume | None = None
        self.medium: Medium | None = None
        if address.kind is DriveKind.FILE or drive is not None:
            if drive is None:
                drive = FileBackedDrive(address.folder, writable=writable, allow_large=allow_large)
            try:
                self.volume = Volume.open(drive, writable=writable)
            except BaseException:
                drive.close()
                raise
            self.medium = drive.medium
        else:
            self.mounted = MountedVolume(address.place, writable=writable, software=software)

    @classmethod
    def around(cls, address: DriveAddress, volume: Volume) -> Self:
        """One that is open already, as after formatting."""
        made = cls.__new__(cls)
        made.address, made.volume, made.mounted, made.medium = address, volume, None, volume.drive.medium
        return made

    # What it is

    @property
    def serial(self) -> str:
        return self.volume.label.serial if self.volume is not None else self._mount.serial

    @property
    def uuid(self) -> str:
        return self.volume.label.volume_uuid if self.volume is not None else self._mount.volume_uuid

    @property
    def name(self) -> str:
        return self.volume.index.volume_name if self.volume is not None else self._mount.fact("ltfs.volumeName")

    @property
    def generation(self) -> int:
        return self.volume.index.generation if self.volume is not None else self._mount.generation

    @property
    def barcode(self) -> str:
        if self.medium is not None:
            return f"{self.serial}{self.medium.code}"
        return self._mount.fact("ltfs.mamBarcode").strip() or self.serial

    @property
    def room(self) -> int:
        """Bytes of files that still fit."""
        return self.volume.room if self.volume is not None else self._mount.room

    @property
    def block_size(self) -> int:
        if self.volume is not None:
            return self.volume.label.block_size
        return int(self._mount.fact("ltfs.volumeBlocksize") or 524_288)

    @property
    def blocks(self) -> int:
        """How many blocks the data partition takes; 0 where that is not known."""
        return 0 if self.volume is None else self.volume.drive.capacity(DATA_PARTITION).total // self.block_size

    @property
    def problems(self) -> list[str]:
        """What was not as it should be when it was opened."""
        return self.volume.problems if self.volume is not None else []

    @property
    def root_attributes(self) -> tuple[TapeAttribute, ...]:
        """What the cartridge says of itself."""
        return self.volume.tree.root.folder.attributes if self.volume is not None else self._mount.attributes("")

    @property
    def membership(self) -> Membership | None:
        return Membership.of(self.root_attributes)

    @property
    def bytes_read(self) -> int | None:
        """Bytes of records that were read for files; None where the system reads."""
        return self.volume.bytes_read if self.volume is not None else None

    @property
    def _mount(self) -> MountedVolume:
        assert self.mounted is not None
        return self.mounted

    # Reading

    def files(self) -> Iterator[tuple[str, TapeFile]]:
        """(path, file) of all files and links."""
        return self.volume.tree.all_files() if self.volume is not None else self._mount.walk()

    def in_order(self, paths: Iterable[str] | None = None) -> list[tuple[str, TapeFile]]:
        """Files (and no links) as one pass of the drive meets them; all, or those at some paths that are there."""
        wanted = None if paths is None else set(paths)
        found = [(path, file) for path, file in self.files() if file.target is None and (wanted is None or path in wanted)]
        return sorted(found, key=lambda pair: tape_order(pair[1].extents))

    def open_file(self, path: str) -> ByteSource:
        if self.volume is not None:
            source: TapeSource = self.volume.open_file(path)
            return source
        return self._mount.open_file(path)

    def raw_index(self) -> bytes | None:
        """The XML of the newest index; None where the system has mounted it and keeps that to itself."""
        return None if self.volume is None else b"".join(encode_index(self.volume.index))

    # Writing

    @property
    def writable(self) -> WritableVolume:
        volume: WritableVolume = self.volume if self.volume is not None else self._mount
        return volume

    def join_set(self, membership: Membership) -> None:
        """Say on the cartridge, and in its memory, which set it belongs to."""
        self.set_root_attributes(membership.attributes())
        if self.volume is not None:
            set_media_pool(self.volume.drive, membership.tape_id)

    def set_root_attributes(self, attributes: Iterable[TapeAttribute]) -> None:
        (self.volume if self.volume is not None else self._mount).set_attributes("", attributes)

    def make_folder(self, path: str, times: Times) -> None:
        (self.volume if self.volume is not None else self._mount).make_folder(path, times)

    def make_link(self, path: str, target: str, times: Times) -> None:
        (self.volume if self.volume is not None else self._mount).make_link(path, target, times)

    def remove_file(self, path: str) -> None:
        (self.volume if self.volume is not None else self._mount).remove_file(path)

    def commit(self, comment: str = "") -> None:
        self.writable.commit(comment)

    def close(self) -> None:
        if self.volume is not None:
            self.volume.close()
        elif self.mounted is not None:
            self.mounted.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def tape_order(extents: Iterable[TapeExtent]) -> tuple[str, int, int]:
    """What files are sorted by to be read in one pass: where the first byte lies. Files without bytes come first."""
    first = min(((one.partition, one.start_block, one.byte_offset) for one in extents if one.byte_count), default=None)
    return ("", 0, 0) if first is None else first


def set_media_pool(drive: Drive, name: str) -> None:
    """Put a set's name into the cartridge's memory (attribute 0x0808, 160 bytes of text), cut to what fits."""
    value = name.encode()[:160].decode("utf-8", "ignore").encode().ljust(160, b"\0")
    drive.set_attribute(0, Attribute(MEDIA_POOL, AttributeFormat.TEXT, value))
