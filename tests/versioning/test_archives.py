"""Branching from archives: the quick way of reading a manifest's lines equals parsing them; borrowing, proving, adopting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from film_archive.archive.opened import Archive
from film_archive.archive.reader import open_archive
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, Refused
from film_archive.core.manifest import Header
from film_archive.core.member import Member
from film_archive.core.source import ByteSource
from film_archive.versioning import archives as module
from film_archive.versioning.adopting import adopt
from film_archive.versioning.archives import entries_of
from film_archive.versioning.export import export_entries
from film_archive.versioning.holdings import places_of, savings
from film_archive.versioning.repository import Repository
from tests.archive.making import contents, make_archive
from tests.versioning.making import LARGE, held, noise, unsync


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    unsync(monkeypatch)


class Lines(Archive):
    """An archive of which there is nothing but the lines of its manifest."""

    header = Header(archive_id="lines")
    path = Path("lines.zip")

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self.lines = [to_json(record) for record in records]

    def manifest_lines(self) -> tuple[int, Iterator[bytes]]:
        return 1, iter(self.lines)

    def members(self) -> Iterator[Member]:
        return self.parsed_lines(self.lines, 1)

    def member(self, path: str) -> Member:
        raise NotImplementedError

    def source(self, member: Member | str) -> ByteSource:
        raise NotImplementedError

    def close(self) -> None:
        pass


PARTS = st.sampled_from(
    ["a", "b.mov", "ü", ".hidden", "..", ".", "", "c d", 'q"', "back\\slash", "C:", "x:y", ".film-archive", "\x7f", "n\n"]
)
RECORDS = st.fixed_dictionaries(
    {
        "path": st.lists(PARTS, min_size=1, max_size=3).map("/".join),
        "role": st.sampled_from(["original", "original", "original", "proxy", "timeline", "folder"]),
        "size": st.sampled_from([0, 7, 1 << 40, 1 << 63]),
        "digests": st.sampled_from([{"xxh128": "0" * 31 + "1"}, {"xxh128": "ab" * 16, "md5": "cd" * 16}, {}, {"xxh128": "ab"}]),
        "crc32": st.just("01020304"),
        "mtime_ns": st.sampled_from([0, 1_600_000_000_123_456_789, -5, 1 << 63]),
        "mode": st.sampled_from([0o644, 0o100644, 1 << 16]),
    },
    optional={
        "raw_name": st.just("ff"),
        "target": st.just("somewhere"),
        "media": st.just({"codec": "dpx", "note": '"size":5'}),
        "sequence": st.just({"prefix": "a.", "digits": 4, "suffix": ".exr", "count": 0}),
        "offset": st.just(4096),
        "size_of": st.just(1),
    },
)


def outcome(archive: Archive) -> object:
    try:
        return entries_of(archive)
    except FilmArchiveError as error:
        return type(error), str(error)


@settings(max_examples=300, deadline=None)
@given(st.lists(RECORDS, max_size=4))
def test_the_quick_way_equals_parsing(records: list[dict[str, Any]]) -> None:
    archive = Lines(records)
    quick = outcome(archive)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_LINES", 1)
        assert quick == outcome(archive)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Lines, "manifest_lines", Archive.manifest_lines)
        assert quick == outcome(archive)


def test_lines_of_our_writer_go_the_quick_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_archive(tmp_path / "a.zip", {"footage/a.mov": b"a", "footage/b.mov": b"b"})
    monkeypatch.setattr(module, "_LINES", 1)
    parsed = []
    monkeypatch.setattr(module, "_entry_of", lambda member, archive: parsed.append(member.path))
    monkeypatch.setattr(module, "_refuse_clashes", lambda entries, name: None)
    with open_archive(path) as archive, pytest.raises(AttributeError):  # what could not go that way is None here
        entries_of(archive)
    assert set(parsed) == {"empty folder", "footage", "link"}


@pytest.mark.parametrize("paths", [["a/B.mov", "A/b.mov"], ["é", "e\u0301"], ["a", "a/b"], ["A", "a/b/c"], ["a.x", "a", "a/b"]])
def test_paths_that_can_not_be_in_one_tree_are_refused(paths: list[str]) -> None:
    record = {"role": "original", "size": 1, "digests": {"xxh128": "ab" * 16}, "crc32": "01020304", "mtime_ns": 0, "mode": 420}
    with pytest.raises(Refused, match="can't be branched from"):
        entries_of(Lines([{"path": path, **record} for path in paths]))


# Borrowing


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    make_archive(tmp_path / "master.zip", {"a.mov": LARGE, "b.mov": noise(3000, 5)})
    made = Repository(tmp_path / "repo")
    made.create_branch(tmp_path / "master.zip", "grade")
    return made


def export(repository: Repository, target: Path) -> int:
    return export_entries(repository.opened, repository.entries("grade"), target).unread


def test_bytes_are_proven_once_and_then_not_read_again(repository: Repository, tmp_path: Path) -> None:
    assert export(repository, tmp_path / "first.zip") == 0
    assert export(repository, tmp_path / "second.zip") == len(LARGE) + 3000
    assert (tmp_path / "second.zip").read_bytes() == (tmp_path / "first.zip").read_bytes()


def test_an_archive_that_was_written_to_is_proven_anew(repository: Repository, tmp_path: Path) -> None:
    export(repository, tmp_path / "first.zip")
    master = tmp_path / "master.zip"
    data = bytearray(master.read_bytes())
    data[data.index(LARGE) + 1000] ^= 1
    master.write_bytes(data)
    with pytest.raises(Damaged, match=r"a\.mov does not hold what its digest says; no archive was made"):
        export(repository, tmp_path / "second.zip")
    assert {place.name for place in tmp_path.glob("*zip*")} == {"master.zip", "first.zip"}


def test_adopted_bytes_need_no_archive(repository: Repository, tmp_path: Path) -> None:
    head = repository.opened.refs.named("grade").head
    done = adopt(repository.opened, repository.entries("grade", ["a.mov"]))
    assert (done.paths, done.bytes, done.missing) == (["a.mov"], len(LARGE), [])
    assert savings(repository.opened).borrowed == 3000
    (tmp_path / "master.zip").rename(tmp_path / "away.zip")
    assert adopt(repository.opened, repository.entries("grade")).missing == ["b.mov"]
    with pytest.raises(NotFound):
        export(repository, tmp_path / "out.zip")
    with pytest.raises(NotFound):
        held(repository.opened, "grade")
    repository.locate_archive(tmp_path / "away.zip")
    assert adopt(repository.opened, repository.entries("grade")).paths == ["b.mov"]
    (tmp_path / "away.zip").unlink()
    assert held(repository.opened, "grade") == {"a.mov": LARGE, "b.mov": noise(3000, 5)}
    export(repository, tmp_path / "out.zip")
    assert contents(tmp_path / "out.zip")["a.mov"] == LARGE
    assert repository.opened.refs.named("grade").head == head


def test_adopting_damaged_bytes_is_refused(repository: Repository, tmp_path: Path) -> None:
    master = tmp_path / "master.zip"
    data = bytearray(master.read_bytes())
    data[data.index(LARGE) + 1000] ^= 1
    master.write_bytes(data)
    with pytest.raises(Damaged, match="does not hold"):
        adopt(repository.opened, repository.entries("grade", ["a.mov"]))
    assert repository.opened.database.execute("SELECT * FROM adopted") == []


def test_where_a_content_is(repository: Repository, tmp_path: Path) -> None:
    branch = repository.branch_from("grade", "vfx")
    (tmp_path / "copy.mov").write_bytes(LARGE)
    repository.add_file(branch.id, tmp_path / "copy.mov", "copy.mov")
    repository.remove_file(branch.id, "a.mov")
    [wanted] = repository.entries("grade", ["a.mov"])
    found = {(place.branch, place.path, bool(place.archive)) for place in places_of(repository.opened, wanted)}
    assert found == {
        ("grade", "a.mov", True),
        ("vfx", "copy.mov", False),
        ("", "a.mov", True),  # the commit of vfx before it was removed there
    }
