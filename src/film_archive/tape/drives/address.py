"""How a drive is named on a command line: `file:DIR` is a cartridge in a folder, `ltfs:DEVICE` one that the system mounts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from film_archive.core.errors import UsageError
from film_archive.core.source import printable


class DriveKind(StrEnum):
    FILE = "file"
    """A file-backed cartridge; the rest is its folder."""
    LTFS = "ltfs"
    """A drive of the system's LTFS; the rest is its device, as `ltfs -o devname=` takes it."""


@dataclass(frozen=True, slots=True)
class DriveAddress:
    """A drive as it was named."""

    kind: DriveKind
    place: str

    @property
    def folder(self) -> Path:
        """The folder of a file-backed cartridge; raises UsageError for others."""
        if self.kind is not DriveKind.FILE:
            raise UsageError(f"{self} is no file-backed cartridge.")
        return Path(self.place)

    def __str__(self) -> str:
        return f"{self.kind}:{printable(self.place)}"


def parse_address(text: str) -> DriveAddress:
    """The drive that a text names; raises UsageError where it names none."""
    kind, found, place = text.partition(":")
    if not found or not place or kind not in list(DriveKind):
        raise UsageError(f"{printable(text)!r} names no drive; give file:FOLDER or ltfs:DEVICE.")
    return DriveAddress(DriveKind(kind), place)
