"""Where things are, also on drives that are not here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from film_archive.catalog.catalog import Catalog
from film_archive.core.errors import NotFound, UsageError
from film_archive.library.crawler import crawl
from film_archive.library.finding import find, where
from film_archive.library.offload import offload
from tests.cli.running import film_archive
from tests.core.mounts import image
from tests.library.test_offload import CARD, make_card, places
from tests.library.trees import write


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "catalog.sqlite") as made:
        yield made


def test_every_copy_and_when_it_was_verified(tmp_path: Path, catalog: Catalog) -> None:
    card = make_card(tmp_path / "A001")
    done = offload(card, places(tmp_path, "one"), catalog)
    write(tmp_path / "dragged", {"again.mp4": CARD["PRIVATE/M4ROOT/CLIP/C0001.MP4"]})
    crawl(catalog, [tmp_path / "dragged"])
    found = where(catalog, str(card / "PRIVATE/M4ROOT/CLIP/C0001.MP4"))  # the card itself was never crawled: it is read
    assert [(copy.path, copy.verified is not None, copy.online) for copy in found.copies] == [
        (str(tmp_path / "dragged/again.mp4"), False, True),
        (f"{done.copies[0].path}/PRIVATE/M4ROOT/CLIP/C0001.MP4", True, True),
    ]
    assert found.devices == 1
    assert (found.copies[1].verified_by or "").startswith("offload, ")
    assert where(catalog, found.digests["xxh128"]).copies == found.copies
    (tmp_path / "dragged/again.mp4").unlink()
    crawl(catalog, [tmp_path / "dragged"])
    assert where(catalog, "C0001.MP4").copies[-1].gone is not None


def test_a_drive_that_is_not_here(tmp_path: Path, catalog: Catalog) -> None:
    with image(tmp_path / "drive", "mkfs.ext4", "-q", megabytes=16) as drive:
        write(drive, {"reels/A001.mov": b"reel"})
        crawl(catalog, [drive])
    (copy,) = where(catalog, "A001.mov").copies
    assert (copy.online, copy.path, copy.label) == (False, "/reels/A001.mov", str(tmp_path / "drive"))
    assert [each.path for each in find(catalog, "REELS").found] == ["/reels/A001.mov"]


def test_what_is_not_known_or_not_one(tmp_path: Path, catalog: Catalog) -> None:
    write(tmp_path / "x", {"a/same.mov": b"1", "b/same.mov": b"2"})
    crawl(catalog, [tmp_path / "x"])
    with pytest.raises(UsageError, match="2 different"):
        where(catalog, "same.mov")
    for name in ("nothing.mov", hashlib.md5(b"").hexdigest(), ""):
        with pytest.raises(NotFound):
            where(catalog, name)
    with pytest.raises(UsageError):
        find(catalog, "")
    assert find(catalog, "nowhere").found == ()


def test_as_commands(tmp_path: Path, catalog: Catalog, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "x", {"a/one.mov": b"1", **{f"s.{n:03d}.exr": b"frame %d" % n for n in range(3)}})
    crawl(catalog, [tmp_path / "x"])
    named = ("--catalog", catalog.name)
    assert film_archive(capfd, "where", tmp_path / "x/a/one.mov", *named, "--json").document["copies"][0]["online"] is True
    assert "never verified" in film_archive(capfd, "where", "one.mov", *named).output
    document = film_archive(capfd, "find", "S.0", *named, "--json").document
    assert [each["sequence"] for each in document["found"]] == ["s.###.exr"]
    assert film_archive(capfd, "where", "s.001.exr", *named, "--json").document["copies"][0]["sequence"] == "s.###.exr"
    assert film_archive(capfd, "find", "s.7", *named).status == 3
    assert film_archive(capfd, "find", "nowhere", *named).status == 3
    assert film_archive(capfd, "where", "one.mov", "--catalog", tmp_path / "none").status == 3
