"""Catalogs of every version of us stay readable: `tests/golden/catalog-1.sql` is one of version 1, before cartridges had tables.

It is never made again: if this test fails, the code is wrong.
"""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

from film_archive.catalog.cartridges import CartridgeRow, Cartridges
from film_archive.catalog.catalog import Catalog
from film_archive.catalog.lookup import looking
from film_archive.catalog.rows import Content, Kind

GOLDEN = Path(__file__).parents[1] / "golden" / "catalog-1.sql"


def old(place: Path) -> Path:
    made = sqlite3.connect(place)
    made.executescript(GOLDEN.read_text("utf-8"))
    made.close()
    return place


def content(data: bytes) -> Content:
    return Content(len(data), hashlib.md5(data, usedforsecurity=False).digest(), {"sha256": hashlib.sha256(data).hexdigest()})


def test_a_catalog_of_version_1_becomes_one_of_today(tmp_path: Path) -> None:
    place = old(tmp_path / "catalog.sqlite")
    for _ in range(2):  # the second time it is one of today already
        with Catalog.open(place) as catalog:
            cartridges = Cartridges(catalog)
            with looking(catalog) as lookup:
                found = {f"{one.holder.identity}:{one.inner}": one.verified for one in lookup.places(content(b"one"))}
                other = [one.inner for one in lookup.places(content(b"two"))]
            volume = "a8f9cb21-3434-4951-a1d0-40c233ffcac2"
            assert found.keys() == {"ext4:0123456789abcdef:/A001/A001C001.mov", f"{volume}:/A001C001.mov"}
            assert sum(one is not None for one in found.values()) == 1
            assert other == ["/A001/é 'x'.mov"]
            known = catalog.holder(Kind.CARTRIDGE, volume)
            row = CartridgeRow(known.identity, "FA0001", "FA0001L8", "FILM", 1, 1, 2, 0, 1, 3, None, "")
            cartridges.put(row, [b"<ltfsindex/>"])
            cartridges.put_at(known, "vault", "shelf 3", at=1, by="Ann")
            [one] = cartridges.all()
            assert (one.holder.id, one.row.barcode, one.place) == (known.id, "FA0001L8", "vault")
            assert b"".join(cartridges.index(known)) == b"<ltfsindex/>"
