"""`Shelf`: the folder in which file-backed cartridges lie, each in a folder that is called by its serial.

What a cartridge belongs to is read from its memory, without opening its volume. A shelf also counts serials, and keeps what
no cartridge can say of itself: where it was put (`locations.jsonl`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from film_archive.core import files
from film_archive.core.errors import FilmArchiveError, NotFound, Refused
from film_archive.core.source import printable
from film_archive.tape.drives.address import DriveAddress, DriveKind
from film_archive.tape.drives.cartridge_config import FILE_NAME, CartridgeConfig, read_config
from film_archive.tape.drives.drive import DATA_PARTITION, INDEX_PARTITION, Attribute
from film_archive.tape.drives.file_backed import FileBackedDrive, create_cartridge
from film_archive.tape.ltfs.memory import BARCODE, MEDIA_POOL
from film_archive.tape.ltfs.volume import Volume
from film_archive.tape.planning import count_serials, require_serial
from film_archive.tape.volumes import Membership, OpenTape

_FIRST_INDEX_END = 7
"""The block behind the first index: label (4 blocks), filemark, index, filemark."""


@dataclass(frozen=True, slots=True)
class Shelved:
    """A cartridge in the shelf, as its memory describes it."""

    folder: Path
    barcode: str
    """"" where it was never formatted."""
    pool: str
    """The set's name, cut to 160 bytes; "" where it is in none."""

    @property
    def serial(self) -> str:
        return self.barcode[:6]

    @property
    def address(self) -> DriveAddress:
        return DriveAddress(DriveKind.FILE, str(self.folder))


@dataclass(frozen=True, slots=True)
class SetMember:
    """A cartridge of a set."""

    address: DriveAddress
    serial: str
    membership: Membership
    barcode: str = ""


class Shelf:
    """The cartridges in a folder; the folder need not be there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def cartridges(self) -> list[Shelved]:
        """All that are in the shelf, by the names of their folders; what can't be looked at is passed over."""
        found = []
        for folder in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            if not (folder / FILE_NAME).is_file():
                continue
            try:
                found.append(shelved(folder))
            except FilmArchiveError:  # in use by a writer, or damaged: who means this one is told when it is opened
                found.append(Shelved(folder, folder.name[:6] if len(folder.name) >= 6 else "", ""))
        return found

    def find(self, name: str) -> DriveAddress:
        """The cartridge that a serial, a barcode or a path names; raises NotFound."""
        for place in (self.folder / name, self.folder / name[:6]):
            if (place / FILE_NAME).is_file():
                return DriveAddress(DriveKind.FILE, str(place))
        for each in self.cartridges():
            if name in (each.serial, each.barcode):
                return each.address
        if (Path(name) / FILE_NAME).is_file():
            return DriveAddress(DriveKind.FILE, name)
        raise NotFound(
            f"There is no cartridge {printable(name)} in the shelf {printable(self.folder)}; name it by its serial or its path, "
            "or put it into a drive and give that (`--drive`)."
        )

    def members(self, tape_id: str) -> list[SetMember]:
        """The cartridges of a set, by copy and number; raises what opening one of them raises."""
        pool = tape_id.encode()[:160].decode("utf-8", "ignore")
        found = []
        for each in self.cartridges():
            if each.pool == pool:
                with OpenTape(each.address) as tape:
                    membership = tape.membership
                    if membership is not None and membership.tape_id == tape_id:
                        found.append(SetMember(each.address, tape.serial, membership, tape.barcode))
        return sorted(found, key=lambda one: (one.membership.copy, one.membership.number, one.serial))

    def new_serials(self, count: int, used: Iterable[str] = ()) -> list[str]:
        """The next serials, behind all that are in the shelf and those `used` elsewhere."""
        return count_serials([*(each.serial for each in self.cartridges()), *used], count)

    def make(
        self, serial: str, config: CartridgeConfig, membership: Membership | None = None, *, allow_large: bool = False
    ) -> OpenTape:
        """A new file-backed cartridge, formatted and open for writing.

        One of this serial that a killed run left without a volume, or without a file in it, is taken. Raises Refused where
        the serial is taken.
        """
        folder = self.folder / require_serial(serial)
        with files.explaining(f"make the shelf {printable(self.folder)}"):
            self.folder.mkdir(parents=True, exist_ok=True)
        if (folder / FILE_NAME).exists():
            _require_unused(folder, membership)
        else:
            _clear_unfinished(folder)
            create_cartridge(folder, config)
        drive = FileBackedDrive(folder, allow_large=allow_large)
        try:
            name = "" if membership is None else volume_name(membership)
            volume = Volume.format(drive, serial, name, erase=True)
            tape = OpenTape.around(DriveAddress(DriveKind.FILE, str(folder)), volume)
            if membership is not None:
                tape.join_set(membership)
                tape.commit(f"Cartridge {membership.number} of {membership.tape_id}")
        except BaseException:
            drive.close()
            raise
        return tape


def shelved(folder: Path) -> Shelved:
    """A file-backed cartridge as its memory describes it; also one that another job writes to."""
    return Shelved(folder, _memory(folder, BARCODE), _memory(folder, MEDIA_POOL))


def _memory(folder: Path, identifier: int) -> str:
    """A text of a cartridge's memory, without opening the cartridge."""
    path = folder / f"attr_0_{identifier:x}"
    try:
        with files.explaining(f"read the memory of the cartridge {printable(folder)}"), path.open("rb") as file:
            value = Attribute.decode(file.read(1 << 16)).value
    except NotFound:
        return ""
    return value.rstrip(b"\0 ").decode("utf-8", "replace")


def volume_name(membership: Membership) -> str:
    """What the volume of a cartridge of a set is called; at most what a name on tape may have."""
    name = membership.tape_id.replace("/", "-")[:240]
    return f"{name} {membership.number}"


def capacity_of(folder: Path) -> CartridgeConfig:
    """The kind of a file-backed cartridge."""
    return read_config(folder)


def _clear_unfinished(folder: Path) -> None:
    """Take away what a run that was killed while it made a cartridge left: empty end marks, and nothing else."""
    if not folder.is_dir():
        return
    names = {path.name for path in folder.iterdir()}
    if all(name in ("0_0_E", "1_0_E") or files.is_temporary_name(name) for name in names):
        for name in names:
            files.remove(folder / name)


def _require_unused(folder: Path, membership: Membership | None) -> None:
    """Raise Refused unless a cartridge is blank, or a volume on which a killed run had written nothing yet."""
    with FileBackedDrive(folder) as drive:
        if drive.partitions < 2 and drive.locate(INDEX_PARTITION, 1).block == 0:
            return
        try:
            volume = Volume.open(drive)
        except FilmArchiveError:
            if membership is not None and drive.locate(DATA_PARTITION, _FIRST_INDEX_END + 1).block <= _FIRST_INDEX_END:
                return  # it was being formatted
            raise
        theirs = Membership.of(volume.tree.root.folder.attributes)
        if membership is None or volume.tree.files or theirs not in (None, membership):
            raise Refused(f"The serial {folder.name} is taken by a cartridge with a volume on it; nothing was changed.")
