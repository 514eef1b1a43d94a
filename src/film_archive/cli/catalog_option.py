"""`--catalog FILE|URL`: which catalog a verb uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from film_archive.catalog.catalog import Catalog

CATALOG: Any = typer.Option(
    None, "--catalog", metavar="FILE|URL", help="The production's catalog (else $FILM_ARCHIVE_CATALOG, else your own)."
)


def opened(named: str | None, *, must_exist: bool = False) -> Catalog:
    """The catalog that is named, else that of the environment."""
    from film_archive.catalog.catalog import Catalog
    from film_archive.core import places

    return Catalog.open(named or places.catalog(), must_exist=must_exist)


def opened_if_any(named: str | None) -> Catalog | None:
    """The same, but None where none is named and the one that would be used is not there."""
    from pathlib import Path

    from film_archive.core import places

    if named is None and "://" not in places.catalog() and not Path(places.catalog()).exists():
        return None
    return opened(named)


def seconds_of(text: str | None) -> float | None:
    """ "90s", "30m", "12h", "7d" in seconds; a number alone is days."""
    if text is None:
        return None
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "d")
    try:
        value = float(number)
    except ValueError:
        value = -1
    if not 0 <= value < 1e9:
        raise typer.BadParameter(f"{text!r} is no time: write 90s, 30m, 12h or 7d.")
    return value * units[unit]
