"""What LTFS keeps in a cartridge's memory (MAM): which index is the newest, and what the cartridge is called.

LTFS Format Specification 2.4, annex C (Volume Coherency Information) and D (host attributes); numbers of SPC-4 7.4.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from film_archive import __version__
from film_archive.core.errors import Damaged
from film_archive.tape.drives.drive import Attribute, AttributeFormat, Drive
from film_archive.tape.ltfs.label import VERSION, Label

CHANGE_REFERENCE = 0x0009
VENDOR = 0x0800
APPLICATION = 0x0801
APPLICATION_VERSION = 0x0802
VOLUME_NAME = 0x0803
LOCALE = 0x0805
BARCODE = 0x0806
MEDIA_POOL = 0x0808
FORMAT_VERSION = 0x080B
COHERENCY = 0x080C
LOCK_STATE = 0x1623

_UTF_8 = 0x81
_INVALID = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Coherency:
    """Volume Coherency Information of one partition: where its newest index lies, as of a state of the cartridge."""

    change_reference: int
    generation: int
    block: int
    volume_uuid: str

    def encode(self) -> Attribute:
        application = b"LTFS\0" + self.volume_uuid.encode("ascii") + b"\0" + b"\x01"
        value = b"\x08" + self.change_reference.to_bytes(8, "big") + self.generation.to_bytes(8, "big")
        value += self.block.to_bytes(8, "big") + len(application).to_bytes(2, "big") + application
        return Attribute(COHERENCY, AttributeFormat.BINARY, value)

    @classmethod
    def decode(cls, attribute: Attribute) -> Coherency:
        """Raises Damaged where it is not what LTFS writes."""
        value = attribute.value
        if len(value) != 70 or value[0] != 8 or value[25:32] != b"\0\x2bLTFS\0" or value[68] != 0:
            raise Damaged("The cartridge's memory has coherency information that is not one of LTFS.")
        if value[69] != 1:  # writers of version 0 got it wrong
            raise Damaged(f"The cartridge's memory has coherency information of version {value[69]}, which is not used.")
        numbers = [int.from_bytes(value[start : start + 8], "big") for start in (1, 9, 17)]
        return cls(numbers[0], numbers[1], numbers[2], value[32:68].decode("ascii", "replace"))


@dataclass(frozen=True, slots=True)
class Coherent:
    """What the memory says of both partitions, believable because nothing was written since."""

    index: Coherency
    data: Coherency


def change_reference(drive: Drive) -> int | None:
    """The number that changes when a cartridge is written to; None where the drive does not know it."""
    found = drive.attribute(0, CHANGE_REFERENCE)
    number = int.from_bytes(found.value, "big") if found is not None else 0
    return number if number and number != (1 << 8 * len(found.value if found else b"")) - 1 else None


def read_coherency(drive: Drive, label: Label) -> Coherent | str:
    """The coherency information of both partitions, or in words why it can't be used."""
    try:
        reference = change_reference(drive)
        found = [drive.attribute(partition, COHERENCY) for partition in (0, 1)]
        index, data = (Coherency.decode(one) if one is not None else None for one in found)
    except Damaged as error:
        return str(error)
    if reference is None or index is None or data is None:
        return "The cartridge's memory has no coherency information."
    if {index.volume_uuid, data.volume_uuid} != {label.volume_uuid}:
        return "The coherency information in the cartridge's memory is of another volume."
    if {index.change_reference, data.change_reference} != {reference}:
        return "The cartridge was written to after the coherency information in its memory."
    return Coherent(index, data)


def write_coherency(drive: Drive, label: Label, generation: int, index_block: int, data_block: int) -> None:
    """Say where the newest indexes lie; a drive without a change reference gets none (a wrong one is worse)."""
    reference = change_reference(drive)
    if reference is None:
        return
    for partition, block in ((0, index_block), (1, data_block)):
        drive.set_attribute(partition, Coherency(reference, generation, block, label.volume_uuid).encode())


def write_host_attributes(drive: Drive, label: Label, volume_name: str, barcode: str) -> None:
    """Say who formatted the cartridge and what it is called."""

    def ascii_text(identifier: int, text: str, length: int) -> Attribute:
        return Attribute(identifier, AttributeFormat.ASCII, text.encode("ascii", "replace")[:length].ljust(length))

    name = volume_name.encode("utf-8")
    while len(name) > 159:  # whole signs, and a NUL behind them
        volume_name = volume_name[:-1]
        name = volume_name.encode("utf-8")
    for attribute in (
        ascii_text(VENDOR, "FILMARCH", 8),
        ascii_text(APPLICATION, "film-archive", 32),
        ascii_text(APPLICATION_VERSION, __version__, 8),
        Attribute(VOLUME_NAME, AttributeFormat.TEXT, name.ljust(160, b"\0")),
        Attribute(LOCALE, AttributeFormat.BINARY, bytes([_UTF_8])),
        ascii_text(BARCODE, barcode, 32),
        Attribute(MEDIA_POOL, AttributeFormat.TEXT, bytes(160)),
        ascii_text(FORMAT_VERSION, VERSION, 16),
        Attribute(LOCK_STATE, AttributeFormat.BINARY, b"\0"),
    ):
        drive.set_attribute(0, attribute)


def read_text(drive: Drive, identifier: int) -> str:
    """A host attribute as text, without what fills it up; "" where there is none or it can't be read."""
    try:
        found = drive.attribute(0, identifier)
    except Damaged:
        return ""
    return "" if found is None else found.value.rstrip(b"\0 ").decode("utf-8", "replace")
