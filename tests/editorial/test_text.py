"""Lists' bytes as text."""

from __future__ import annotations

import pytest

from film_archive.editorial.edl import read_edl
from film_archive.editorial.text import Line, decode, lines

TEXT = "TITLE: Größe\r\n001  A001 V  C  01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12\r\n* FROM CLIP NAME: Café\r\n"


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        *(
            ("utf-8", "utf-8"),
            ("utf-8-sig", "utf-8-sig"),
            ("utf-16", "utf-16"),
            ("utf-32", "utf-32"),
            ("cp1252", "cp1252"),
        ),
        *(("utf-16-le", "utf-16-le"), ("utf-16-be", "utf-16-be")),
    ],
)
def test_encodings(encoding: str, named: str) -> None:
    data = TEXT.encode(encoding)
    assert decode(data) == (TEXT, named)
    edits = read_edl(data)
    assert (edits.title, edits.encoding, edits.events[0].from_clip_name) == ("Größe", named, "Café")
    assert edits.diagnostics == ()


def test_bytes_of_no_encoding_are_read_as_latin_1() -> None:
    assert decode(b"a\x81\xe9") == ("a\x81é", "latin-1")


def test_wrong_bytes_in_a_marked_encoding_are_replaced() -> None:
    assert decode(b"\xef\xbb\xbfa\xff") == ("a�", "utf-8-sig")
    assert decode(b"\xff\xfea\0b") == ("a�", "utf-16")


def test_blocks_filled_up_with_nul_are_no_utf_16() -> None:
    padded = TEXT.encode() + b"\0" * 4000 + b"\x1a"
    assert decode(padded)[1] == "utf-8"
    assert len(read_edl(padded)) == 1
    assert read_edl(padded).diagnostics == ()


def test_lines_end_in_every_way() -> None:
    assert lines("a\rb\r\nc\n\n\0d\x1a\n \x1a") == [Line(1, "a"), Line(2, "b"), Line(3, "c"), Line(5, "d")]
    assert lines("a\u2028b\x0bc\x85d") == [Line(1, "a\u2028b\x0bc\x85d")]
    assert lines("") == []
