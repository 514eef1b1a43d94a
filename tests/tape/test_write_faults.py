"""Whole runs of `tape write` on drives that fail: at every operation once, cartridges that are pulled, end early, or lie.

After each the cartridge opens, all that it names is whole, nothing that was reported is lost, and the same run completes the set.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from film_archive.core.digest import digest_source
from film_archive.core.errors import Damaged, Refused, StorageError
from film_archive.core.source import FileSource
from film_archive.tape import volumes
from film_archive.tape.drives.address import DriveAddress, DriveKind
from film_archive.tape.drives.simulated import Fault, Faults, SimulatedCartridge, SimulatedDrive
from film_archive.tape.formats import MEDIA
from film_archive.tape.gathering import gather
from film_archive.tape.holdings import holding_of
from film_archive.tape.known_sets import kept_holdings
from film_archive.tape.ltfs.check import check_structure
from film_archive.tape.ltfs.volume import Volume
from film_archive.tape.records import FileStatus, TapeWritten
from film_archive.tape.set_planning import WriteWishes, plan_write, state_of
from film_archive.tape.shelf import Shelf
from film_archive.tape.volumes import OpenTape
from film_archive.tape.writing import apply_write
from tests.tape.making import BLOCK
from tests.tape.sets import QUICK, below, make_files

SIZES = {"a/1.mov": 3 * BLOCK, "a/2.mov": 10, "b/empty": 0, "b/4.wav": 2 * BLOCK + 9, "c": BLOCK}
TOO_SMALL = 2100
"""Blocks of a cartridge that has no room but for its lists."""
FAULTS = (Fault.ERROR, Fault.PULLED, Fault.POWER)


@dataclass
class Bay:
    """A drive whose cartridge can be changed; operations are counted over all times that it is opened."""

    cartridge: SimulatedCartridge
    faults: Mapping[int, Fault] = field(default_factory=dict)
    operations: list[str] = field(default_factory=list)

    def drive(self) -> SimulatedDrive:
        drive = SimulatedDrive(self.cartridge, faults=Faults(self.faults, kept=1))
        drive.operations = self.operations
        return drive


@dataclass
class Bench:
    bays: dict[str, Bay]
    shelf: Shelf
    day: Path

    def insert(self, place: str, blocks: int = 3000, serial: str = "FA0001") -> Bay:
        """A freshly formatted cartridge in a drive."""
        cartridge = SimulatedCartridge(blocks=(64, blocks), block_limit=64 << 10)
        with SimulatedDrive(cartridge) as drive, Volume.format(drive, serial, block_size=BLOCK):
            pass
        self.bays[place] = Bay(cartridge)
        return self.bays[place]

    def write(self, *places: str, verify: bool = False) -> TapeWritten:
        """What the verb does with drives."""
        drives = tuple(address(place) for place in places)
        wishes = WriteWishes(MEDIA["L8"], copies=len(drives), reserve=0)
        known = tuple(kept_holdings(self.shelf, "FILM", len(drives)))
        state = state_of(self.shelf, "FILM", len(drives), drives, known)
        plan = plan_write(self.shelf, "FILM", gather([self.day]), wishes, state=state)
        options = replace(QUICK, drives=drives, known=known, commit_every=2 * BLOCK, verify=verify, ring=1 << 20)
        return apply_write(plan, self.shelf, options)

    def found(self, place: str) -> dict[str, bytes]:
        """All files of a cartridge, each held against its digest."""
        files = {}
        with OpenTape(address(place)) as tape:
            for path, file in holding_of(tape).files.items():
                with tape.open_file(path) as source:
                    assert digest_source(source)["xxh128"] == file.digests["xxh128"]
                    files[path] = source.read_at(0, source.size)
        return files

    def assert_sound(self, place: str) -> None:
        with self.bays[place].drive() as drive:
            assert check_structure(drive).problems == ()


def address(place: str) -> DriveAddress:
    return DriveAddress(DriveKind.FILE, place)


@pytest.fixture
def bench(quick_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench({}, Shelf(quick_folder / "shelf"), make_files(quick_folder / "day", SIZES))
    monkeypatch.setattr(volumes, "FileBackedDrive", lambda folder, **_: made.bays[folder.name].drive())
    return made


def reported(done: TapeWritten) -> set[str]:
    return {file.path for file in done.files if file.status in (FileStatus.WRITTEN, FileStatus.THERE)}


def count_operations(bench: Bench, *places: str) -> int:
    for number, place in enumerate(places, 1):
        bench.insert(place, serial=f"FA000{number}")
    assert bench.write(*places).exit_status == 0
    return len(bench.bays[places[0]].operations)


def failing_once(bench: Bench, step: int, *places: str) -> None:
    everything = below(bench.day)
    for number in range(0, count_operations(bench, *places), step):
        for fault in FAULTS:
            for n, place in enumerate(places, 1):
                bench.insert(place, serial=f"FA000{n}")
            broken = bench.bays[places[-1]]
            broken.faults = {number: fault}
            said: set[str] = set()
            with contextlib.suppress(StorageError):
                said = reported(bench.write(*places))
            broken.faults = {}
            for place in places:
                before = bench.found(place)
                assert before.items() <= everything.items()
                assert said <= before.keys(), (number, fault)
            done = bench.write(*places, verify=True)
            assert (done.verified, done.exit_status, reported(done)) == (True, 0, everything.keys()), (number, fault)
            for place in places:
                assert bench.found(place) == everything
                bench.assert_sound(place)


def test_some_operations_of_a_run_fail_once(bench: Bench) -> None:
    failing_once(bench, 11, "drive")


def test_some_operations_of_one_of_two_copies_fail_once(bench: Bench) -> None:
    failing_once(bench, 29, "one", "two")


@pytest.mark.nightly
def test_every_operation_of_a_run_fails_once(bench: Bench) -> None:
    failing_once(bench, 1, "drive")


@pytest.mark.nightly
def test_every_operation_of_one_of_two_copies_fails_once(bench: Bench) -> None:
    failing_once(bench, 1, "one", "two")


def test_a_write_that_lied_is_told_when_it_is_read_back(bench: Bench) -> None:
    """Every record that a drive said it wrote, and can't read: a file's is told by its name."""
    count_operations(bench, "drive")
    names = bench.bays["drive"].operations
    told: set[str] = set()
    for number in (number for number, name in enumerate(names) if name == "write"):
        bench.insert("drive").faults = {number: Fault.BAD_RECORD}
        try:
            done = bench.write("drive", verify=True)
        except Damaged:  # an index: it is noticed when the cartridge is opened to be read back
            continue
        if done.verified:  # an index that a later one has replaced, or a list
            bench.bays["drive"].faults = {}
            assert bench.found("drive") == below(bench.day)
            continue
        assert done.exit_status == 11
        [bad] = (path for path in below(bench.day) if any(path in problem for problem in done.problems))
        told.add(bad)
    assert told == {path for path, data in below(bench.day).items() if data}


@pytest.mark.parametrize("blocks", range(2095, 2140, 5))
def test_a_cartridge_that_ends_anywhere(bench: Bench, blocks: int) -> None:
    """What does not fit goes to the next one; no file is on none or on both, and the full one is sound."""
    everything = below(bench.day)
    found: dict[str, bytes] = {}
    serials = iter(f"FA000{number}" for number in range(1, 10))
    statuses = []
    while True:
        bench.insert("drive", blocks, next(serials))
        if blocks < TOO_SMALL:
            with pytest.raises(Refused, match="use larger cartridges"):
                bench.write("drive")
            return
        done = bench.write("drive")
        here = bench.found("drive")
        assert not here.keys() & found.keys()
        assert {file.path for file in done.files if file.status is FileStatus.WRITTEN} == here.keys()
        found |= here
        bench.assert_sound("drive")
        statuses.append(done.exit_status)
        if not done.waits_for_cartridge:
            break
        assert done.exit_status == 12
    assert found == everything
    assert statuses[-1] == 0


def test_a_source_that_fails_is_told_and_the_rest_is_written(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.insert("drive")
    read_into = FileSource.read_into

    def failing(self: FileSource, offset: int, target: memoryview) -> int:
        if self.path.name == "1.mov":
            raise StorageError("The card can't be read.")
        return read_into(self, offset, target)

    monkeypatch.setattr(FileSource, "read_into", failing)
    done = bench.write("drive")
    assert done.exit_status == 12
    assert [(Path(one.path).name, one.status) for one in done.failed] == [("1.mov", 6)]
    assert bench.found("drive").keys() == below(bench.day).keys() - {"day/a/1.mov"}


def test_a_cartridge_that_was_formatted_anew_is_written_again(bench: Bench) -> None:
    """Its serial is known to have the files; what is in the drive is what counts."""
    bench.insert("drive")
    assert reported(bench.write("drive")) == below(bench.day).keys()
    bench.insert("drive")
    done = bench.write("drive", verify=True)
    assert (done.verified, bench.found("drive")) == (True, below(bench.day))


def test_what_earlier_cartridges_have_is_not_written_again(bench: Bench) -> None:
    bench.insert("drive")
    bench.write("drive")
    (bench.day / "new").write_bytes(b"new")
    bench.insert("drive", serial="FA0002")
    done = bench.write("drive", verify=True)
    assert (done.verified, done.exit_status) == (True, 0)
    assert bench.found("drive") == {"day/new": b"new"}
    assert done.cartridges[0].number == 2
