"""Repair: the newest whole generation is the archive again, no member's byte is changed, nothing dropped comes back."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from film_archive.archive import layout
from film_archive.archive.reader import ZipArchive
from film_archive.archive.repair import diagnose, repair_archive
from film_archive.archive.verdict import Kind
from film_archive.archive.writer import ZipWriter
from film_archive.core import files
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, NotSupported, Refused
from film_archive.core.member import Role
from film_archive.core.source import MemorySource
from tests.archive.making import (
    FIRST,
    SECOND,
    Layout,
    check,
    contents,
    leftovers,
    make_archive,
    make_two_generations,
    noise,
    put,
)

PROXY = layout.proxy_path("footage/a.mov", "thumbnail")


def mend(path: Path, data: bytes) -> bytes:
    path.write_bytes(data)
    repair_archive(path)
    result = check(path)
    assert result.ok, result
    assert not leftovers(path)
    return path.read_bytes()


def test_a_whole_archive_is_left_alone(two_generations: Path) -> None:
    before = two_generations.read_bytes()
    result = repair_archive(two_generations)
    assert (result.done, result.lost, result.generation) == ((), (), 2)
    assert two_generations.read_bytes() == before


def mend_flips(path: Path, layout_: Layout, places: list[int]) -> None:
    whole = contents(path)
    for at in places:
        if at in layout_.payloads:
            continue
        mended = mend(path, layout_.flipped(at))
        if at in layout_.manifest or at in layout_.superseded:
            # What it said is lost, or it can't be had again: but all members are there, and all is accounted for.
            assert contents(path) == whole, at
        else:
            assert mended == layout_.data, at


def test_flips_outside_payloads_are_mended(two_generations: Path) -> None:
    structure = Layout(two_generations)
    places = [at for at in structure.worth_flipping(gap_step=512) if at not in structure.payloads]
    mend_flips(two_generations, structure, [*places[::7], *range(len(structure.data) - 400, len(structure.data))])


@pytest.mark.nightly
def test_each_flip_outside_payloads_is_mended(two_generations: Path) -> None:
    structure = Layout(two_generations)
    mend_flips(two_generations, structure, structure.worth_flipping(gap_step=64))


def test_a_flip_in_a_payload_is_not_touched(two_generations: Path) -> None:
    structure = Layout(two_generations)
    at = sorted(structure.payloads)[300]
    two_generations.write_bytes(structure.flipped(at))
    result = repair_archive(two_generations)
    assert result.done == ()
    assert two_generations.read_bytes() == structure.flipped(at)
    assert [problem.path for problem in check(two_generations).problems] == ["footage/a.mov"]


def test_the_plan_says_what_is_done_and_does_nothing(two_generations: Path) -> None:
    structure = Layout(two_generations)
    at = max(structure.manifest) + 20  # in the directory
    two_generations.write_bytes(structure.flipped(at))
    assert diagnose(two_generations).would == ("build the directory from the manifest of generation 2",)
    assert two_generations.read_bytes() == structure.flipped(at)


def test_a_lost_manifest_keeps_every_member_and_what_an_older_one_knew(two_generations: Path) -> None:
    structure = Layout(two_generations)
    with ZipArchive(two_generations) as archive:
        known = archive.member("footage/a.mov").changed(proxies=None)
    mend(two_generations, structure.flipped(min(structure.manifest) + 100))
    with ZipArchive(two_generations) as archive:
        assert archive.header is not None
        assert archive.header.generation == 3  # the second's number is not used again
        assert archive.member("footage/a.mov").changed(proxies=None) == known
        assert archive.member("day2/b.mov").mtime_ns == 1_600_000_000 * 10**9
        assert archive.member("link").target == "footage/a.mov"


def test_lost_facts_are_named(two_generations: Path) -> None:
    structure = Layout(two_generations)
    two_generations.write_bytes(structure.flipped(min(structure.manifest) + 100))
    result = repair_archive(two_generations)
    assert [problem.path for problem in result.lost] == [layout.MANIFEST]
    assert "2 members" in result.lost[0].what


@pytest.mark.parametrize("lost", ["directory", "manifest", "both"])
def test_what_was_dropped_does_not_come_back(two_generations: Path, lost: str) -> None:
    data, places = bytearray(two_generations.read_bytes()), Layout(two_generations)
    assert b"old proxy " * 20 in data  # its bytes are still in the file
    if lost != "directory":
        data[min(places.manifest) + 100] ^= 1
    if lost != "manifest":
        del data[max(places.manifest) + 1 :]
    two_generations.write_bytes(data)
    assert repair_archive(two_generations).done
    found = contents(two_generations)
    assert found.keys() >= {*FIRST, *SECOND}
    assert b"old proxy " * 20 not in found.values()


@pytest.mark.parametrize("step", [37, pytest.param(1, marks=pytest.mark.nightly)])
def test_cut_archives_give_a_generation_or_whole_members(two_generations: Path, step: int) -> None:
    data = two_generations.read_bytes()
    new = contents(two_generations)
    first_end = max(Layout(two_generations).superseded) + 1
    two_generations.write_bytes(data[:first_end])
    old = contents(two_generations)
    assert old[PROXY] != new[PROXY]
    for length in range(0, len(data), step):
        two_generations.write_bytes(data[:length])
        try:
            repair_archive(two_generations)
        except FilmArchiveError:
            assert two_generations.read_bytes() == data[:length]
            continue
        assert check(two_generations).ok, length
        found = contents(two_generations)
        if found in (old, new):
            continue
        assert PROXY not in found
        if length < first_end:
            assert found.items() <= old.items(), length
        else:  # whole originals of the second generation, which may be all there is of them
            lasting = {name: data for name, data in old.items() if not layout.is_own(name)}
            assert lasting.items() <= found.items() <= (old | new).items(), length
            assert "day2/b.mov" in found, length


def test_bytes_behind_that_are_no_unfinished_add_are_never_cut_off(tmp_path: Path, appending: None) -> None:
    """The second generation's manifest and directory are lost: its members are not taken for an unfinished add."""
    path = make_two_generations(tmp_path / "archive.zip")
    structure = Layout(path)
    broken = bytearray(structure.data)
    broken[min(structure.manifest) + 100] ^= 1
    broken[max(structure.manifest) + 10] ^= 1
    broken[-60] ^= 1  # the end record
    path.write_bytes(broken)
    result = repair_archive(path)
    assert check(path).ok
    found = contents(path)
    assert found["day2/b.mov"] == SECOND["day2/b.mov"]
    assert FIRST.items() <= found.items()
    assert PROXY not in found
    assert any("left out" in problem.what for problem in result.lost)
    assert result.lost[0].path == layout.MANIFEST
    assert "of the headers" in result.lost[0].what


@pytest.mark.parametrize("ours", [True, False])
def test_another_zip_behind_an_archive_is_never_cut_off(tmp_path: Path, ours: bool) -> None:
    """As `cat one.zip two.zip` makes it: neither `repair` nor the next add takes the second for an unfinished add."""
    path = make_archive(tmp_path / "one.zip", FIRST)
    other = tmp_path / "two.zip"
    if ours:
        make_archive(other, SECOND)
    else:
        with zipfile.ZipFile(other, "w") as foreign:
            foreign.writestr("day2/b.mov", SECOND["day2/b.mov"])
    both = path.read_bytes() + other.read_bytes()
    path.write_bytes(both)
    (problem,) = check(path).problems
    assert problem.kind == Kind.DAMAGED
    with pytest.raises(Damaged, match="run `repair`"):
        ZipWriter.add_to(path)
    assert path.read_bytes() == both
    result = repair_archive(path)
    assert path.read_bytes().startswith(both)
    assert check(path).ok
    assert contents(path).items() >= FIRST.items()
    if ours:
        assert any("another archive begins here" in problem.what for problem in result.lost)


def test_a_damaged_generation_is_not_rolled_back_by_an_add(two_generations: Path) -> None:
    structure = Layout(two_generations)
    broken = bytearray(structure.data)
    broken[-60] ^= 1
    two_generations.write_bytes(broken)
    with pytest.raises(Damaged, match="run `repair`"):
        ZipWriter.add_to(two_generations)
    assert two_generations.read_bytes() == broken
    assert not leftovers(two_generations)


def test_an_unfinished_add_is_cut_off(tmp_path: Path, appending: None) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    before = path.read_bytes()
    with ZipWriter.add_to(path) as archive:
        put(archive, SECOND)
    assert path.stat().st_size > len(before)
    result = repair_archive(path)
    assert len(result.done) == 2
    assert path.read_bytes() == before
    assert not leftovers(path)


def test_of_an_unfinished_add_of_a_copy_whole_originals_are_kept(tmp_path: Path, appending: None) -> None:
    """Without the journal it can't be told from a finished generation of which the end is missing: no media is thrown away."""
    path = make_archive(tmp_path / "archive.zip", FIRST)
    with ZipWriter.add_to(path) as archive:
        put(archive, SECOND)
        first = path.stat().st_size
        put(archive, {"day2/c.mov": noise(9000, 4)})
    whole = path.read_bytes()
    copy = tmp_path / "copies" / "archive.zip"
    copy.parent.mkdir()
    for length in (first, len(whole) - 10):
        copy.write_bytes(whole[:length])
        (problem,) = check(copy).problems
        assert (problem.kind, "`repair` keeps the 1 whole file there" in problem.what) == (Kind.UNFINISHED, True)
        with pytest.raises(Damaged, match="run `repair`"):
            ZipWriter.add_to(copy)
        assert copy.read_bytes() == whole[:length]
        result = repair_archive(copy)
        assert "of the headers" in result.lost[0].what
        assert check(copy).ok
        assert contents(copy)["day2/b.mov"] == SECOND["day2/b.mov"]
        add_day3(copy)


def test_an_unfinished_add_of_a_copy_without_a_whole_original_is_cut_off(tmp_path: Path, appending: None) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    before = path.read_bytes()
    with ZipWriter.add_to(path) as archive:
        put(archive, SECOND)
    copy = tmp_path / "copies" / "archive.zip"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes()[: len(before) + 1000])
    repair_archive(copy)
    assert copy.read_bytes() == before
    copy.write_bytes(path.read_bytes()[: len(before) + 1000])
    add_day3(copy)  # and so does the next add


def add_day3(path: Path) -> None:
    with ZipWriter.add_to(path) as archive:
        put(archive, {"day3": b"3"})
        archive.finish()
    assert check(path).ok
    assert "day3" in contents(path)


def test_repair_waits_for_nobody(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    with ZipWriter.add_to(path) as archive:
        put(archive, SECOND)
        with pytest.raises(Refused, match="Another process"):
            repair_archive(path)
        archive.finish()
    assert check(path).ok


def test_what_is_no_archive_is_left_alone(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.zip"
    with zipfile.ZipFile(foreign, "w") as made:
        made.writestr("a", b"a" * 5000)
    movie = tmp_path / "a.mov"
    movie.write_bytes(noise(100_000))
    empty = tmp_path / "empty"
    empty.touch()
    for path, error in ((foreign, NotSupported), (movie, Damaged), (empty, Damaged), (tmp_path / "none", NotFound)):
        before = path.read_bytes() if path.exists() else None
        with pytest.raises(error):
            repair_archive(path)
        assert (path.read_bytes() if path.exists() else None) == before
    assert {place.name for place in tmp_path.iterdir()} == {"foreign.zip", "a.mov", "empty"}


def test_members_that_another_program_added_are_not_overwritten(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    with zipfile.ZipFile(path, "a") as other:
        other.writestr("added", b"by another program" * 100)
    altered = path.read_bytes()
    assert not check(path).ok
    assert contents(path)["added"] == b"by another program" * 100
    with pytest.raises(NotSupported, match="altered by another program"):
        repair_archive(path)
    assert path.read_bytes() == altered


def test_a_directory_that_another_program_wrote_is_sealed_again(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    before = path.read_bytes()
    with zipfile.ZipFile(path, "a") as other:
        other.comment = b"seen by another program"
    assert not check(path).ok
    repair_archive(path)
    assert path.read_bytes() == before


@pytest.mark.skipif(not shutil.which("zip"), reason="needs Info-ZIP's zip")
def test_an_archive_from_which_another_program_deleted(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    subprocess.run(["zip", "-qd", str(path), "footage/a.mov"], check=True)
    assert not check(path).ok
    found = contents(path)
    assert "footage/a.mov" not in found
    assert found["footage/ü.wav"] == FIRST["footage/ü.wav"]


def test_repair_mends_a_folders_manifest_from_its_copy(tmp_path: Path) -> None:
    from film_archive.archive.folder import FolderWriter

    folder = tmp_path / "folder"
    folder.mkdir()
    with FolderWriter.create(folder) as archive:
        archive.add_bytes("a.mov", b"media", identity="1", role=Role.ORIGINAL)
        archive.finish()
    whole = (folder / layout.MANIFEST).read_bytes()
    for name in (layout.MANIFEST, layout.MANIFEST_COPY):
        for damage in (whole[:-1], whole[:50] + b"X" + whole[51:], b"", None):
            if damage is None:
                files.remove(folder / name)
            else:
                (folder / name).write_bytes(damage)
            assert "write the" in diagnose(folder).would[0]
            assert repair_archive(folder).done
            assert (folder / name).read_bytes() == whole
            assert check(folder).ok
    assert repair_archive(folder).done == ()
    (folder / layout.MANIFEST).write_bytes(b"")
    (folder / layout.MANIFEST_COPY).write_bytes(b"")
    with pytest.raises(Damaged, match=r"Move \.film-archive away"):
        repair_archive(folder)


def test_dropped_members_are_own_data_only(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    with ZipWriter.add_to(path) as archive, pytest.raises(Refused, match="never dropped"):
        archive.drop("footage/a.mov")
    assert check(path).ok
    assert not leftovers(path)


def test_a_hundred_generations(tmp_path: Path, appending: None, unsynced: None) -> None:
    path = make_archive(tmp_path / "archive.zip", {})
    for day in range(100):
        with ZipWriter.add_to(path) as archive:
            archive.add(f"day{day}", MemorySource(b"%d" % day), identity="1")
            archive.finish()
    assert check(path).ok
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(data)
    repair_archive(path)
    assert check(path).ok
    assert len(contents(path)) == 101


@pytest.mark.parametrize("way", ["sealed", "manifest", "directory", "headers"])
def test_a_destroyed_format_mark_is_written_anew(tmp_path: Path, way: str) -> None:
    """Its bytes are the same in every archive; whichever way leads back to the others, it comes back with them."""
    path = make_archive(tmp_path / "archive.zip", FIRST)
    data = bytearray(path.read_bytes())
    start = data.index(layout.FORMAT_TEXT)
    data[start + 20 : start + len(layout.FORMAT_TEXT)] = bytes(len(layout.FORMAT_TEXT) - 20)
    places = Layout(path)
    if way == "manifest":
        del data[-10:]
    elif way == "directory":
        data[min(places.manifest) + 5] ^= 1
    elif way == "headers":
        data[min(places.manifest) + 5] ^= 1
        del data[-10:]
    path.write_bytes(data)
    assert any("format mark" in would for would in diagnose(path).would) or way != "sealed"
    result = repair_archive(path)
    assert any("format mark" in done for done in result.done), result
    assert check(path).ok
    assert path.read_bytes()[start : start + len(layout.FORMAT_TEXT)] == layout.FORMAT_TEXT
    assert contents(path).keys() >= FIRST.keys()
    assert repair_archive(path).done == ()


@pytest.mark.parametrize("damage", [None, b"", b"film-archive 1\nsomething else"])
def test_a_folder_s_format_mark_is_written_anew(tmp_path: Path, damage: bytes | None) -> None:
    from film_archive.archive.folder import FolderWriter

    folder = tmp_path / "folder"
    folder.mkdir()
    with FolderWriter.create(folder) as archive:
        archive.add_bytes("a.mov", b"media", identity="1", role=Role.ORIGINAL)
        archive.finish()
    mark = folder / layout.FORMAT
    if damage is None:
        mark.unlink()
    else:
        mark.write_bytes(damage)
    assert not check(folder).ok
    assert diagnose(folder).would == ("write the format mark anew",)
    assert repair_archive(folder).done == ("Wrote the format mark anew.",)
    assert check(folder).ok
    assert repair_archive(folder).done == ()


@pytest.mark.parametrize("lost", ["directory and manifest", "manifest"])
def test_members_of_any_time_are_found_by_their_headers(tmp_path: Path, lost: str) -> None:
    """Times that no header can tell: before 1901, before 1980, behind 2038, behind 2107."""
    path = tmp_path / "archive.zip"
    seconds = (-4_000_000_000, -(1 << 31) - 1, -(1 << 31), -1, 315_532_800, (1 << 31) - 1, 1 << 31, 5_000_000_000)
    members = {f"{number}.mov": noise(100 + number, number) for number in range(len(seconds))}
    with ZipWriter.create(path) as archive:
        for (name, data), mtime in zip(members.items(), seconds, strict=True):
            archive.add(name, MemorySource(data, name), identity=name, mtime_ns=mtime * 10**9)
        archive.finish()
    with ZipArchive(path) as archive:
        assert archive.manifest_entry is not None
        offset = archive.manifest_entry.header_offset
    data = bytearray(path.read_bytes())
    if lost == "manifest":
        data[offset + 100] ^= 0xFF
    else:
        del data[offset:]
    path.write_bytes(data)
    result = repair_archive(path)
    assert {problem.path for problem in result.lost} == {layout.MANIFEST}
    assert contents(path).items() >= members.items()
    assert check(path).ok
    with ZipArchive(path) as archive:
        found = {member.path: member.mtime_ns for member in archive.members()}
    before, last = (-(1 << 31) - 1) * 10**9, 4_354_819_198 * 10**9
    kept = [before, before, *(second * 10**9 for second in seconds[2:-1]), last]
    assert [found[name] for name in members] == kept
