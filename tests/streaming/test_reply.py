"""Header fields and bodies, read back with the standard library's own parsers."""

from __future__ import annotations

import email
from email.message import Message

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.streaming.ranges import ByteRange, EntityTag, Representation, RequestFields
from film_archive.streaming.reply import Reply, reply_to

DATA = bytes(range(256)) * 4
CONTENT = Representation(size=len(DATA), etag=EntityTag("abc"), last_modified=784111777, content_type="video/mp4")


def reply(content: Representation = CONTENT, now: float = 1e9, **fields: str) -> Reply:
    return reply_to(RequestFields(**fields), content, now=now, boundary="f00d")


def body(found: Reply) -> bytes:
    return b"".join(piece if isinstance(piece, bytes) else DATA[piece.first : piece.end] for piece in found.body)


def test_all_of_it() -> None:
    found = reply()
    assert found.status == 200
    assert dict(found.fields) == {
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
        "etag": '"abc"',
        "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT",
        "content-type": "video/mp4",
        "content-length": "1024",
    }
    assert found.body == (ByteRange(0, 1024),)
    assert found.length == 1024


def test_one_part() -> None:
    found = reply(range="bytes=10-19")
    assert found.status == 206
    assert dict(found.fields)["content-range"] == "bytes 10-19/1024"
    assert dict(found.fields)["content-length"] == "10"
    assert body(found) == DATA[10:20]


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 30)), min_size=2, max_size=20))
def test_several_parts_are_a_mime_multipart(asked: list[tuple[int, int]]) -> None:
    found = reply(range="bytes=" + ",".join(f"{first}-{first + more}" for first, more in asked))
    fields = dict(found.fields)
    assert found.status == 206
    assert int(fields["content-length"]) == found.length == len(body(found))
    if "content-range" in fields:
        return  # it all merged into one
    message = email.message_from_bytes(f"Content-Type: {fields['content-type']}\r\n\r\n".encode() + body(found))
    parts = message.get_payload()
    assert isinstance(parts, list)
    assert len(parts) >= 2
    for part in parts:
        assert isinstance(part, Message)
        assert part["Content-Type"] == "video/mp4"
        place = part["Content-Range"].removeprefix("bytes ")
        first, last = map(int, place.removesuffix("/1024").split("-"))
        head = f"Content-Range: bytes {place}\r\n\r\n".encode()
        start = body(found).index(head) + len(head)
        assert body(found)[start : start + last - first + 1] == DATA[first : last + 1]


def test_multipart_to_the_letter() -> None:
    assert body(reply(range="bytes=65-66,97-98")) == (
        b"--f00d\r\nContent-Type: video/mp4\r\nContent-Range: bytes 65-66/1024\r\n\r\nAB\r\n"
        b"--f00d\r\nContent-Type: video/mp4\r\nContent-Range: bytes 97-98/1024\r\n\r\nab\r\n--f00d--\r\n"
    )
    fields = dict(reply(range="bytes=65-66,97-98").fields)
    assert fields["content-type"] == "multipart/byteranges; boundary=f00d"
    assert "content-range" not in fields


def test_head_states_the_length_and_sends_nothing() -> None:
    found = reply(method="HEAD", range="bytes=0-4")
    assert found.status == 200
    assert found.fields == reply().fields
    assert found.body == ()


def test_refusals() -> None:
    unsatisfiable = dict(reply(range="bytes=5000-").fields)
    assert unsatisfiable["content-range"] == "bytes */1024"
    assert unsatisfiable["content-length"] == "0"
    assert "content-type" not in unsatisfiable
    not_modified = reply(if_none_match='"abc"')
    assert not_modified.status == 304
    assert dict(not_modified.fields)["etag"] == '"abc"'
    assert "content-length" not in dict(not_modified.fields)
    assert reply(if_match='"x"').status == 412
    assert body(reply(if_match='"x"')) == b""


def test_a_date_in_the_future_is_not_stated() -> None:
    assert "last-modified" not in dict(reply(now=784111776.0).fields)


def test_empty_content() -> None:
    found = reply(Representation(size=0, etag=None, last_modified=None))
    assert (found.status, found.body, dict(found.fields)["content-length"]) == (200, (), "0")
