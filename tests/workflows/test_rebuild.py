"""The catalog made again says what the lost one said, of what is on the drives; and it is written out."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from film_archive.catalog.catalog import Catalog
from film_archive.catalog.lookup import looking
from film_archive.core.errors import NotSupported
from film_archive.library.exporting import export
from film_archive.library.finding import where
from film_archive.library.offload import offload
from film_archive.library.safety import is_safe
from film_archive.workflows.rebuild import rebuild
from tests.cli.running import film_archive
from tests.library.test_offload import CARD, make_card, places
from tests.library.trees import write
from tests.workflows.making import create


def test_what_was_verified_is_verified_again(tmp_path: Path) -> None:
    card = make_card(tmp_path / "A001")
    (one,) = places(tmp_path, "one")
    with Catalog.open(tmp_path / "lost.sqlite") as catalog:
        copy = Path(offload(card, [one], catalog).copies[0].path)
    with Catalog.open(tmp_path / "again.sqlite") as catalog:
        assert not is_safe(card, catalog, copies=1).safe
        done = rebuild(catalog, [one])
        assert (done.histories, done.verified, done.differing, done.exit_status) == (1, len(CARD), (), 0)
        assert is_safe(card, catalog, copies=1).safe
        victim = copy / "PRIVATE/M4ROOT/CLIP/C0002.MP4"
        victim.write_bytes(b"clip X" * 30)
        done = rebuild(catalog, [one])
        assert (done.differing, done.exit_status) == ((str(victim),), 11)
        assert not is_safe(card, catalog, copies=1).safe


def test_archives_are_entered_with_their_members(tmp_path: Path) -> None:
    media = write(tmp_path / "media", {"a/clip.mov": b"clip", **{f"s.{n:04d}.exr": b"frame %d" % n for n in range(1, 6)},
                                         "n.-001.exr": b"before", "n.0000.exr": b"first"})  # fmt: skip
    (tmp_path / "archives").mkdir()
    create(tmp_path / "archives/reel.zip", media)
    write(tmp_path / "archives", {"foreign.zip": b"no zip at all"})
    with Catalog.open(tmp_path / "c.sqlite") as catalog:
        done = rebuild(catalog, [tmp_path / "archives"])
        assert (done.archives, [failure.status for failure in done.failed]) == (1, [3])
        for path in (media / "a/clip.mov", media / "s.0003.exr", media / "n.-001.exr"):
            (copy,) = where(catalog, str(path)).copies
            assert (copy.kind, copy.path) == ("archive", f"/media/{path.relative_to(media)}")
        with looking(catalog) as lookup:
            (place,) = lookup.find("clip.mov")
            assert len(lookup.devices(place)) == 1


def test_jobs_that_can_be_undone_are_found_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "x", {"a.mov": b"same" * 99, "b/a.mov": b"same" * 99})
    lost = ("--catalog", tmp_path / "lost.sqlite")
    again = ("--catalog", tmp_path / "again.sqlite")
    Catalog.open(tmp_path / "lost.sqlite").close()
    moved = film_archive(capfd, "library", "sort", tmp_path / "x", "--to", tmp_path / "q", *lost, "--json").document["moved"]
    assert len(moved) == 1
    assert film_archive(capfd, "library", "undo", *again).status == 3
    assert film_archive(capfd, "catalog", "rebuild", tmp_path, *again, "--json").document["jobs"] == 1
    assert film_archive(capfd, "catalog", "rebuild", tmp_path, *again, "--json").document["jobs"] == 0
    assert film_archive(capfd, "library", "undo", *again, "--json").document["moved"] == [
        {**moved[0], "from": moved[0]["to"], "to": moved[0]["from"]}
    ]
    assert (tmp_path / "x/b/a.mov").exists()


def test_export(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "x", {"a, b.mov": b"1", "c.mov": b""})
    assert film_archive(capfd, "catalog", "rebuild", tmp_path / "x", "--catalog", tmp_path / "c.sqlite").status == 0
    out = tmp_path / "out.csv"
    ran = film_archive(capfd, "catalog", "export", out, "--catalog", tmp_path / "c.sqlite", "--json")
    assert ran.document["files"] == 2
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert {Path(row["path"]).name: row["size"] for row in rows} == {"a, b.mov": "1", "c.mov": "0"}
    with Catalog.open(tmp_path / "c.sqlite") as catalog:
        export(catalog, tmp_path / "out.json")
        with pytest.raises(NotSupported):
            export(catalog, tmp_path / "out.xlsx")
    found = json.loads((tmp_path / "out.json").read_text())
    assert [row["hash"] for row in found] == [row["hash"] for row in rows]
    with Catalog.open(tmp_path / "empty.sqlite") as catalog:
        assert export(catalog, tmp_path / "out.json").files == 0
    assert json.loads((tmp_path / "out.json").read_text()) == []
