"""Parts of clips from tape: every container that is cut, image sequences by the files of their frames, sound, several sets."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from film_archive.catalog.catalog import Catalog
from film_archive.core.errors import NotFound, OutOfRange
from film_archive.core.source import FileSource
from film_archive.core.timecode import FrameRange, FrameRate, Timecode
from film_archive.media.cutting.opening import open_clip
from film_archive.media.probe import probe
from film_archive.tape.choosing import Choice
from film_archive.tape.ltfs.label import BLOCK_SIZE
from film_archive.tape.records import TapeRestored
from film_archive.tape.shelf import Shelf
from film_archive.testing.media import AudioSpec, ClipSpec, cached_clip
from film_archive.testing.stills import SequenceSpec, cached_sequence
from film_archive.testing.wave import WaveSpec, cached_wave
from film_archive.workflows.tape_finding import find_on_tape, query_of
from film_archive.workflows.tape_restore import RestoreWishes, apply_restoring, plan_restoring
from film_archive.workflows.taping import apply_set, holdings_of, plan_set_of
from tests.reading import assert_is_cut_of
from tests.tape.sets import QUICK, WISHES, make_files

FILM = FrameRate(24)
ONE = Timecode.from_string("01:00:00:00", FILM)
PLATE = SequenceSpec(name="sh020", frames=20, start=ONE, reel="A001", missing=(9,), first_number=1001, digits=4)
CLIPS = {
    "mov": ClipSpec(name="A001C001", frames=48, start=ONE, reel="A001", audio=(AudioSpec(),)),
    "mp4": ClipSpec(name="A001C002", codec="h264", container="mp4", frames=48, start=ONE, reel="A001", gop=1),
    "mxf": ClipSpec(name="A001C003", codec="dnxhr", profile="DNxHR SQ", container="mxf", frames=48, start=ONE, reel="A001"),
}


@pytest.fixture
def quick() -> Iterator[Path]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def shelf(quick: Path) -> Shelf:
    return Shelf(quick / "shelf")


def write(shelf: Shelf, folder: Path, catalog: Catalog | None = None, tape_id: str = "FILM") -> None:
    plan = plan_set_of(tape_id, [folder], WISHES, shelf, catalog)
    assert apply_set(plan, shelf, replace(QUICK, facts=True), catalog=catalog).exit_status == 0


def restore(shelf: Shelf, target: Path, wishes: RestoreWishes) -> TapeRestored:
    holdings = holdings_of(shelf, None)
    return apply_restoring(plan_restoring(holdings, wishes, target), holdings)


@pytest.mark.parametrize("container", CLIPS)
def test_a_range_of_every_container(shelf: Shelf, quick: Path, footage: Path, container: str) -> None:
    spec = CLIPS[container]
    original = cached_clip(spec, footage)
    (quick / "card").mkdir()
    shutil.copy2(original, quick / "card" / original.name)
    write(shelf, quick / "card")
    done = restore(shelf, quick / "out", RestoreWishes(start="01:00:00:20", duration="00:00:00:10", handles=2))
    [file] = done.files
    assert (done.exit_status, done.problems, Path(str(file.output)).name) == (0, (), f"{spec.name}_01000018.{container}")
    assert_is_cut_of(Path(str(file.output)), spec, original, FrameRange(18, 32))
    assert done.bytes_read <= original.stat().st_size


@pytest.mark.parametrize(
    ("start", "ends", "frames"),
    [
        ("01:00:00;10", {"duration": "00:00:01:00"}, FrameRange(10, 40)),
        ("01:00:00:10", {"end": "01:00:01:00"}, FrameRange(10, 30)),
        ("00:59:59;20", {"end": "01:00:00;05"}, FrameRange(0, 5)),
        ("00:59:59:28", {"duration": "7"}, FrameRange(0, 5)),
    ],
)
def test_timecode_is_read_as_the_clip_counts(
    shelf: Shelf, quick: Path, footage: Path, start: str, ends: dict[str, str], frames: FrameRange
) -> None:
    """Drop-frame, however it is written; a range may begin before the clip."""
    rate = FrameRate.of("29.97")
    spec = ClipSpec(name="B001C001", rate=rate, frames=60, reel="B001", start=Timecode.from_string("01:00:00;00", rate))
    original = cached_clip(spec, footage)
    (quick / "card").mkdir()
    shutil.copy2(original, quick / "card" / original.name)
    write(shelf, quick / "card")
    done = restore(shelf, quick / "out", RestoreWishes(start=start, **ends))  # type: ignore[arg-type]
    [file] = done.files
    assert done.exit_status == 0
    assert_is_cut_of(Path(str(file.output)), spec, original, frames)


def test_a_range_of_a_recording(shelf: Shelf, quick: Path, footage: Path) -> None:
    """Its own rate where it says one, else the caller's."""
    said = cached_wave(WaveSpec(name="S012T003", rate=FrameRate(25), start=Timecode.from_string("10:00:00:00", 25)), footage)
    silent = cached_wave(
        WaveSpec(name="S012T004", rate=FrameRate(25), start=Timecode.from_string("10:00:00:00", 25), ixml=False), footage
    )
    (quick / "sound").mkdir()
    for original in (said, silent):
        shutil.copy2(original, quick / "sound" / original.name)
    write(shelf, quick / "sound")
    wishes = RestoreWishes(start="10:00:00:05", end="10:00:00:10")
    done = restore(shelf, quick / "out", wishes)
    assert [(Path(str(file.output)).name, file.status) for file in done.files] == [("S012T003_10000005.wav", "restored")]
    assert (done.exit_status, [one.reason for one in done.failed]) == (
        12, ["sound/S012T004.wav does not say how many frames a second it has; give --rate."]
    )  # fmt: skip
    done = restore(shelf, quick / "rated", replace(wishes, rate="25"))
    assert (done.exit_status, len(done.files)) == (0, 2)
    for file, original in zip(sorted(done.files, key=lambda one: one.path), (said, silent), strict=True):
        with FileSource(original) as source:
            expected = open_clip(source, rate="25")
            expected.cut(FrameRange(5, 10), quick / original.name)
        assert Path(str(file.output)).read_bytes() == (quick / original.name).read_bytes()
        assert str(probe(Path(str(file.output)), rate="25").start_timecode) == "10:00:00:05"


@pytest.fixture
def plates(quick: Path, footage: Path) -> Path:
    folder = quick / "plates"
    folder.mkdir()
    for path in cached_sequence(PLATE, footage):
        shutil.copy2(path, folder / path.name)
    return folder


def test_a_range_of_a_sequence_reads_only_its_files(shelf: Shelf, plates: Path, quick: Path) -> None:
    write(shelf, plates)
    done = restore(shelf, quick / "out", RestoreWishes(start="01:00:00:04", end="01:00:00:07", handles=1))
    names = [f"sh020.{number}.dpx" for number in range(1004, 1009)]
    assert sorted(Path(file.path).name for file in done.files) == names
    assert {path.name: path.read_bytes() for path in (quick / "out/plates").iterdir()} == {
        name: (plates / name).read_bytes() for name in names
    }
    assert all(file.digest is not None for file in done.files)
    size = (plates / names[0]).stat().st_size
    assert done.bytes_read == len(names) * size < len(names) * BLOCK_SIZE * 2
    again = restore(shelf, quick / "out", RestoreWishes(start="01:00:00:06", duration="00:00:00:04"))
    assert sorted(file.status for file in again.files) == ["restored", "there", "there"]
    assert "1 frame is not on tape of plates/sh020.####.dpx, the first is number 1010." in again.problems
    with pytest.raises(OutOfRange, match="01:00:00:00, 20 frames"):
        restore(shelf, quick / "no", RestoreWishes(start="02:00:00:00", duration="1"))
    with pytest.raises(NotFound, match="no clip"):
        restore(shelf, quick / "no", RestoreWishes(Choice(("nothing*",)), start="1", duration="1"))


def test_a_sequence_is_known_without_its_cartridge(shelf: Shelf, plates: Path, quick: Path) -> None:
    with Catalog.open(quick / "catalog.sqlite") as catalog:
        write(shelf, plates, catalog)
        shutil.rmtree(shelf.folder)
        assert [one.path for one in find_on_tape(catalog, query_of(timecode="01:00:00:19")).found] == ["plates/sh020.1001.dpx"]
        assert not find_on_tape(catalog, query_of(timecode="01:00:00:20")).found
        holdings = holdings_of(shelf, None, catalog=catalog)
        plan = plan_restoring(holdings, RestoreWishes(start="01:00:00:02", duration="3"), quick / "out")
        assert [(one.path, one.cartridge) for one in plan.missing] == [
            (f"plates/sh020.{number}.dpx", "FA0001") for number in (1003, 1004, 1005)
        ]


def test_an_event_on_a_sequence(shelf: Shelf, plates: Path, quick: Path) -> None:
    write(shelf, plates)
    edl = quick / "cut.edl"
    edl.write_text(
        "TITLE: X\nFCM: NON-DROP FRAME\n\n001  A001     V     C        01:00:00:05 01:00:00:08 01:00:00:00 01:00:00:03\n"
        "* FROM CLIP NAME: sh020\n",
        "utf-8",
    )
    done = restore(shelf, quick / "out", RestoreWishes(edit_list=edl))
    assert sorted(Path(file.path).name for file in done.files) == [f"sh020.{number}.dpx" for number in (1006, 1007, 1008)]
    whole = restore(shelf, quick / "whole", RestoreWishes(edit_list=edl, whole=True))
    assert len(whole.files) == 19


def test_the_same_sequence_in_two_sets_is_two_clips(shelf: Shelf, plates: Path, quick: Path) -> None:
    write(shelf, plates)
    other = make_files(quick / "other" / "plates", {"notes": 3})
    for path in plates.iterdir():
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        (other / path.name).write_bytes(data)
    write(shelf, other, tape_id="OTHER")
    plan = plan_restoring(holdings_of(shelf, None), RestoreWishes(start="3", duration="2"), quick / "out")
    assert sorted((step.cartridge, Path(step.path).name) for step in plan.steps) == [
        (serial, f"sh020.{number}.dpx") for serial in ("FA0001", "FA0002") for number in (1004, 1005)
    ]


def test_a_clip_on_a_missing_cartridge_is_known_from_the_others(shelf: Shelf, quick: Path, footage: Path) -> None:
    day = make_files(quick / "day", {f"a/{number:04}.txt": 1 for number in range(560)})
    original = cached_clip(CLIPS["mov"], footage)
    shutil.copy2(original, day / original.name)
    (day / "a").rename(day / "z")  # the clip is first, on the first cartridge
    write(shelf, day)
    shutil.rmtree(shelf.folder / "FA0001")
    wishes = RestoreWishes(start="01:00:00:20", duration="00:00:00:10")
    plan = plan_restoring(holdings_of(shelf, "FILM"), wishes, quick / "out")
    [missing] = plan.missing
    assert (missing.path, missing.cartridge) == ("day/A001C001.mov", "FA0001")
    assert [(one.barcode, one.here) for one in plan.cartridges] == [("FA0001L8", False)]
