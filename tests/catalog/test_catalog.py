"""The catalog against an obvious twin, and what it is asked."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from film_archive.catalog.catalog import Catalog
from film_archive.catalog.lookup import looking
from film_archive.catalog.names import from_text, to_text
from film_archive.catalog.rows import Content, FileRow, FolderRows, Kind, SequenceRow


def content(data: bytes, **others: str) -> Content:
    return Content(len(data), hashlib.md5(data, usedforsecurity=False).digest(), others)


def file(name: str, data: bytes | None, mtime_ns: int = 1) -> FileRow:
    return FileRow(name, 0 if data is None else len(data), mtime_ns, 7, None if data is None else content(data))


def folder(inner: str, *files: FileRow, sequences: tuple[SequenceRow, ...] = (), **options: object) -> FolderRows:
    return FolderRows(inner, options.get("signature"), files, sequences, options.get("folders"))  # type: ignore[arg-type]


@pytest.fixture
def catalog(tmp_path: Path):  # type: ignore[no-untyped-def]  # a generator fixture
    with Catalog.open(tmp_path / "catalog.sqlite") as made:
        yield made


def where(catalog: Catalog, wanted: Content, *, former: bool = False) -> list[str]:
    with looking(catalog) as lookup:
        return [f"{place.holder.identity}:{place.inner}" for place in lookup.places(wanted, former=former)]


def test_a_content_is_found_wherever_it_is(catalog: Catalog) -> None:
    one, two = catalog.holder(Kind.DISK, "one"), catalog.holder(Kind.CARTRIDGE, "FA0001")
    event = catalog.event("crawl", "/")
    catalog.put(one, [folder("/", file("a.mov", b"a")), folder("/deep/er", file("b.mov", b"a"))], event)
    catalog.put(two, [folder("/x", file("c.mov", b"a"), file("d.mov", b"d"))], event)
    assert where(catalog, content(b"a")) == ["one:/a.mov", "one:/deep/er/b.mov", "FA0001:/x/c.mov"]
    assert where(catalog, content(b"nowhere")) == []


def test_what_is_gone_is_remembered(catalog: Catalog) -> None:
    holder = catalog.holder(Kind.DISK, "one")
    first = catalog.event("crawl", "/")
    rows = [folder("/a", file("x", b"1"), file("y", b"2")), folder("/a/b", file("z", b"3")), folder("/a/b/c", file("w", b"4"))]
    catalog.put(holder, rows, first)
    second = catalog.event("crawl", "/")
    catalog.put(holder, [folder("/a", file("x", b"5"), folders=frozenset())], second)
    for data in (b"1", b"2", b"3", b"4"):
        assert where(catalog, content(data)) == []
        assert len(where(catalog, content(data), former=True)) == 1
    with looking(catalog) as lookup:
        (place,) = lookup.places(content(b"3"), former=True)
    assert place.gone == second
    assert place.inner == "/a/b/z"


def test_a_file_that_changed_is_no_longer_verified(catalog: Catalog) -> None:
    holder = catalog.holder(Kind.DISK, "one")
    event = catalog.event("crawl", "/")
    catalog.put(holder, [folder("/", file("x", b"1"), file("y", b"2"))], event)
    check = catalog.event("verify", "/")
    catalog.verified(holder, {"/x": "ok", "/y": "differs", "/z": "missing"}, check)
    with looking(catalog) as lookup:
        assert [place.verified for place in lookup.places(content(b"1"))] == [check]
        assert [place.verified for place in lookup.places(content(b"2"))] == [None]
        assert lookup.results(holder, "/y") == ((check, "differs"),)
        assert lookup.results(holder, "/z") == ((check, "missing"),)
    catalog.put(holder, [folder("/", file("x", b"1", mtime_ns=2), file("y", b"2"))], event)
    with looking(catalog) as lookup:
        assert [place.verified for place in lookup.places(content(b"1"))] == [check]  # touched, the same bytes
    catalog.put(holder, [folder("/", file("x", b"3"), file("y", b"2"))], event)
    with looking(catalog) as lookup:
        assert [place.verified for place in lookup.places(content(b"3"))] == [None]


def sequence(numbers: range, *, salt: str = "") -> SequenceRow:
    frames = {n: file(f"a.{n:04d}.exr", f"{salt}{n}".encode(), mtime_ns=1000 + n) for n in numbers}
    return SequenceRow("a.", 4, ".exr", frames)


def test_a_sequence_is_one_row_and_its_frames_are_found(catalog: Catalog) -> None:
    holder = catalog.holder(Kind.DISK, "one")
    event = catalog.event("crawl", "/")
    frames = sequence(range(1001, 1101))
    catalog.put(holder, [folder("/shot", sequences=(frames,))], event)
    with looking(catalog) as lookup:
        (place,) = lookup.places(content(b"1050"))
        assert (place.inner, place.sequence) == ("/shot/a.1050.exr", "a.####.exr")
        known = lookup.known(holder, "/shot")
        assert known is not None
        assert known.files == {frame.name: frame for frame in frames.frames.values()}
        assert [place.inner for place in lookup.find("A.")] == ["/shot/a.####.exr"]
    check = catalog.event("verify", "/")
    catalog.verified(holder, {f"/shot/{frame.name}": "ok" for frame in frames.frames.values()}, check)
    with looking(catalog) as lookup:
        assert lookup.places(content(b"1001"))[0].verified == check
    catalog.verified(holder, {"/shot/a.1007.exr": "differs"}, check)
    with looking(catalog) as lookup:
        assert lookup.places(content(b"1001"))[0].verified is None
    catalog.put(holder, [folder("/shot", sequences=(sequence(range(1001, 1090)),))], event)
    assert where(catalog, content(b"1095")) == []


@given(st.dictionaries(st.integers(0, 10**9), st.tuples(st.integers(0, 2**40), st.integers(-(2**62), 2**62)), min_size=1))
def test_a_packed_sequence_is_what_it_was(frames: dict[int, tuple[int, int]]) -> None:
    empty = SequenceRow("s", 4, ".dpx", {})
    made = SequenceRow(
        "s",
        4,
        ".dpx",
        {
            number: FileRow(empty.file_name(number), size, mtime, number * 3, Content(size, number.to_bytes(16, "big")))
            for number, (size, mtime) in frames.items()
        },
    )
    assert SequenceRow.unpack("s", 4, ".dpx", len(frames), made.pack()) == made


def test_two_contents_whose_digests_begin_alike(catalog: Catalog) -> None:
    """The key of a content is half its digest; where halves collide, both are kept apart."""
    holder = catalog.holder(Kind.DISK, "one")
    event = catalog.event("crawl", "/")
    last = b"\x7f" + b"\xff" * 7  # where counting on passes the end of the numbers
    for half in (b"\1" * 8, last):
        alike = [Content(5, half + bytes((n,)) * 8) for n in range(4)]
        for n, each in enumerate(alike[:2]):
            catalog.put(holder, [folder(f"/{half.hex()}{n}", FileRow("f", 5, 1, 1, each))], event)
        rows = [FileRow(f"f{n}", 5, 1, 1, each) for n, each in enumerate(alike)]
        catalog.put(holder, [folder(f"/{half.hex()}", *rows)], event)
        for n, each in enumerate(alike):
            assert f"one:/{half.hex()}/f{n}" in where(catalog, each)
            assert len(where(catalog, each)) == (2 if n < 2 else 1)


def test_other_digests_are_kept_and_found(catalog: Catalog) -> None:
    holder = catalog.holder(Kind.DISK, "one")
    event = catalog.event("crawl", "/")
    catalog.put(holder, [folder("/", FileRow("x", 1, 1, 1, content(b"1", md5="aa")))], event)
    catalog.put(holder, [folder("/y", FileRow("x", 1, 1, 1, content(b"1", c4="c4x")))], event)
    with looking(catalog) as lookup:
        (found,) = lookup.content(content(b"1").xxh128)
        assert found.others == {"md5": "aa", "c4": "c4x"}
        assert lookup.with_digest("c4", "c4x") == (found,)


def test_an_archive_is_on_the_device_on_which_it_lies(catalog: Catalog) -> None:
    disk, archive = catalog.holder(Kind.DISK, "one"), catalog.holder(Kind.ARCHIVE, "id", "reel.zip")
    event = catalog.event("crawl", "/")
    catalog.put(archive, [folder("/", file("x", b"1"))], event)
    catalog.stands(archive, disk, "/archives/reel.zip")
    catalog.stands(archive, disk, "/archives/reel.zip")
    with looking(catalog) as lookup:
        (place,) = lookup.places(content(b"1"))
        assert lookup.devices(place) == {"one"}
        assert [(holder.identity, inner) for holder, inner in lookup.standing(archive)] == [("one", "/archives/reel.zip")]


NAMES = st.text(
    st.one_of(st.characters(exclude_categories=("Cs",), exclude_characters="\0/"), st.integers(0xDC80, 0xDCFF).map(chr)),
    min_size=1,
    max_size=6,
)


@given(NAMES)
def test_names_come_back(name: str) -> None:
    text = to_text(name)
    text.encode()
    assert from_text(text) == name


FOLDERS = st.sampled_from(["/", "/a", "/a/b", "/a/b/c", "/d"])
FOUND = st.dictionaries(NAMES, st.one_of(st.none(), st.binary(max_size=1)), max_size=4)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["one", "two"]), FOLDERS, FOUND, st.booleans()), max_size=8))
def test_it_is_what_a_dictionary_would_be(tmp_path: Path, steps: list[tuple[str, str, dict[str, bytes | None], bool]]) -> None:
    path = tmp_path / "twin.sqlite"
    for left in tmp_path.iterdir():
        left.unlink()
    twin: dict[tuple[str, str], dict[str, bytes | None]] = {}
    with Catalog.open(path) as catalog:
        holders = {name: catalog.holder(Kind.DISK, name) for name in ("one", "two")}
        event = catalog.event("crawl", "/")
        for disk, inner, found, alone in steps:
            rows = tuple(file(name, data) for name, data in found.items())
            catalog.put(holders[disk], [FolderRows(inner, None, rows, (), frozenset() if alone else None)], event)
            twin[disk, inner] = found
            if alone:  # what was below it is gone
                for other in list(twin):
                    if other[0] == disk and other[1] != inner and other[1].startswith(inner.rstrip("/") + "/"):
                        del twin[other]
        for disk in holders:
            expected = {
                f"{inner.rstrip('/')}/{name}": data
                for (on, inner), found in twin.items()
                if on == disk
                for name, data in found.items()
            }
            with looking(catalog) as lookup:
                rows_below = dict(lookup.files_below(holders[disk], "/"))
            assert {path: row.content for path, row in rows_below.items()} == {
                path: None if data is None else content(data) for path, data in expected.items()
            }
        for data in (b"", b"0", b"1"):
            expected_places = sorted(
                f"{on}:{inner.rstrip('/')}/{name}"
                for (on, inner), found in twin.items()
                for name, held in found.items()
                if held == data
            )
            assert sorted(where(catalog, content(data))) == expected_places


@pytest.mark.parametrize("query", ["CLIP", "clip", "Reel_1", "50%"])
def test_find_takes_words_as_they_are(catalog: Catalog, query: str) -> None:
    holder = catalog.holder(Kind.DISK, "one")
    event = catalog.event("crawl", "/")
    catalog.put(holder, [folder("/reel_1", file("a clip.mov", b"1")), folder("/reelx1", file("at 50%", b"2"))], event)
    with looking(catalog) as lookup:
        assert len(lookup.find(query)) == 1
