"""Every byte of an archive is accounted for."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from film_archive.archive.check import Kind, check_archive
from film_archive.archive.reader import ZipArchive
from film_archive.archive.repair import repair_archive
from film_archive.archive.writer import ZipWriter
from film_archive.core import files
from film_archive.core.errors import FilmArchiveError
from tests.archive.making import FIRST, SECOND, Layout, check, check_bytes, make_archive, noise, put


def undetected(layout: Layout, places: list[int]) -> list[int]:
    found = []
    for at in places:
        try:
            if check_bytes(layout.flipped(at)).ok:
                found.append(at)
        except FilmArchiveError:
            pass  # it does not even open
    return found


def test_a_whole_archive_is_whole(two_generations: Path) -> None:
    result = check(two_generations)
    assert result.ok
    assert result.files_read == 6


def test_each_flipped_byte_is_detected(two_generations: Path) -> None:
    layout = Layout(two_generations)
    places = layout.worth_flipping(gap_step=256)
    assert len(places) > 5000
    assert undetected(layout, places) == []


@pytest.mark.nightly
def test_each_flipped_byte_is_detected_in_gaps_too(two_generations: Path) -> None:
    layout = Layout(two_generations)
    assert undetected(layout, list(range(len(layout.data)))) == []


def test_each_cut_is_detected(two_generations: Path) -> None:
    data = two_generations.read_bytes()
    first_end = Layout(two_generations).superseded
    for length in [*range(0, len(data), 61), *range(len(data) - 300, len(data))]:
        if length == max(first_end) + 1:
            continue  # the first generation, whole
        try:
            result = check_bytes(data[:length])
        except FilmArchiveError:
            continue
        assert not result.ok, length


def test_bytes_behind_the_end_are_detected(two_generations: Path) -> None:
    data = two_generations.read_bytes()
    for junk in (b"\0", b"PK\5\6" + bytes(18), b"junk" * 1000):
        assert not check_bytes(data + junk).ok


# An add that was interrupted


@pytest.fixture
def interrupted(tmp_path: Path, appending: None, unsynced: None) -> Path:
    """An archive with bytes of an add behind its end, and the journal beside it."""
    path = make_archive(tmp_path / "archive.zip", FIRST)
    with ZipWriter.add_to(path) as archive:
        put(archive, SECOND)
        put(archive, {"day2/c.mov": noise(9000, 4)})
    assert files.temporary_name(path, "journal").exists()
    return path


def test_an_interrupted_add_is_told_from_damage(interrupted: Path) -> None:
    before = interrupted.read_bytes()
    result = check(interrupted)
    (problem,) = result.problems
    assert (problem.path, problem.kind, result.exit_status) == ("end", Kind.UNFINISHED, 12)
    assert "generation 1 before them is whole" in problem.what
    assert "repeat it" in problem.what
    assert "add --abandon" in problem.what
    assert "repair" not in problem.what
    assert interrupted.read_bytes() == before
    with ZipWriter.add_to(interrupted) as archive:
        put(archive, SECOND)
        put(archive, {"day2/c.mov": noise(9000, 4)})
        assert archive.reused == 2
        archive.finish()
    assert check(interrupted).ok


def test_a_copy_of_an_archive_in_mid_add(interrupted: Path, tmp_path: Path) -> None:
    """Cut anywhere behind the old end: the older generation is whole; of what is behind it whole originals are kept."""
    copy = tmp_path / "elsewhere" / "copy.zip"
    copy.parent.mkdir()
    whole = interrupted.read_bytes()
    with ZipArchive(interrupted) as archive:
        end = archive.directory.end.end
    first = whole.index(SECOND["day2/b.mov"], end) + len(SECOND["day2/b.mov"])
    for length in [end + 1, end + 100, end + 3000, end + 5000, (end + len(whole)) // 2, len(whole) - 1, len(whole)]:
        copy.write_bytes(whole[:length])
        result = check(copy)
        (problem,) = result.problems
        assert (problem.path, problem.kind) == ("end", Kind.UNFINISHED), length
        assert "generation 1 before them is whole" in problem.what
        repair_archive(copy)
        kept = "`repair` keeps the" in problem.what
        assert kept == (length >= first)
        assert check(copy).ok
        assert copy.read_bytes()[:end] == whole[:end]
        assert kept or len(copy.read_bytes()) == end


def test_an_add_that_goes_on_while_it_is_checked(interrupted: Path) -> None:
    """Its bytes come behind what is whole, and change nothing there."""
    with ZipArchive(interrupted) as archive:
        heard = []

        def adding(count: int) -> None:
            with interrupted.open("ab") as file:
                file.write(b"more" * 1000)
            heard.append(count)

        result = check_archive(archive, on_bytes=adding)
    assert len(heard) == 3
    assert [problem.kind for problem in result.problems] == [Kind.UNFINISHED]


def test_an_interrupted_add_behind_damage(interrupted: Path) -> None:
    data = bytearray(interrupted.read_bytes())
    data[data.index(FIRST["footage/a.mov"])] ^= 1
    interrupted.write_bytes(data)
    result = check(interrupted)
    assert [problem.kind for problem in result.problems] == [Kind.DAMAGED, Kind.UNFINISHED]
    assert "generation 1 before them has 1 problem" in result.problems[1].what
    assert result.exit_status == 11


def test_what_is_no_add_is_damage(tmp_path: Path, two_generations: Path) -> None:
    path = make_archive(tmp_path / "one.zip", FIRST)
    junk = tmp_path / "junk.zip"
    junk.write_bytes(path.read_bytes() + b"junk" * 1000)
    newer = tmp_path / "newer.zip"
    newer.write_bytes(two_generations.read_bytes()[:-10])
    for damaged in (junk, newer):
        result = check(damaged)
        assert {problem.kind for problem in result.problems} == {Kind.DAMAGED}
        assert "run `repair`" in result.problems[-1].what
        kept = damaged.read_bytes()
        repair_archive(damaged)
        assert check(damaged).ok
        assert damaged.read_bytes()[: len(kept) - 100] == kept[:-100]


# Names


@pytest.mark.parametrize(
    "names", [["a", "a/b"], ["a/b", "a"], ["A", "a/b/c"], ["x/a", "x/a/b"], ["a/b/c/d", "a/b"], ["ü", "U\u0308/b"]]
)
def test_a_file_and_a_folder_of_one_name(names: list[str]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name in names:
            made.writestr(name, b"x")
    result = check_bytes(buffer.getvalue())
    assert any("is a file, and the folder of" in problem.what for problem in result.problems)


@pytest.mark.parametrize("names", [["a/", "a/b"], ["a", "ab/c"], ["a/b", "a/c"], ["a/b/", "a/b/c", "a/"], ["a", "b/a"]])
def test_folders_that_are_only_folders(names: list[str]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name in names:
            made.writestr(name, b"x" if not name.endswith("/") else b"")
    assert check_bytes(buffer.getvalue()).ok


def test_problems_are_not_listed_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("film_archive.archive.check._MOST_PROBLEMS", 5)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for number in range(20):
            made.writestr(f"a/../{number}", b"x")
    result = check_bytes(buffer.getvalue())
    assert len(result.problems) == 6
    assert "more than these 5 problems" in result.problems[-1].what
