"""What a file-backed cartridge says of itself: `filedebug_tc_conf.xml`, as the LTFS reference's file backend has it.

The generation, the capacity and the write-protect tab stand in it. Its other elements (dummy_io, delay_mode and the
delays) steer the reference's emulation; they are kept, but mean nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from film_archive.core import files
from film_archive.core.errors import Damaged, NotFound, NotSupported, UsageError
from film_archive.core.source import FileSource, printable
from film_archive.core.xml import parse_xml
from film_archive.tape.formats import MEDIA, Medium

FILE_NAME = "filedebug_tc_conf.xml"
MIB = 1 << 20
POSITION = 512 << 10
"""Bytes that every position counts for, whatever its record has: the reference counts like this."""
SMALLEST = 320 * MIB
"""Below this, the index partition (5 %) has no room for a label and an index."""
_LARGEST_XML = 1 << 16

_ROOT = "filedebug_cartridge_config"

# What the reference calls the cartridge, the density code by which it tells M8 from L7, and the drive that takes it.
_ROWS: Mapping[str, tuple[str, int, str]] = {
    "L5": ("L5", 0x58, "ULTRIUM-TD5"),
    "L6": ("L6", 0x5A, "ULTRIUM-TD6"),
    "L7": ("L7", 0x5C, "ULTRIUM-TD7"),
    "M8": ("L7", 0x5D, "ULTRIUM-TD8"),
    "L8": ("L8", 0x5E, "ULTRIUM-TD8"),
    "L9": ("L9", 0x60, "ULTRIUM-TD9"),
    "LA": ("LA", 0x62, "ULTRIUM-TDA"),
    "PA": ("PA", 0x63, "ULTRIUM-TDA"),
}


@dataclass(frozen=True, slots=True)
class CartridgeConfig:
    """A file-backed cartridge's kind. `capacity` is in bytes, of both partitions together, in whole MiB."""

    medium: Medium
    capacity: int
    write_protected: bool = False
    others: tuple[tuple[str, str], ...] = ()
    """Elements that steer the reference's emulation, as they were found."""

    @property
    def index_capacity(self) -> int:
        """Bytes of the index partition: 5 %, in whole MiB."""
        return self.capacity // MIB * 5 // 100 * MIB

    @property
    def data_capacity(self) -> int:
        return self.capacity - self.index_capacity

    @property
    def product(self) -> str:
        """The drive that the reference has to be told of, to take this cartridge."""
        return _ROWS[self.medium.code][2]

    def encode(self) -> bytes:
        cartridge, density, _ = _ROWS[self.medium.code]
        elements = {
            "dummy_io": "false",
            "emulate_readonly": "true" if self.write_protected else "false",
            "capacity_mb": str(self.capacity // MIB),
            "cart_type": cartridge,
            "density_code": f"{density:x}",
            "delay_mode": "None",
            **dict(self.others),
        }
        lines = [f"    <{name}>{escape(value)}</{name}>\n" for name, value in elements.items()]
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<{_ROOT}>\n{"".join(lines)}</{_ROOT}>\n'.encode()


def new_config(medium: Medium, capacity: int | None = None) -> CartridgeConfig:
    """The kind of a new cartridge, with as much room for data as the medium really has, or with `capacity` in all.

    Raises UsageError where `capacity` is too small for an index partition.
    """
    if capacity is None:
        capacity = -(-medium.usable * 20 // 19 // MIB) * MIB
    if capacity < SMALLEST:
        raise UsageError(f"A cartridge can't have {capacity} bytes: {SMALLEST} is the least.")
    return CartridgeConfig(medium, capacity // MIB * MIB)


def read_config(folder: Path) -> CartridgeConfig:
    """The kind of the cartridge in a folder.

    Raises NotFound where there is none, Damaged where its file is not what it should be, NotSupported for cartridges
    that are not LTO.
    """
    path = folder / FILE_NAME
    try:
        with FileSource(path) as source:
            data = source.read_at(0, _LARGEST_XML + 1)
    except NotFound as error:
        raise NotFound(f"{printable(folder)} is no file-backed cartridge: it has no {FILE_NAME}.") from error
    root = parse_xml(data, printable(path), maximum=_LARGEST_XML)
    found = {child.tag: (child.text or "").strip() for child in root}
    try:
        capacity = int(found.pop("capacity_mb", "3072")) * MIB
        density = int(found.pop("density_code", "58"), 16)
    except ValueError as error:
        raise Damaged(f"{printable(path)} has a number that can't be read: {error}.") from error
    if root.tag != _ROOT or not 0 < capacity < 1 << 60:
        raise Damaged(f"{printable(path)} does not describe a cartridge.")
    write_protected = found.pop("emulate_readonly", "false") in ("true", "1")
    name = found.pop("cart_type", "L5")
    for code, (cartridge, its_density, _) in _ROWS.items():
        if (cartridge, its_density) == (name, density):
            return CartridgeConfig(MEDIA[code], capacity, write_protected, tuple(found.items()))
    raise NotSupported(f"{printable(folder)} is a cartridge of type {name} ({density:x}), which is not known.")


def write_config(folder: Path, config: CartridgeConfig) -> None:
    """Put a cartridge's kind where the reference looks for it."""
    files.write_atomically(folder / FILE_NAME, config.encode(), replace=True)
