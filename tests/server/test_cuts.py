"""Parts of clips by timecode: the very file that `extract` writes, with all that HTTP asks of ranges."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("httpx")
pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from film_archive.core.errors import UsageError
from film_archive.core.source import MemorySource
from film_archive.media.mov import MovFile
from film_archive.server.app import create_app
from film_archive.server.cuts import cut_request, disposition
from film_archive.server.zerocopy import is_possible
from film_archive.workflows.extraction import extract
from tests.server.clients import ask
from tests.server.conftest import Production
from tests.server.serving import Served


@pytest.fixture(scope="module")
def app(production: Production) -> Any:
    return create_app([production.root])


def address(production: Production, archive: str | None = None) -> str:
    return quote(f"/media/{archive or production.archive}/{production.member}")


def extracted(production: Production, target: Path, begin: str, out: str, handles: int = 0) -> bytes:
    """What the command line's verb writes."""
    what = f"{production.root / production.archive}::{production.member}"
    extract(what, target, in_point=begin, out_point=out, handles=handles)
    return target.read_bytes()


@pytest.mark.parametrize("archive", ["day 1/project.zip", "in place"])
def test_a_cut_is_what_extract_writes(production: Production, app: Any, tmp_path: Path, archive: str) -> None:
    query = "?in=01:00:01:00&out=01:00:02:12&handles=5"
    answer = ask(app, address(production, archive) + query)
    assert answer.status_code == 200
    assert answer.content == extracted(production, tmp_path / "cut.mov", "01:00:01:00", "01:00:02:12", 5)
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers["content-type"] == "video/quicktime"
    assert answer.headers["content-disposition"].startswith('attachment; filename="A001C001 __01000019_46f.mov"')
    movie = MovFile.open(MemorySource(answer.content, "cut.mov"))
    assert movie.index().frames == 46
    assert str(movie.facts().start_timecode) == "01:00:00:19"
    head = ask(app, address(production, archive) + query, "HEAD")
    assert (head.headers["content-length"], head.headers["etag"]) == (
        answer.headers["content-length"],
        answer.headers["etag"],
    )


def test_a_duration_does_as_well(production: Production, app: Any) -> None:
    by_out = ask(app, address(production) + "?in=01:00:01:00&out=01:00:02:00")
    by_duration = ask(app, address(production) + "?in=01:00:01:00&duration=00:00:01:00")
    assert by_out.content == by_duration.content
    assert by_out.headers["etag"] == by_duration.headers["etag"]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_ranges_of_a_cut_are_parts_of_it(production: Production, app: Any, data: st.DataObject) -> None:
    path = address(production) + "?in=01:00:00:10&out=01:00:01:10"
    whole = ask(app, path).content
    first = data.draw(st.integers(0, len(whole) - 1))
    last = data.draw(st.integers(first, len(whole) + 10))
    part = ask(app, path, fields={"Range": f"bytes={first}-{last}"})
    assert part.status_code == 206
    assert part.content == whole[first : last + 1]


def test_its_tag_follows_from_what_is_in_it(production: Production, app: Any) -> None:
    path = address(production)
    one = ask(app, path + "?in=01:00:00:10&out=01:00:01:10").headers["etag"]
    assert ask(app, path + "?in=01:00:00:10&out=01:00:01:10", fields={"If-None-Match": one}).status_code == 304
    others = ["?in=01:00:00:10&out=01:00:01:11", "?in=01:00:00:11&out=01:00:01:10", "?in=01:00:00:10&out=01:00:01:10&handles=1"]
    tags = {ask(app, path + other).headers["etag"] for other in others}
    assert len(tags | {one, ask(app, path).headers["etag"]}) == 5


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("in=01:00:01:00", "either the out point"),
        ("out=01:00:01:00", "one in point"),
        ("in=01:00:01:00&out=01:00:02:00&duration=00:00:01:00", "either the out point"),
        ("in=01:00:01:00&in=01:00:01:00&out=01:00:02:00", "one in point"),
        ("in=01:00:01:00&out=01:00:02:00&handles=-1", "whole frames"),
        ("in=01:00:01:00&out=01:00:02:00&handles=99999999999", "whole frames"),
        ("in=01:00:01:00&out=01:00:02:00&handles=%C2%B2", "whole frames"),
        ("in=01:00:02:00&out=01:00:01:00", "not before"),
        ("in=02:00:00:00&out=02:00:01:00", "not in"),
        ("in=01:00:01:24&out=01:00:02:00", ""),
        ("in=hello&out=01:00:02:00", ""),
        ("in=01%3A00%3A01%3B00&out=01:00:02:00", ""),
    ],
)
def test_what_can_not_be_cut_is_said(production: Production, app: Any, query: str, words: str) -> None:
    answer = ask(app, f"{address(production)}?{query}")
    assert answer.status_code == 422
    message = answer.json()["error"]["message"]
    assert words in message
    assert str(production.root) not in message


def test_what_is_no_clip_is_refused(production: Production, app: Any) -> None:
    (production.root / "notes.txt").write_text("no clip")
    assert ask(app, "/media/notes.txt?in=01:00:00:00&out=01:00:00:01").status_code == 422
    assert ask(app, "/media/absent.mov?in=01:00:00:00&out=01:00:00:01").status_code == 404
    assert ask(app, "/media/notes.txt?download=1").text == "no clip", "a query that speaks of no cut means nothing"


@pytest.mark.skipif(not is_possible, reason="this system has no sendfile with RWF_NOWAIT")
def test_the_system_sends_a_cut_too(production: Production, tmp_path: Path) -> None:
    """Pieces of memory and of files, one after the other, at any place."""
    wanted = extracted(production, tmp_path / "cut.mov", "01:00:00:00", "01:00:03:00")
    served = Served(production.root, "h11_impl")
    try:
        path = address(production) + "?in=01:00:00:00&out=01:00:03:00"
        assert served.get(path)[2] == wanted
        chance = random.Random(2)
        for _ in range(20):
            first = chance.randrange(len(wanted))
            last = min(len(wanted), first + chance.choice([1, 5_000, 500_000]))
            parts = f"bytes={first}-{last - 1},0-99"
            body = served.get(path, Range=f"bytes={first}-{last - 1}")[2]
            assert body == wanted[first:last]
            assert wanted[:100] in served.get(path, Range=parts)[2]
    finally:
        served.stop()


def test_names_for_saving_are_safe() -> None:
    assert disposition('a"b\\c\r\né.mov') == (
        "attachment; filename=\"a_b_c___.mov\"; filename*=UTF-8''a%22b%5Cc%0D%0A%C3%A9.mov"
    )


def test_a_query_is_read_strictly() -> None:
    assert cut_request(b"") is None
    assert cut_request(b"x=1") is None
    assert cut_request(b"in=1&out=2") is not None
    with pytest.raises(UsageError):
        cut_request(b"&".join(b"a=1" for _ in range(100)))
    with pytest.raises(UsageError):
        cut_request("in=é".encode())
