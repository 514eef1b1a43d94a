"""A checklist of RFC 9110 over real connections: a member out of an archive, a deflated one, and a plain file.

Each row is a request and what the standard asks of its answer, with the section; rows marked "may" are choices that it
leaves open, and say which one is made here.
"""

from __future__ import annotations

import http.client
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytest.importorskip("httpx")

from tests.server.serving import Served
from tests.streaming.archives import make_archive, pattern

SIZE = 1000
DATA = pattern(SIZE)
OLD, LATE = "Mon, 01 Jan 1979 00:00:00 GMT", "Fri, 31 Dec 2100 23:59:59 GMT"
WHOLE = ((0, SIZE - 1),)


@dataclass(frozen=True)
class Case:
    """`{etag}` and `{date}` in fields stand for the content's own. `parts`: (first, last) bytes of the body."""

    section: str
    what: str
    status: int
    fields: dict[str, str] = field(default_factory=dict)
    parts: tuple[tuple[int, int], ...] = ()
    method: str = "GET"


def rng(text: str) -> dict[str, str]:
    return {"Range": f"bytes={text}"}


CASES = [
    Case("9.3.1", "GET without a range", 200, parts=WHOLE),
    Case("9.3.2", "HEAD", 200, method="HEAD"),
    Case("9.1", "POST is not allowed", 405, method="POST"),
    Case("9.1", "PUT is not allowed", 405, method="PUT"),
    Case("9.1", "DELETE is not allowed", 405, method="DELETE"),
    # Ranges
    Case("14.1.2", "the first byte", 206, rng("0-0"), ((0, 0),)),
    Case("14.1.2", "first and last", 206, rng("10-19"), ((10, 19),)),
    Case("14.1.2", "an open end", 206, rng("990-"), ((990, 999),)),
    Case("14.1.2", "a suffix", 206, rng("-5"), ((995, 999),)),
    Case("14.1.2", "a suffix of more than there is", 206, rng("-5000"), WHOLE),
    Case("14.1.2", "an end beyond the end", 206, rng("990-5000"), ((990, 999),)),
    Case("14.1.2", "everything as a range", 206, rng("0-"), WHOLE),
    Case("14.1.2", "the last byte", 206, rng("999-999"), ((999, 999),)),
    Case("15.5.17", "a start at the size", 416, rng("1000-")),
    Case("15.5.17", "a start beyond the size", 416, rng("5000-6000")),
    Case("14.1.2", "a suffix of nothing", 416, rng("-0")),
    Case("14.1.1", "last before first (may: ignored)", 200, rng("5-4"), WHOLE),
    Case("14.2", "garbage (may: ignored)", 200, rng("a-b"), WHOLE),
    Case("14.2", "no dash (may: ignored)", 200, rng("5"), WHOLE),
    Case("14.2", "no ranges (may: ignored)", 200, rng(""), WHOLE),
    Case("14.2", "an unknown unit is ignored", 200, {"Range": "frames=0-4"}, WHOLE),
    Case("14.1", "the unit in capitals", 206, {"Range": "BYTES=0-4"}, ((0, 4),)),
    Case("5.6.1", "white space and empty elements in a list", 206, rng(", 0-4 ,\t, 10-14,"), ((0, 4), (10, 14))),
    Case("14.2", "two parts", 206, rng("0-4,10-14"), ((0, 4), (10, 14))),
    Case("15.3.7.2", "parts in the order asked for", 206, rng("10-14,0-4"), ((10, 14), (0, 4))),
    Case("15.3.7.2", "overlapping parts are one", 206, rng("0-10,5-20"), ((0, 20),)),
    Case("15.3.7.2", "touching parts are one", 206, rng("0-4,5-9"), ((0, 9),)),
    Case("14.1.2", "one part of several can be satisfied", 206, rng("5000-,0-4"), ((0, 4),)),
    Case("15.5.17", "none of several can be satisfied", 416, rng("5000-,6000-")),
    Case("14.2", "200 overlapping ranges are one part", 206, rng(",".join("0-" for _ in range(200))), WHOLE),
    Case("14.2", "too many ranges (may: ignored)", 200, rng(",".join(f"{n}-{n}" for n in range(300))), WHOLE),
    Case("14.2", "too many parts (may: ignored)", 200, rng(",".join(f"{2 * n}-{2 * n}" for n in range(65))), WHOLE),
    Case("14.1.1", "numbers of many digits", 416, rng("9" * 400 + "-")),
    Case("14.1.1", "a last position of many digits", 206, rng("0-" + "9" * 400), WHOLE),
    Case("14.1.1", "positions about 2^63", 416, rng(f"{2**63}-{2**64}")),
    Case("14.2", "HEAD ignores Range", 200, rng("0-4"), method="HEAD"),
    Case("14.2", "HEAD ignores a Range that can't be", 200, rng("5000-"), method="HEAD"),
    # Conditions
    Case("13.1.2", "If-None-Match that matches", 304, {"If-None-Match": "{etag}"}),
    Case("13.1.2", "If-None-Match that matches, HEAD", 304, {"If-None-Match": "{etag}"}, method="HEAD"),
    Case("13.1.2", "If-None-Match that does not", 200, {"If-None-Match": '"other"'}, WHOLE),
    Case("13.1.2", "If-None-Match *", 304, {"If-None-Match": "*"}),
    Case("13.1.2", "If-None-Match with a list", 304, {"If-None-Match": '"a", {etag}, "b"'}),
    Case("13.1.2", "If-None-Match compares weakly", 304, {"If-None-Match": "W/{etag}"}),
    Case("13.1.3", "If-Modified-Since its own date", 304, {"If-Modified-Since": "{date}"}),
    Case("13.1.3", "If-Modified-Since an old date", 200, {"If-Modified-Since": OLD}, WHOLE),
    Case("13.1.3", "If-Modified-Since no date is ignored", 200, {"If-Modified-Since": "yesterday"}, WHOLE),
    Case("13.1.3", "If-None-Match beats it", 200, {"If-None-Match": '"x"', "If-Modified-Since": LATE}, WHOLE),
    Case("13.1.1", "If-Match that matches", 200, {"If-Match": "{etag}"}, WHOLE),
    Case("13.1.1", "If-Match *", 200, {"If-Match": "*"}, WHOLE),
    Case("13.1.1", "If-Match that does not", 412, {"If-Match": '"other"'}),
    Case("13.1.1", "If-Match compares strongly", 412, {"If-Match": "W/{etag}"}),
    Case("13.1.4", "If-Unmodified-Since its own date", 200, {"If-Unmodified-Since": "{date}"}, WHOLE),
    Case("13.1.4", "If-Unmodified-Since an old date", 412, {"If-Unmodified-Since": OLD}),
    Case("13.1.4", "If-Match beats it", 200, {"If-Match": "{etag}", "If-Unmodified-Since": OLD}, WHOLE),
    Case("13.2.2", "412 before 304", 412, {"If-Match": '"other"', "If-None-Match": "{etag}"}),
    Case("13.2.2", "304 before the range", 304, {"If-None-Match": "{etag}", **rng("0-4")}),
    Case("13.2.2", "412 before the range", 412, {"If-Match": '"other"', **rng("0-4")}),
    Case("13.1.5", "If-Range with its tag", 206, {"If-Range": "{etag}", **rng("0-4")}, ((0, 4),)),
    Case("13.1.5", "If-Range with another tag", 200, {"If-Range": '"other"', **rng("0-4")}, WHOLE),
    Case("13.1.5", "If-Range with a weak tag", 200, {"If-Range": "W/{etag}", **rng("0-4")}, WHOLE),
    Case("13.1.5", "If-Range with its date", 206, {"If-Range": "{date}", **rng("0-4")}, ((0, 4),)),
    Case("13.1.5", "If-Range with an old date", 200, {"If-Range": OLD, **rng("0-4")}, WHOLE),
    Case("13.1.5", "If-Range with a later date", 200, {"If-Range": LATE, **rng("0-4")}, WHOLE),
    Case("13.1.5", "If-Range that fails, with a range that can't be", 200, {"If-Range": '"x"', **rng("5000-")}, WHOLE),
    Case("13.1.5", "If-Range without Range means nothing", 200, {"If-Range": '"x"'}, WHOLE),
]

SOURCES = {
    "stored member": "/media/day.zip/clip.mov",
    "deflated member": "/media/foreign.zip/clip.mov",
    "file": "/media/plain.mov",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("shelf")
    make_archive(root / "day.zip", {"clip.mov": DATA, "empty.mov": b""})
    with zipfile.ZipFile(root / "foreign.zip", "w") as foreign:  # dated long ago: the date of this second proves nothing
        foreign.writestr(zipfile.ZipInfo("clip.mov", (2020, 9, 13, 12, 26, 40)), DATA, zipfile.ZIP_DEFLATED)
    (root / "plain.mov").write_bytes(DATA)
    for file in root.iterdir():
        os.utime(file, (1_600_000_000, 1_600_000_000))
    server = Served(root, "h11_impl")
    yield server
    server.stop()


def asked(served: Served, method: str, path: str, fields: dict[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
    connection = served.connect()
    connection.request(method, path, headers=fields)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


@pytest.mark.parametrize("path", SOURCES.values(), ids=SOURCES.keys())
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.section} {case.what}")
def test_checklist(served: Served, path: str, case: Case) -> None:
    own, _ = asked(served, "HEAD", path, {})
    etag, date = own.headers["etag"], own.headers["last-modified"]
    assert etag.startswith('"')
    fields = {name: value.replace("{etag}", etag).replace("{date}", date) for name, value in case.fields.items()}
    answer, body = asked(served, case.method, path, fields)
    assert answer.status == case.status
    if case.status == 405:
        assert answer.headers["allow"] == "GET, HEAD"  # 15.5.6
        return
    assert answer.headers["accept-ranges"] == "bytes"  # 14.3
    assert answer.headers["etag"] == etag  # 8.8.3, 15.4.5
    assert answer.headers["content-encoding"] is None
    if case.status == 200:
        assert answer.headers["content-length"] == str(SIZE)  # 8.6
        assert answer.headers["last-modified"] == date
        assert answer.headers["content-range"] is None
    if case.status == 416:
        assert answer.headers["content-range"] == f"bytes */{SIZE}"  # 15.5.17
    if case.status == 304:
        assert body == b""
        assert answer.headers["content-length"] in (None, str(SIZE))  # 15.4.5
    if case.method == "HEAD":
        assert body == b""
        return
    if case.status in (200, 206):
        assert parts_of(answer, body) == [(first, DATA[first : last + 1]) for first, last in case.parts]
        assert len(body) == int(answer.headers["content-length"])


def parts_of(answer: http.client.HTTPResponse, body: bytes) -> list[tuple[int, bytes]]:
    """(first byte, bytes) of each part, by 14.4 and 14.6."""
    if answer.status == 200:
        return [(0, body)]
    whole = answer.headers["content-range"]
    if whole is not None:
        return [(first_of(whole, body), body)]
    boundary = answer.headers["content-type"].removeprefix("multipart/byteranges; boundary=").encode()
    opening, *parts, ending = (b"\r\n" + body).split(b"\r\n--" + boundary)
    assert opening == b""
    assert ending == b"--\r\n"
    found = []
    for part in parts:
        head, _, data = part.partition(b"\r\n\r\n")
        lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n") if line)
        assert lines[b"Content-Type"] == b"video/quicktime"
        found.append((first_of(lines[b"Content-Range"].decode(), data), data))
    return found


def first_of(content_range: str, data: bytes) -> int:
    match = re.fullmatch(rf"bytes (\d+)-(\d+)/{SIZE}", content_range)
    assert match is not None
    assert int(match[2]) - int(match[1]) + 1 == len(data)
    return int(match[1])


def test_there_are_as_many_as_promised() -> None:
    assert len({case.what for case in CASES}) == len(CASES) >= 36


def test_nothing_has_no_ranges(served: Served) -> None:
    answer, body = asked(served, "GET", "/media/day.zip/empty.mov", rng("0-"))
    assert (answer.status, body, answer.headers["content-range"]) == (416, b"", "bytes */0")
    answer, body = asked(served, "GET", "/media/day.zip/empty.mov", rng("-5"))
    assert (answer.status, body) == (200, b"")  # 14.1.2: satisfiable, and no Content-Range can say so


def test_ranges_far_into_a_large_file(tmp_path: Path) -> None:
    """Beyond 2^31 and 2^32, in a file with a hole."""
    large = tmp_path / "large.mov"
    size = (1 << 33) + 5
    places = [0, (1 << 31) - 3, 1 << 31, (1 << 32) - 2, 1 << 32, size - 6]
    with large.open("wb") as file:
        for place in places:
            file.seek(place)
            file.write(b"%06d" % (place % 1_000_000))
        file.truncate(size)
    server = Served(large, "h11_impl")
    try:
        for place in places:
            answer, body = asked(server, "GET", "/media/large.mov", rng(f"{place}-{place + 5}"))
            assert answer.headers["content-range"] == f"bytes {place}-{place + 5}/{size}"
            if place + 6 not in places:
                assert body[:2] == (b"%06d" % (place % 1_000_000))[:2]
        answer, body = asked(server, "HEAD", "/media/large.mov", {})
        assert answer.headers["content-length"] == str(size)
    finally:
        server.stop()
