"""Writing sets: one read for all copies, over cartridges, gone on with after kills and failures, with lists on each."""

from __future__ import annotations

import hashlib
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from film_archive.core.errors import Damaged, NotFound, NotSupported, Refused, UsageError
from film_archive.tape.cartridge_lists import LISTED
from film_archive.tape.drives.address import DriveAddress, DriveKind
from film_archive.tape.drives.cartridge_config import MIB, new_config, read_config, write_config
from film_archive.tape.drives.file_backed import FileBackedDrive
from film_archive.tape.formats import MEDIA
from film_archive.tape.holdings import holding_of
from film_archive.tape.ltfs.check import check_structure
from film_archive.tape.records import FileStatus
from film_archive.tape.set_manifest import read_manifest
from film_archive.tape.shelf import Shelf
from film_archive.tape.volumes import Membership, OpenTape
from film_archive.tape.writing import apply_write
from film_archive.testing import crash
from film_archive.testing.faults import Kill, counting, failing
from tests.tape.sets import CAPACITY, QUICK, WISHES, below, make_files, on_shelf, plan, write

NAMES = ("open", "pwrite", "fsync", "replace", "rename", "unlink")


@pytest.fixture
def shelf(quick_folder: Path) -> Shelf:
    return Shelf(quick_folder / "shelf")


@pytest.fixture
def day(quick_folder: Path) -> Path:
    sizes = {"A001/A001C001.mov": 1_200_000, "A001/A001C002.mov": 10, "empty": 0, "sound/T1.wav": 600_000}
    folder = make_files(quick_folder / "day", sizes)
    (folder / "nothing here").mkdir()
    (folder / "link").symlink_to("A001/A001C001.mov")
    return folder


def test_what_is_on_tape_is_what_was_on_disk(shelf: Shelf, day: Path) -> None:
    done = write(shelf, [day], options=replace(QUICK, verify=True, algorithms=("xxh128", "sha256", "md5")))
    assert (done.verified, done.problems, done.failed, done.exit_status) == (True, (), (), 0)
    assert on_shelf(shelf) == {"FA0001": below(day)}
    assert {file.path: file.status for file in done.files} == dict.fromkeys(below(day), FileStatus.WRITTEN)
    with OpenTape(shelf.find("FA0001L8")) as tape:
        assert tape.membership == Membership("FILM", 1, 1)
        assert tape.volume is not None
        file = tape.volume.tree.file("day/A001/A001C001.mov")
        data = (day / "A001/A001C001.mov").read_bytes()
        assert file.digests["sha256"] == hashlib.sha256(data).hexdigest()
        assert file.digests["md5"] == hashlib.md5(data).hexdigest()
        assert file.times.modified == (day / "A001/A001C001.mov").stat().st_mtime_ns
        assert tape.volume.tree.file("day/link").target == "A001/A001C001.mov"
        assert tape.volume.tree.node("day/nothing here").children == {}
    with FileBackedDrive(shelf.folder / "FA0001", writable=False) as drive:
        assert check_structure(drive).ok


def test_every_cartridge_has_the_lists_of_its_set(shelf: Shelf, quick_folder: Path) -> None:
    day = make_files(quick_folder / "day", {f"{number:04}.mov": 1 + number for number in range(700)})
    done = write(shelf, [day])
    assert [(one.volser, one.number) for one in done.cartridges] == [("FA0001", 1), ("FA0002", 2)]
    assert sum(one.files for one in done.cartridges) == 700
    for number, serial in enumerate(("FA0001", "FA0002"), 1):
        with OpenTape(shelf.find(serial)) as tape:
            paths = dict(tape.files())
            with tape.open_file(".film-archive-tape/set-0001.jsonl") as source:
                header, entries = read_manifest(source.read_at(0, source.size).splitlines(True), "manifest")
                listed = {entry.path: entry for entry in entries}
            assert (header.tape_id, header.volser, header.number, header.files) == ("FILM", serial, number, 700)
            assert header.planned == 2
            assert set(listed) == set(below(day))
            here = [path for path in paths if path.startswith("day/")]
            assert {listed[path].number for path in here} == {number}
            assert all(listed[path].digests == paths[path].digests for path in here)
            [history] = [path for path in paths if path.endswith(".mhl")]
            with tape.open_file(history) as source:
                text = source.read_at(0, source.size).decode()
            assert text.count("<hash>") == len(here)
            assert all(paths[path].digests["xxh128"] in text for path in here)
            assert any(one.key == LISTED for one in tape.root_attributes)


def test_two_copies_are_written_from_one_read(shelf: Shelf, day: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from film_archive.tape import writing

    opened: list[str] = []
    opener = writing.open_source
    monkeypatch.setattr(writing, "open_source", lambda step: opened.append(step.path) or opener(step))
    done = write(shelf, [day], replace(WISHES, copies=2))
    assert sorted(opened) == sorted(below(day))
    assert on_shelf(shelf) == {"FA0001": below(day), "FA0002": below(day)}
    assert [(one.volser, one.copy) for one in done.cartridges] == [("FA0001", 1), ("FA0002", 2)]
    assert [member.membership.copy for member in shelf.members("FILM")] == [1, 2]


def test_a_set_is_gone_on_with(shelf: Shelf, day: Path, quick_folder: Path) -> None:
    write(shelf, [day])
    assert [file.status for file in write(shelf, [day]).files] == [FileStatus.THERE] * 4
    more = make_files(quick_folder / "more", {"x": 10, "y": 20})
    done = write(shelf, [day, more])
    assert {file.path for file in done.files if file.status is FileStatus.WRITTEN} == set(below(more))
    assert on_shelf(shelf) == {"FA0001": {**below(day), **below(more)}}
    with OpenTape(shelf.find("FA0001")) as tape:
        own = sorted(path for path, _ in tape.files() if path.startswith((".film", "ascmhl")))
        assert [path.partition("_2")[0] for path in own] == [
            ".film-archive-tape/set-0001.jsonl", ".film-archive-tape/set-0002.jsonl", "ascmhl/0001_FA0001", "ascmhl/0002_FA0001",
            "ascmhl/ascmhl_chain.xml",
        ]  # fmt: skip


def test_nothing_on_tape_is_replaced(shelf: Shelf, day: Path) -> None:
    write(shelf, [day])
    before = on_shelf(shelf)
    (day / "empty").write_bytes(b"no longer")
    with pytest.raises(Refused, match="nothing on tape is ever replaced"):
        plan(shelf, [day])
    assert on_shelf(shelf) == before


def test_what_can_not_be_read_is_left_out_and_told(shelf: Shelf, day: Path) -> None:
    made = plan(shelf, [day])
    (day / "A001/A001C002.mov").write_bytes(b"changed since")
    (day / "sound/T1.wav").unlink()
    done = apply_write(made, shelf, QUICK)
    assert sorted(failure.status for failure in done.failed) == [3, 11]
    assert done.exit_status == 12
    assert set(on_shelf(shelf)["FA0001"]) == {"day/A001/A001C001.mov", "day/empty"}


def test_a_cartridge_that_ends_early_sends_the_file_to_the_next(shelf: Shelf, quick_folder: Path) -> None:
    """The plan thinks that cartridges take more than they do, as with bad spots on a real one."""
    day = make_files(quick_folder / "day", {f"{number}.mov": 60 * MIB for number in range(6)})
    made = plan(shelf, [day], replace(WISHES, reserve=0))
    assert len(made.cartridges) == 2
    small = replace(made, steps=tuple(replace(step, cartridge=1) for step in made.steps))
    done = apply_write(small, shelf, replace(QUICK, commit_every=64 * MIB, verify=True))
    assert done.verified
    found = on_shelf(shelf)
    assert len(found) == 2
    assert {path: data for files in found.values() for path, data in files.items()} == below(day)
    assert all(not set(found["FA0001"]) & set(found["FA0002"]) for _ in found)


def test_a_drive_that_is_full_asks_for_the_next_cartridge(shelf: Shelf, quick_folder: Path) -> None:
    day = make_files(quick_folder / "day", {f"{number:04}": 1 for number in range(700)})
    for serial in ("AAA001", "AAA002", "AAA003"):
        shelf.make(serial, new_config(MEDIA["L8"], CAPACITY)).close()
    first, second = (DriveAddress(DriveKind.FILE, str(shelf.folder / serial)) for serial in ("AAA001", "AAA002"))
    known: list[object] = []
    from film_archive.tape.gathering import gather
    from film_archive.tape.set_planning import plan_write, state_of

    def run(drive: DriveAddress) -> tuple[bool, int]:
        state = state_of(shelf, "FILM", 1, [drive], known)  # type: ignore[arg-type]
        made = plan_write(shelf, "FILM", gather([day]), WISHES, state=state)
        done = apply_write(made, shelf, replace(QUICK, drives=(drive,), known=tuple(known)))  # type: ignore[arg-type]
        with OpenTape(drive) as tape:
            known.append(holding_of(tape))
        return done.waits_for_cartridge, done.exit_status

    assert run(first) == (True, 12)
    assert run(second) == (False, 0)
    found = on_shelf(shelf)
    assert {**found["AAA001"], **found["AAA002"]} == below(day)
    assert not set(found["AAA001"]) & set(found["AAA002"])
    other = replace(plan(shelf, [day], tape_id="OTHER"), tape_id="OTHER")
    with pytest.raises(Refused, match="is number 1 of copy 1 of FILM"):
        apply_write(other, shelf, replace(QUICK, drives=(first,)))
    with pytest.raises(UsageError, match="as many drives"):
        apply_write(other, shelf, replace(QUICK, drives=(first, second)))


def test_split_files_are_marked(shelf: Shelf, quick_folder: Path) -> None:
    day = make_files(quick_folder / "day", {"big.mov": 300 * MIB, "small": 5})
    with pytest.raises(Refused, match=r"too many.*--split"):
        plan(shelf, [day])
    write(shelf, [day], replace(WISHES, split=True))
    found = {path: data for files in on_shelf(shelf).values() for path, data in files.items()}
    whole = (day / "big.mov").read_bytes()
    assert found["day/big.mov-LTFSseg1"] + found["day/big.mov-LTFSseg2"] == whole
    with OpenTape(shelf.find("FA0002")) as tape:
        part = dict(tape.files())["day/big.mov-LTFSseg2"]
        assert part.attribute("ltfs.spannedFileOffset") == str(len(found["day/big.mov-LTFSseg1"])).encode()
        assert part.attribute("film_archive.whole") == str(len(whole)).encode()


def test_two_jobs_do_not_meet(shelf: Shelf, day: Path) -> None:
    write(shelf, [day])
    before = on_shelf(shelf)
    with OpenTape(shelf.find("FA0001")), pytest.raises(Refused, match="used by another job"):
        write(shelf, [make_files(day.parent / "more", {"x": 1})])
    assert on_shelf(shelf) == before


def test_write_protected_cartridges_stay_as_they_are(shelf: Shelf, day: Path) -> None:
    write(shelf, [day])
    folder = shelf.folder / "FA0001"
    write_config(folder, replace(read_config(folder), write_protected=True))
    before = on_shelf(shelf)
    with pytest.raises(Refused, match="write-protected"):
        write(shelf, [make_files(day.parent / "more", {"x": 1})])
    assert on_shelf(shelf) == before


def test_missing_cartridges_of_a_shelf_are_said(shelf: Shelf) -> None:
    with pytest.raises(NotFound, match="There is no cartridge"):
        shelf.find("FA0001")


# Kills


def _work(shelf: Shelf, day: Path, reported: Path) -> None:
    done = write(shelf, [day], replace(WISHES, copies=2), replace(QUICK, commit_every=600_000))
    reported.write_text("\n".join(file.path for file in done.files))


def _kill_at(numbers: list[int], shelf: Shelf, day: Path) -> None:
    reported = shelf.folder.parent / "reported"
    for number in numbers:
        shutil.rmtree(shelf.folder, ignore_errors=True)

        def killed(number: int = number) -> None:
            with failing(number, Kill.AFTER, names=NAMES):
                _work(shelf, day, reported)

        assert not crash.run(killed).finished
        everything = below(day)
        for files in on_readable(shelf).values():
            assert files.items() <= everything.items(), number
        _work(shelf, day, reported)
        found = on_shelf(shelf)
        assert list(found.values()) == [everything, everything], number
        for serial in found:
            with FileBackedDrive(shelf.folder / serial, writable=False) as drive:
                assert check_structure(drive).ok, number


def on_readable(shelf: Shelf) -> dict[str, dict[str, bytes]]:
    """What a kill left. Only a cartridge that was being formatted, and has nothing on it, can't be opened."""
    found = {}
    for folder in sorted(shelf.folder.iterdir()):
        if not (folder / "filedebug_tc_conf.xml").exists():
            continue
        try:
            found |= on_shelf_one(folder)
        except (NotSupported, Damaged):
            assert not (folder / "1_7_R").exists()
    return found


def on_shelf_one(folder: Path) -> dict[str, dict[str, bytes]]:
    with OpenTape(DriveAddress(DriveKind.FILE, str(folder))) as tape:
        files = {}
        for path in holding_of(tape).files:
            with tape.open_file(path) as source:
                files[path] = source.read_at(0, source.size)
        return {tape.serial: files}


def _instants(shelf: Shelf, day: Path, count: int) -> list[int]:
    with counting(NAMES) as calls:
        _work(shelf, day, shelf.folder.parent / "reported")
    return sorted(random.Random(7).sample(range(len(calls)), min(count, len(calls))))


@pytest.mark.ci
def test_killed_at_20_random_instants(shelf: Shelf, day: Path) -> None:
    _kill_at(_instants(shelf, day, 20), shelf, day)


@pytest.mark.nightly
def test_killed_at_200_random_instants(shelf: Shelf, day: Path) -> None:
    _kill_at(_instants(shelf, day, 200), shelf, day)
