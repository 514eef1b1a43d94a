"""Lists of selects over HTTP, search among members, and what is sent compressed."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

pytest.importorskip("httpx")

from film_archive.server.access import Grant, Right
from film_archive.server.app import create_app
from film_archive.server.assets import takes_gzip
from tests.server.clients import ask, call
from tests.server.conftest import Production


@pytest.fixture(scope="module")
def app(production: Production) -> Any:
    return create_app([production.root])


def order(production: Production, **more: object) -> dict[str, object]:
    select = {"archive": production.archive, "member": production.member, "first": 24, "end": 48}
    return {"format": "edl", "title": "Day 1", "selects": [select], **more}


def test_a_list(app: Any, production: Production) -> None:
    answer = ask(app, "/api/v1/lists", "POST", json=order(production))
    assert answer.status_code == 200
    document = answer.json()
    assert (document["name"], document["media_type"], document["lost"]) == ("Day_1.edl", "text/plain", [])
    assert "01:00:01:00 01:00:02:00 01:00:00:00 01:00:01:00" in document["text"]
    assert f"* FROM CLIP NAME: {production.member}" in document["text"]


@pytest.mark.parametrize("format_", ["otio", "ale", "csv"])
def test_other_formats(app: Any, production: Production, format_: str) -> None:
    document = ask(app, "/api/v1/lists", "POST", json=order(production, format=format_)).json()
    assert document["name"] == f"Day_1.{format_}"
    assert production.member.rpartition(".")[0] in document["text"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"archive": "elsewhere.zip"}, 404),
        ({"member": "B.mov"}, 404),
        ({"member": ".film-archive/format"}, 422),
        ({"end": 5000}, 422),
        ({"first": 48}, 422),
        ({"first": -1}, 422),
    ],
)
def test_what_can_not_be_listed(app: Any, production: Production, change: dict[str, object], status: int) -> None:
    wanted = order(production)
    wanted["selects"] = [{**wanted["selects"][0], **change}]  # type: ignore[index]
    answer = ask(app, "/api/v1/lists", "POST", json=wanted)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/api/v1/lists", "/api/v1/jobs"])
@pytest.mark.parametrize(("body", "status"), [(b"{\xff", 400), (b"{", 422), (b"[]", 422)])
def test_bodies_that_make_no_sense_are_refused_as_it_is_written(app: Any, path: str, body: bytes, status: int) -> None:
    answer = ask(app, path, "POST", {"content-type": "application/json"}, content=body)
    assert answer.status_code == status
    assert str(status) in app.api.openapi()["paths"][path]["post"]["responses"]
    assert answer.json()["error"]["status"] == status


def test_a_reader_writes_lists_of_its_own_root_only(production: Production) -> None:
    app = create_app([production.root], grants=[Grant("see", Right.READ)])
    bearer = {"authorization": "Bearer see"}
    assert ask(app, "/api/v1/lists", "POST", json=order(production)).status_code == 401
    assert ask(app, "/api/v1/lists", "POST", bearer, json=order(production)).status_code == 200


@pytest.mark.parametrize(
    ("words", "found"),
    [("A001", 1), ("a001c001 É", 1), ("prores 01:00:00:00", 1), ("a001 b002", 0), ("", 1)],
)
def test_members_are_searched(app: Any, production: Production, words: str, found: int) -> None:
    path = f"/api/v1/archives/{production.archive}/members"
    answer = ask(app, path, params={"role": "original", "q": words})
    assert len(answer.json()["members"]) == found


async def _page(app: Any, fields: dict[str, str]) -> tuple[dict[bytes, bytes], bytes]:
    begin, *rest = await call(app, "/page/app.js", fields=fields)
    return dict(begin["headers"]), b"".join(message.get("body", b"") for message in rest)


def test_the_page_is_sent_compressed_to_those_who_take_it(app: Any) -> None:
    import asyncio

    plain, script = asyncio.run(_page(app, {}))
    packed, data = asyncio.run(_page(app, {"accept-encoding": "br, gzip;q=0.8"}))
    assert b"content-encoding" not in plain
    assert packed[b"content-encoding"] == b"gzip"
    assert gzip.decompress(data) == script
    assert len(data) < len(script) / 2
    assert plain[b"vary"] == packed[b"vary"] == b"accept-encoding"
    assert plain[b"etag"] != packed[b"etag"]


@pytest.mark.parametrize(
    ("field", "takes"),
    [("gzip", True), ("GZIP;q=1.0", True), ("deflate, gzip ; q=0.5", True), ("gzip;q=0", False), ("gzip; q=0.00", False),
     ("identity", False), ("", False), ("notgzip", False)],
)  # fmt: skip
def test_who_takes_gzip(field: str, takes: bool) -> None:
    assert takes_gzip(field) == takes


def test_documents_are_compressed_and_files_of_jobs_are_not(app: Any, production: Production) -> None:
    accepted = {"accept-encoding": "gzip"}
    answer = ask(app, "/openapi.json", fields=accepted)
    assert answer.headers.get("content-encoding") == "gzip"
    assert answer.json()["paths"]
    wanted = {"path": f"{production.archive}/{production.member}", "in": "01:00:01:00", "out": "01:00:02:00"}
    job = ask(app, "/api/v1/jobs", "POST", json=wanted).json()
    while job["state"] in ("queued", "running"):
        job = ask(app, job["url"]).json()
    answer = ask(app, job["file_url"], fields=accepted)
    assert "content-encoding" not in answer.headers
    assert int(answer.headers["content-length"]) == len(answer.content) == job["bytes_total"]
