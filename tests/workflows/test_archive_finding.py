"""Archives that were moved and are found through the catalog."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from film_archive.catalog.catalog import Catalog
from film_archive.core.errors import Damaged, NotFound
from film_archive.library.crawler import crawl
from film_archive.versioning.archives import Places
from film_archive.versioning.repository import Repository
from film_archive.workflows.archive_finding import through_catalog
from film_archive.workflows.rebuild import rebuild
from tests.archive.making import make_archive
from tests.cli.running import film_archive
from tests.versioning.making import LARGE, held, noise, unsync

MEMBERS = {"a.mov": LARGE, "b.mov": noise(3000, 5)}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A branch of an archive that was moved to another folder since."""
    unsync(monkeypatch)
    repository = Repository(tmp_path / "repo")
    repository.create_branch(make_archive(tmp_path / "master.zip", MEMBERS), "grade")
    (tmp_path / "shelf").mkdir()
    (tmp_path / "master.zip").rename(tmp_path / "shelf/master.zip")
    return repository


def look_in(repository: Repository, catalog: Path) -> None:
    repository.look_for_archives(through_catalog(lambda: Catalog.open(catalog)))


def test_a_moved_archive_is_found_where_the_catalog_has_it(repository: Repository, tmp_path: Path) -> None:
    moved = tmp_path / "shelf/master.zip"
    moved.rename(tmp_path / "shelf/renamed.zip")  # known by its id alone
    with Catalog.open(tmp_path / "c.sqlite") as catalog:
        assert rebuild(catalog, [tmp_path / "shelf"]).archives == 1
    with pytest.raises(NotFound, match="not where it was"):
        held(repository.opened, "grade")
    look_in(repository, tmp_path / "c.sqlite")
    assert held(repository.opened, "grade") == MEMBERS
    places = Places(repository.opened.database)
    assert places.of(places.archives()[0])[0] == tmp_path / "shelf/renamed.zip"
    alone = Repository(repository.root)  # it is remembered: the catalog is not needed again
    assert held(alone.opened, "grade") == MEMBERS


def test_a_foreign_zip_is_found_by_its_name_and_known_by_what_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unsync(monkeypatch)
    repository = Repository(tmp_path / "repo")
    for place, data in (("master.zip", LARGE), ("wrong/master.zip", LARGE[1:])):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(tmp_path / place, "w") as archive:
            archive.writestr("a.mov", data)
    repository.create_branch(tmp_path / "master.zip", "grade")
    (tmp_path / "right").mkdir()
    (tmp_path / "master.zip").rename(tmp_path / "right/master.zip")
    with Catalog.open(tmp_path / "c.sqlite") as catalog:
        crawl(catalog, [tmp_path / "wrong"])
    look_in(repository, tmp_path / "c.sqlite")
    with pytest.raises(NotFound, match="is another archive"):
        held(repository.opened, "grade")
    with Catalog.open(tmp_path / "c.sqlite") as catalog:
        crawl(catalog, [tmp_path / "right"])
    assert held(repository.opened, "grade") == {"a.mov": LARGE}


def test_what_is_found_is_checked_when_it_is_first_read(repository: Repository, tmp_path: Path) -> None:
    moved = tmp_path / "shelf/master.zip"
    with Catalog.open(tmp_path / "c.sqlite") as catalog:
        rebuild(catalog, [tmp_path / "shelf"])
    data = bytearray(moved.read_bytes())
    data[data.index(LARGE) + 1000] ^= 1
    moved.write_bytes(data)
    look_in(repository, tmp_path / "c.sqlite")
    from film_archive.versioning.export import export_entries

    with pytest.raises(Damaged, match=r"a\.mov does not hold"):
        export_entries(repository.opened, repository.entries("grade"), tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def test_a_catalog_that_can_not_be_asked_is_named(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "c.sqlite").write_bytes(b"no catalog at all" * 100)
    look_in(repository, tmp_path / "c.sqlite")
    with pytest.raises(NotFound, match=r"not where it was.*c\.sqlite"):
        held(repository.opened, "grade")
    repository.look_for_archives(through_catalog(lambda: None))
    with pytest.raises(NotFound, match="not where it was"):
        held(repository.opened, "grade")


def test_the_command_line_asks_the_catalog(repository: Repository, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ("repo", "export", "grade", tmp_path / "out.zip", "--repo", repository.root, "--catalog", tmp_path / "c.sqlite")
    assert film_archive(capfd, *words).status == 3
    assert film_archive(capfd, "catalog", "rebuild", tmp_path / "shelf", "--catalog", tmp_path / "c.sqlite").status == 0
    assert film_archive(capfd, *words).status == 0
    assert (tmp_path / "out.zip").exists()
