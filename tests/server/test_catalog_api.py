"""What the server's catalog is asked over HTTP, and who may ask it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx")

from film_archive.catalog.catalog import Catalog
from film_archive.core.digest import KEY, digest_source
from film_archive.core.errors import Damaged, NotFound
from film_archive.core.source import MemorySource
from film_archive.library.crawler import crawl
from film_archive.server.access import Grant, Right
from film_archive.server.app import create_app
from tests.library.trees import write
from tests.server.clients import ask

ALL, SOME = "token-for-all", "token-for-some"


@pytest.fixture
def app(tmp_path: Path) -> Any:
    served, elsewhere = tmp_path / "served", tmp_path / "elsewhere"
    write(served, {"day 1/A001C001.mov": b"a clip", "day 1/note.txt": b"a note"})
    write(elsewhere, {"copy of A001C001.mov": b"a clip"})
    with Catalog.open(tmp_path / "catalog.sqlite") as catalog:
        crawl(catalog, [served, elsewhere])
    grants = [Grant(ALL, Right.READ), Grant(SOME, Right.READ, ("served",))]
    return create_app([served], grants=grants, catalog=tmp_path / "catalog.sqlite")


def asking(app: Any, what: str, token: str = ALL) -> Any:
    return ask(app, f"/api/v1/catalog/{what}", headers={"Authorization": f"Bearer {token}"})


def test_a_name_is_found_where_it_is_served_and_elsewhere(app: Any, tmp_path: Path) -> None:
    document = asking(app, "search?q=c001").json()
    assert document["complete"]
    places = {Path(place["path"]).name: place for place in document["found"]}
    assert {name: place["url"] for name, place in places.items()} == {
        "A001C001.mov": "/media/day%201/A001C001.mov",
        "copy of A001C001.mov": None,
    }
    assert all(place["online"] and place["size"] == 6 and place["gone"] is None for place in places.values())
    served = ask(app, places["A001C001.mov"]["url"], headers={"Authorization": f"Bearer {ALL}"})
    assert served.content == b"a clip"
    assert not asking(app, "search?q=c001&limit=1").json()["complete"]
    assert asking(app, "search?q=nothing").json() == {"query": "nothing", "found": [], "complete": True}


def test_all_copies_of_a_content(app: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = digest_source(MemorySource(b"a clip", "clip"), (KEY,))[KEY]
    document = asking(app, f"where?digest={digest}").json()
    assert (document["size"], document["digests"][KEY], len(document["copies"]), document["devices"]) == (6, digest, 2, 0)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ("0" * 32)).write_bytes(b"a clip")  # a digest is never taken for a file's name
    assert asking(app, f"where?digest={'0' * 32}").status_code == 404
    assert asking(app, "where?digest=%2Fetc%2Fpasswd").status_code == 422


def test_a_token_for_some_roots_does_not_ask(app: Any) -> None:
    for what in ("search?q=c001", f"where?digest={'0' * 32}"):
        answer = asking(app, what, SOME)
        assert answer.status_code == 403
        assert "some roots only" in answer.json()["error"]["message"]
        assert ask(app, f"/api/v1/catalog/{what}").status_code == 401


def test_without_a_catalog_it_says_so(tmp_path: Path) -> None:
    answer = ask(create_app([tmp_path]), "/api/v1/catalog/search?q=a")
    assert answer.status_code == 404
    assert "serve --catalog" in answer.json()["error"]["message"]
    with pytest.raises(NotFound):
        create_app([tmp_path], catalog=tmp_path / "none.sqlite")
    (tmp_path / "text.sqlite").write_text("not a database, but long enough to look like a file" * 20)
    with pytest.raises(Damaged):
        create_app([tmp_path], catalog=tmp_path / "text.sqlite")
