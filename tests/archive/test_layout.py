"""Names: what a member may be called, how any file's name becomes one and a file's name again."""

from __future__ import annotations

import os
import unicodedata

import pytest

pytest.importorskip("hypothesis")
from hypothesis import assume, given
from hypothesis import strategies as st

from film_archive.archive import layout
from film_archive.core.errors import Refused, UsageError
from film_archive.core.member import Member, Role

PARTS = st.one_of(
    st.binary(min_size=1, max_size=255), st.text(min_size=1, max_size=60).map(lambda t: t.encode("utf-8", "replace"))
)
NAMES = st.lists(PARTS, min_size=1, max_size=4).map(b"/".join)


@given(NAMES)
def test_every_name_of_a_file_comes_back(raw: bytes) -> None:
    path, kept = layout.member_name(os.fsdecode(raw))
    assert path.encode()  # it can be written in a manifest
    assert kept == raw or (kept, path.encode()) == (None, raw)
    problem = layout.name_problem(path)
    assert "backslash" not in str(problem)
    assume(problem is None and b"\0" not in raw)
    member = Member.make(path, Role.ORIGINAL, 0, raw_name=None if kept is None else kept.hex())
    assert os.fsencode(layout.place_of(member)) == raw


@given(NAMES, NAMES)
def test_two_names_never_become_one(first: bytes, second: bytes) -> None:
    assume(first != second)
    one, other = (layout.member_name(os.fsdecode(raw)) for raw in (first, second))
    if one[0] == other[0]:  # "%FF" beside the byte 0xFF: refused as a clash when gathered
        assert (one[1] is None) != (other[1] is None)


@pytest.mark.parametrize(
    "path", ["a", "a/b", "ü", " a", "a ", "ab:c", ".a", "..a", "a..", "CON", "-", "%", "a\nb", "~", "x" * 65_000]
)
def test_names_that_a_member_may_have(path: str) -> None:
    assert layout.name_problem(path) is None
    assert layout.require_member_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "/", "/a", "a/", "a//b", ".", "..", "a/..", "a/./b", "a\\b", "a\0", "c:", "C:/x", "\\\\x", "x" * 65_500, "ü" * 33_000],
)
def test_names_that_no_member_may_have(path: str) -> None:
    assert layout.name_problem(path) is not None
    with pytest.raises(Refused):
        layout.check_member_name(path)
    with pytest.raises(UsageError):
        layout.require_member_path(path)
    with pytest.raises(Refused):
        layout.place_of(Member.make(path, Role.ORIGINAL, 0))


@pytest.mark.parametrize("raw", [b"../x", b"/etc/passwd", b"a/../../x", b"a\0", b"other", b"", b"a\\b"])
def test_raw_names_that_are_others(raw: bytes) -> None:
    for path in ("a", "%2E%2E/x", "a%00", "other"):
        with pytest.raises(Refused):
            layout.place_of(Member.make(path, Role.ORIGINAL, 0, raw_name=raw.hex()))


@given(st.lists(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=300),
                min_size=1, max_size=4).map("/".join))  # fmt: skip
def test_own_data_have_names_that_file_systems_take(path: str) -> None:
    for own in (layout.index_path(path), layout.sums_path(path), layout.proxy_path(path, "preview")):
        assert layout.is_own(own)
        assert all(len(part.encode()) <= 255 for part in own.split("/"))
        assert own.count("/") == path.count("/") + (3 if "proxies" in own else 2)
    if all(len(part.encode()) <= 251 for part in path.split("/")):
        assert layout.index_path(path) == f".film-archive/frames/{path}.idx"


def test_shortened_names_stay_apart() -> None:
    names = {layout.index_path("x" * 300 + str(number) + ".mov") for number in range(100)}
    assert len(names) == 100
    assert layout.index_path("x" * 300) == layout.index_path("x" * 300)


@given(st.text(max_size=30))
def test_folding_knows_case_and_unicode_form(path: str) -> None:
    for other in (path.upper(), path.lower(), unicodedata.normalize("NFD", path), unicodedata.normalize("NFC", path)):
        if other.casefold() == path.casefold() or other in (unicodedata.normalize("NFC", path),):
            assert layout.fold(other) == layout.fold(path)
    assert layout.fold(layout.fold(path)) == layout.fold(path)


def test_junk_and_our_own() -> None:
    assert all(map(layout.is_junk, [".DS_Store", "Thumbs.db", "._a", "._.DS_Store", "$RECYCLE.BIN"]))
    assert not any(map(layout.is_junk, ["a", "._", ".a", "DS_Store", "thumbs", ".ds_store2"]))
    assert layout.is_own(".film-archive/x")
    assert not layout.is_own(".film-archives/x")
