"""`library crawl`, `dupes`, `sort`, `undo` as commands: what they print, what they end with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import film_archive
from tests.library.trees import snapshot, write

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def own_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "catalog.sqlite"
    monkeypatch.setenv("FILM_ARCHIVE_CATALOG", str(path))
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write(tmp_path / "Archive", {"a.mov": b"a" * 100, "b.mov": b"b" * 100})
    write(tmp_path / "photos", {"x/a.mov": b"a" * 100, "new.mov": b"n"})
    return tmp_path


def test_from_crawl_to_undo(place: Path, capfd: Capture) -> None:
    crawled = film_archive(capfd, "library", "crawl", place / "Archive", place / "photos", "--index", place / "i.json", "--json")
    assert crawled.status == 0
    assert {"files", "bytes", "hashed", "seconds"} <= crawled.document.keys()
    assert (crawled.document["files"], crawled.document["hashed"]) == (4, 4)
    assert set(json.loads((place / "i.json").read_text())[0]) == {"path", "hash", "size"}
    dupes = film_archive(capfd, "library", "dupes", "--index", place / "i.json", "--master", place / "Archive", "--json")
    (each,) = dupes.document["sets"]
    assert {"digests", "size", "keep", "duplicates"} <= each.keys()
    assert each["keep"] == str(place / "Archive/a.mov")
    assert each["duplicates"] == [str(place / "photos/x/a.mov")]
    before = snapshot(place / "photos")
    sort = ("library", "sort", place / "photos", "--master", place / "Archive", "--to", place / "q")
    dry = film_archive(capfd, *sort, "--dry-run", "--json")
    assert snapshot(place / "photos") == before
    done = film_archive(capfd, *sort, "--json")
    assert done.document["moved"][0]["from"] == dry.document["moved"][0]["from"] == str(place / "photos/x/a.mov")
    assert Path(done.document["moved"][0]["to"]).read_bytes() == b"a" * 100
    assert film_archive(capfd, *sort).output.startswith("0 clips")
    undone = film_archive(capfd, "library", "undo", "--json")  # the catalog knows where the quarantine is
    assert undone.document["moved"][0]["to"] == str(place / "photos/x/a.mov")
    assert snapshot(place / "photos") == before
    assert film_archive(capfd, "library", "undo", "--from", place / "q").status == 3


def test_a_list_that_was_shortened_by_hand(place: Path, capfd: Capture) -> None:
    write(place / "photos", {"b.mov": b"b" * 100})
    listed = place / "dupes.json"
    archive, photos = place / "Archive", place / "photos"
    words = film_archive(capfd, "library", "dupes", photos, archive, "--master", archive, "-o", listed)
    assert "2 sets with 2 duplicates" in words.output
    document = json.loads(listed.read_text())
    document["sets"] = [each for each in document["sets"] if each["keep"].endswith("b.mov")]
    listed.write_text(json.dumps(document))
    done = film_archive(capfd, "library", "sort", "--list", listed, "--master", place / "Archive", "--to", place / "q")
    assert done.status == 0
    assert "b.mov ->" in done.output
    assert (place / "photos/x/a.mov").exists()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("library", "crawl"), 2),
        (("library", "crawl", "missing"), 3),
        (("library", "crawl", ".", "--max-age", "soon"), 2),
        (("library", "dupes"), 2),
        (("library", "dupes", "missing"), 3),
        (("library", "dupes", "--index", "missing.json"), 3),
        (("library", "sort", "--to", "q"), 2),
        (("library", "sort", ".", "--list", "x", "--to", "q"), 2),
        (("library", "sort", ".", "--master", "missing", "--to", "q"), 3),
        (("library", "undo"), 3),
        (("library", "undo", "job", "--from", "missing"), 3),
        (("library", "crawl", ".", "--catalog", "nonsense://x"), 5),
    ],
)
def test_what_is_wrong_ends_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture, arguments: tuple[str, ...], status: int
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    ran = film_archive(capfd, *arguments, "--json")
    assert ran.status == status, ran
    assert "error" in ran.document
    assert list((tmp_path / "work").iterdir()) == []
