"""Options that several verbs of `tape` take, and what their words mean."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from film_archive.tape.drives.address import DriveAddress
    from film_archive.tape.formats import Medium
    from film_archive.tape.shelf import Shelf

SHELF: Any = typer.Option(
    None, "--shelf", metavar="DIR", help="The folder of file-backed cartridges (else $FILM_ARCHIVE_SHELF, else your own)."
)
DRIVE: Any = typer.Option(
    [], "--drive", metavar="file:DIR|ltfs:DEVICE", help="A cartridge in a folder, or one in a drive with the system's LTFS."
)
FORMAT: Any = typer.Option("lto9", "--format", help="lto5 … lto10, or a cartridge's code: L7, M8, L8, L9, LA, PA.")
CAPACITY: Any = typer.Option(
    None, "--capacity", metavar="SIZE", help="Of new file-backed cartridges, if smaller than real ones: 2GB, 512MiB."
)
RESERVE: Any = typer.Option(None, "--reserve", metavar="SIZE", help="What stays free on a cartridge for indexes (else 2 %).")

_UNITS = {
    "": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
    "tib": 1 << 40,
}  # fmt: skip


def size_of(text: str | None) -> int | None:
    """ "12TB", "512MiB", "1000" in bytes."""
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,15})(?:\.([0-9]{1,3}))? ?([a-z]{0,3})", text.strip().lower())
    if found is None or found[3] not in _UNITS:
        raise typer.BadParameter(f"{text!r} is no size: write 12TB, 500GB, 512MiB or bytes.")
    return int(Fraction(f"{found[1]}.{found[2] or 0}") * _UNITS[found[3]])


def share_of(text: str | None) -> Fraction | None:
    """ "5%" or "0.05" as a fraction."""
    if text is None:
        return None
    number, percent = (text[:-1], 100) if text.endswith("%") else (text, 1)
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", number) or not 0 < (share := Fraction(number) / percent) <= 1:
        raise typer.BadParameter(f"{text!r} is no part: write 5% or 0.05.")
    return share


def medium_of(text: str) -> Medium:
    """A generation's usual cartridge, or one by its code."""
    from film_archive.tape.formats import MEDIA, generation

    return MEDIA[text.upper()] if text.upper() in MEDIA else generation(text.lower()).medium


def drives_of(texts: list[str]) -> tuple[DriveAddress, ...]:
    """Drives as they were named."""
    from film_archive.tape.drives.address import parse_address

    return tuple(map(parse_address, texts))


def shelf_of(folder: Path | None) -> Shelf:
    """The shelf that is named, else that of the environment."""
    from film_archive.workflows.taping import shelf_at

    return shelf_at(folder)


def minutes_text(seconds: float) -> str:
    """Time for people: "40 s", "12 min", "3 h 5 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
