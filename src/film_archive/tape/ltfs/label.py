"""The label that begins both partitions: VOL1 (ISO/ANSI X3.27) in one record, then the LTFS label in XML.

LTFS Format Specification 2.4, 6.1. Both partitions have the same but for the letter of the partition itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from film_archive import __version__
from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.xml import parse_xml, text_of
from film_archive.tape.ltfs.names import escape
from film_archive.tape.ltfs.times import format_time, parse_time

VERSION = "2.4.0"
"""What is written; 1.0 to 2.99.99 are read, as the reference does."""
BLOCK_SIZE = 524_288
SMALLEST_BLOCK = 4096
LARGEST_BLOCK = 16 << 20
CREATOR = f"film-archive {__version__} - Python - film-archive"

_VOL1_LENGTH = 80
_LARGEST_LABEL = 1 << 16
_VERSION = re.compile(r"([12])\.(0|\d{1,2}\.\d{1,2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Label:
    """A volume's label. `serial` is six signs, or empty where the cartridge has none."""

    serial: str
    volume_uuid: str
    formatted: int
    """Nanoseconds since 1970."""
    index_partition: str = "a"
    data_partition: str = "b"
    block_size: int = BLOCK_SIZE
    compression: bool = False
    creator: str = CREATOR
    version: str = VERSION

    def letter(self, partition: int) -> str:
        """What indexes call a partition."""
        return self.data_partition if partition else self.index_partition

    def number(self, letter: str) -> int:
        """Which partition a letter means, 0 or 1; raises Damaged where it is none of this volume."""
        if letter == self.index_partition:
            return 0
        if letter == self.data_partition:
            return 1
        raise Damaged(f"There is no partition {letter!r} on this volume, only {self.index_partition} and {self.data_partition}.")


def encode_vol1(label: Label) -> bytes:
    """The 80 bytes of VOL1."""
    return (
        f"VOL1{label.serial:6}L{'':13}{'LTFS':13}{'':14}{'':28}4".encode("ascii")
    )


def decode_vol1(record: bytes) -> str:
    """The serial of a VOL1 record ("" where it has none); raises Damaged where it is none, or not one of LTFS."""
    if len(record) != _VOL1_LENGTH or record[:4] != b"VOL1":
        raise Damaged("The first record of the partition is not a VOL1 label.")
    if record[24:28] != b"LTFS":
        raise NotSupported("The cartridge is labelled, but not for LTFS.")
    serial = record[4:10].decode("ascii", "replace")
    if not re.fullmatch(r"[A-Z0-9]{6}| {6}", serial):
        raise Damaged(f"The VOL1 label has the volume serial {serial!r}, which is not six of A-Z and 0-9.")
    return serial.strip()


def encode_label(label: Label, letter: str) -> bytes:
    """The LTFS label of one partition."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<ltfslabel version="{VERSION}">\n'
        f"<creator>{escape(label.creator)}</creator>\n"
        f"<formattime>{format_time(label.formatted)}</formattime>\n"
        f"<volumeuuid>{label.volume_uuid}</volumeuuid>\n"
        f"<location><partition>{letter}</partition></location>\n"
        f"<partitions><index>{label.index_partition}</index><data>{label.data_partition}</data></partitions>\n"
        f"<blocksize>{label.block_size}</blocksize>\n"
        f"<compression>{'true' if label.compression else 'false'}</compression>\n"
        "</ltfslabel>\n"
    ).encode()


def decode_label(record: bytes, serial: str) -> tuple[Label, str]:
    """The label and the letter of the partition that it stands on.

    Raises Damaged where it is not one, NotSupported where its version is not known.
    """
    root = parse_xml(record, "The LTFS label", maximum=_LARGEST_LABEL)
    if root.tag != "ltfslabel":
        raise Damaged(f"The LTFS label is a <{root.tag}> and not an <ltfslabel>.")

    def wanted(path: str) -> str:
        found = text_of(root, path)
        if found is None:
            raise Damaged(f"The LTFS label has no {path}.")
        return found

    version = require_version(root.get("version", ""), "label")
    letters = [wanted("partitions/index"), wanted("partitions/data"), wanted("location/partition")]
    if any(not re.fullmatch("[a-z]", letter) for letter in letters) or letters[0] == letters[1]:
        raise Damaged(f"The LTFS label names the partitions {', '.join(letters)}.")
    size = wanted("blocksize")
    if not re.fullmatch(r"[0-9]{1,9}", size) or not SMALLEST_BLOCK <= int(size) <= LARGEST_BLOCK:
        raise Damaged(f"The LTFS label has a block size of {size[:20]}, which no drive has.")
    formatted, _ = parse_time(wanted("formattime"))
    label = Label(
        serial=serial,
        volume_uuid=require_uuid(wanted("volumeuuid")),
        formatted=formatted,
        index_partition=letters[0],
        data_partition=letters[1],
        block_size=int(size),
        compression=wanted("compression") in ("true", "1"),
        creator=text_of(root, "creator") or "",
        version=version,
    )
    return label, letters[2]


def require_version(text: str, of: str) -> str:
    """A version of the format that can be read; raises NotSupported where it is another."""
    if not _VERSION.fullmatch(text):
        raise NotSupported(f"The {of} is of LTFS version {text[:20]!r}; 1.0 to 2.99 can be read.")
    return text


def require_uuid(text: str) -> str:
    """A volume's UUID in lower case; raises Damaged where it is none."""
    try:
        found = str(UUID(text))
    except ValueError as error:
        raise Damaged(f"{text[:50]!r} is not a volume's UUID.") from error
    if found != text.lower():
        raise Damaged(f"{text[:50]!r} is not a volume's UUID.")
    return found
