"""Tapes with a catalog: duplicates, finding, dated results, lists of a shelf made again, imports, migration, parts of clips."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from film_archive.catalog.cartridges import Cartridges, TapeQuery
from film_archive.catalog.catalog import Catalog
from film_archive.core.digest import digest_source
from film_archive.core.errors import NotFound, OutOfRange, Refused, UsageError
from film_archive.core.source import FileSource
from film_archive.core.timecode import FrameRange, FrameRate, Timecode
from film_archive.library.crawler import crawl
from film_archive.media.probe import probe
from film_archive.tape.choosing import Choice
from film_archive.tape.formats import MEDIA
from film_archive.tape.ltfs.tree import DIGEST_KEYS, TapeAttribute
from film_archive.tape.records import FileStatus, RestorePlan, WritePlan
from film_archive.tape.shelf import Shelf
from film_archive.tape.verifying import Scrub
from film_archive.tape.volumes import OpenTape
from film_archive.testing.media import ClipSpec, cached_clip
from film_archive.versioning.repository import Repository
from film_archive.workflows import tape_page, tape_shelf
from film_archive.workflows.production import create_archive
from film_archive.workflows.tape_finding import find_on_tape, query_of
from film_archive.workflows.tape_import import import_cartridges
from film_archive.workflows.tape_listing import list_cartridges
from film_archive.workflows.tape_migration import apply_migration, plan_migration
from film_archive.workflows.tape_restore import RestoreWishes, apply_restoring, plan_restoring
from film_archive.workflows.taping import (
    apply_set,
    format_tape,
    holdings_of,
    plan_format,
    plan_set_of,
    verify_cartridges,
)
from tests.reading import frame_bytes
from tests.tape.sets import QUICK, WISHES, below, make_files, on_shelf

CLIP = ClipSpec(
    name="A001C001", width=320, height=180, frames=96, start=Timecode.from_string("01:00:00:00", FrameRate(24)), reel="A001"
)


@pytest.fixture
def quick() -> Iterator[Path]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def catalog(quick: Path) -> Iterator[Catalog]:
    with Catalog.open(quick / "catalog.sqlite") as opened:
        yield opened


@pytest.fixture
def shelf(quick: Path) -> Shelf:
    return Shelf(quick / "shelf")


@pytest.fixture
def day(quick: Path, footage: Path) -> Path:
    folder = make_files(quick / "day", {"sound/T1.txt": 600_000, "notes <b>&.txt": 9})
    shutil.copy2(cached_clip(CLIP, footage), folder / "A001C001.mov")
    return folder


def write(shelf: Shelf, day: Path, catalog: Catalog | None = None, tape_id: str = "FILM") -> None:
    plan = plan_set_of(tape_id, [day], WISHES, shelf, catalog)
    assert apply_set(plan, shelf, replace(QUICK, facts=True), catalog=catalog).exit_status == 0


def test_a_plan_can_be_read_back_and_applied(shelf: Shelf, day: Path) -> None:
    plan = plan_set_of("FILM", [day], WISHES, shelf)
    again = WritePlan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    apply_set(again, shelf, QUICK)
    assert on_shelf(shelf) == {"FA0001": below(day)}
    holdings = holdings_of(shelf, "FILM")
    restore = plan_restoring(holdings, RestoreWishes(), day.parent / "out")
    assert RestorePlan.from_json(json.loads(json.dumps(restore.to_json()))) == restore


def test_duplicates_are_named_and_can_be_left_out(shelf: Shelf, day: Path, catalog: Catalog) -> None:
    crawl(catalog, [day])
    write(shelf, day, catalog)
    again = plan_set_of("MORE", [day], WISHES, shelf, catalog)
    assert (again.duplicates, {step.on_tape for step in again.steps if step.kind == "file"}) == (3, {("FA0001",)})
    assert [one.volser for one in again.cartridges] == ["FA0002"]
    less = plan_set_of("MORE", [day], replace(WISHES, skip_duplicates=True), shelf, catalog)
    assert (less.cartridges, less.duplicates, less.duplicate_bytes) == ((), 3, sum(map(len, below(day).values())))


def test_finding_without_the_tapes(shelf: Shelf, day: Path, catalog: Catalog) -> None:
    write(shelf, day, catalog)
    write(shelf, make_files(day.parent / "other", {"only here": 5}), catalog, "OTHER")
    write(shelf, day, catalog, "COPY")
    shutil.rmtree(shelf.folder)
    with FileSource(day / "A001C001.mov") as source:
        digests = digest_source(source, ("xxh128", "sha256"))

    def paths(**query: object) -> list[tuple[str, str]]:
        found = find_on_tape(catalog, query_of(**query)).found  # type: ignore[arg-type]
        return [(one.cartridge, one.path) for one in found]

    both = [("FA0001", "day/A001C001.mov"), ("FA0003", "day/A001C001.mov")]
    assert paths(text="a001") == both
    assert paths(digest=digests["xxh128"]) == paths(digest=digests["sha256"]) == both
    assert paths(timecode="01:00:03:23") == paths(reel="a001") == both
    assert paths(timecode="01:00:04:00") == paths(text="nothing") == paths(until="1990-01-01") == []
    assert len(paths(since="2000-01-01")) == 7
    assert paths(fewer_than=2) == paths(text="only", fewer_than=2) == [("FA0002", "other/only here")]
    assert paths(text="day", tape_id="OTHER") == []
    for bad in ({}, {"digest": "xyz"}, {"since": "soon"}):
        with pytest.raises(UsageError):
            query_of(**bad)  # type: ignore[arg-type]


def test_results_are_dated_and_scrubs_go_on(shelf: Shelf, day: Path, catalog: Catalog) -> None:
    write(shelf, day, catalog)
    read: set[str] = set()
    for _ in range(6):  # three files and three lists, of which the catalog keeps no results
        done = verify_cartridges(shelf, ["FA0001"], Scrub(budget=0.0), catalog=catalog)
        read |= {file.path for file in done.files if file.status is FileStatus.OK}
        assert sum(file.status is FileStatus.OK for file in done.files) == 1
        if read >= set(below(day)):
            break
    whole = verify_cartridges(shelf, [], catalog=catalog)
    assert (whole.exit_status, {file.status for file in whole.files}) == (0, {FileStatus.OK})
    assert all(one.verified for one in find_on_tape(catalog, TapeQuery()).found)


def test_damage_is_found(shelf: Shelf, day: Path, catalog: Catalog) -> None:
    write(shelf, day, catalog)
    with OpenTape(shelf.find("FA0001")) as tape:
        files = dict(tape.files())
    block = files["day/sound/T1.txt"].extents[0].start_block
    record = shelf.folder / "FA0001" / f"1_{block}_R"
    data = bytearray(record.read_bytes())
    data[100] ^= 1
    record.write_bytes(data)
    done = verify_cartridges(shelf, ["FA0001L8"], catalog=catalog)
    assert done.exit_status == 11
    assert [file.path for file in done.files if file.status is FileStatus.DIFFERS] == ["day/sound/T1.txt"]
    assert not next(one for one in find_on_tape(catalog, TapeQuery("T1.txt")).found).verified


def test_an_older_copy_of_a_cartridge_is_noticed(shelf: Shelf, day: Path, catalog: Catalog) -> None:
    write(shelf, day, catalog)
    shutil.copytree(shelf.folder / "FA0001", shelf.folder.parent / "older")
    write(shelf, make_files(day.parent / "more", {"x": 1}), catalog)
    shutil.rmtree(shelf.folder / "FA0001")
    shutil.move(shelf.folder.parent / "older", shelf.folder / "FA0001")
    done = verify_cartridges(shelf, [], catalog=catalog)
    assert done.exit_status == 11
    assert "what was written since is lost" in done.problems[0]
    assert [one.path for one in find_on_tape(catalog, TapeQuery("more")).found] == ["more/x"]


def test_a_lost_catalog_is_made_again(shelf: Shelf, day: Path, catalog: Catalog, quick: Path) -> None:
    write(shelf, day, catalog)
    tape_shelf.put_cartridges(catalog, shelf, ["FA0001"], "out", "with Ann")
    tape_shelf.put_cartridges(catalog, shelf, ["FA0001L8"], "vault", "shelf 3")
    before = tape_shelf.everything(catalog)
    with Catalog.open(quick / "new.sqlite") as again:
        entered = tape_shelf.enter_shelf(again, shelf)
        assert (entered.cartridges, entered.files, entered.locations, entered.exit_status) == (("FA0001L8",), 3, 2, 0)
        assert tape_shelf.everything(again) == before
        assert [one.place for one in tape_shelf.locations_of(again, ["FA0001"]).locations] == ["out", "vault"]
        assert tape_shelf.enter_shelf(again, shelf).locations == 2
        assert len(tape_shelf.locations_of(again, ["FA0001"]).locations) == 2
    with pytest.raises(NotFound):
        tape_shelf.put_cartridges(catalog, shelf, ["NOSUCH"], "vault")


def test_every_generation_of_an_index_is_kept(shelf: Shelf, day: Path, catalog: Catalog, quick: Path) -> None:
    write(shelf, day, catalog)
    write(shelf, make_files(day.parent / "more", {"x": 1}), catalog)
    cartridges = Cartridges(catalog)
    [known] = cartridges.all()
    numbers = [number for number, _ in cartridges.generations(known.holder)]
    assert len(numbers) == 2
    assert numbers[-1] == known.row.generation
    tape_shelf.write_index(catalog, "FA0001", quick / "index.xml")
    with OpenTape(shelf.find("FA0001")) as tape:
        assert (quick / "index.xml").read_bytes() == tape.raw_index()
    with pytest.raises(Refused):
        tape_shelf.write_index(catalog, "FA0001", quick / "index.xml")
    with pytest.raises(NotFound, match="it has"):
        tape_shelf.write_index(catalog, "FA0001", quick / "x.xml", 99)


def test_foreign_cartridges_by_their_lists(shelf: Shelf, day: Path, catalog: Catalog, quick: Path) -> None:
    write(shelf, day, catalog)
    lists = quick / "lists"
    lists.mkdir()
    tape_shelf.write_index(catalog, "FA0001", lists / "ABC123L8.xml")
    (lists / "old.csv").write_text(f"Barcode,Path,Bytes,xxh128\nXYZ001L6,a/b.mov,10,{7:032x}\nXYZ002L6,c.mov,5,\n", "utf-8")
    (lists / "QQQ001.md5").write_text("d41d8cd98f00b204e9800998ecf8427e  reel/e.mov\n", "utf-8")
    (lists / "bad.xml").write_text("<ltfsindex", "utf-8")
    with Catalog.open(quick / "new.sqlite") as other:
        done = import_cartridges(other, [lists])
        assert sorted(done.cartridges) == ["ABC123L8", "QQQ001", "XYZ001L6", "XYZ002L6"]
        assert [Path(failure.path).name for failure in done.failed] == ["bad.xml"]
        assert (done.exit_status, done.files) == (12, 6)
        assert [one.barcode for one in find_on_tape(other, query_of(timecode="01:00:01:00")).found] == ["ABC123L8"]
        assert [one.path for one in find_on_tape(other, query_of(digest=f"{7:032x}")).found] == ["a/b.mov"]
        listed = list_cartridges(Shelf(quick / "none"), ["XYZ001L6"], catalog=other)
        assert [(file.path, file.size) for file in listed.files] == [("a/b.mov", 10)]
        holdings = holdings_of(Shelf(quick / "none"), None, catalog=other)
        missing = plan_restoring(holdings, RestoreWishes(Choice(("A001C001.mov",))), quick / "out").missing
        assert [(one.path, one.cartridge) for one in missing] == [("day/A001C001.mov", "ABC123")]


def test_migration_copies_and_proves(shelf: Shelf, day: Path, catalog: Catalog) -> None:
    plan = plan_set_of("OLD", [day], WISHES, shelf)
    apply_set(plan, shelf, replace(QUICK, algorithms=("md5", "xxh128"), facts=True))
    with OpenTape(shelf.find("FA0001"), writable=True) as tape:
        assert tape.volume is not None
        tape.volume.set_attributes("day/sound/T1.txt", [TapeAttribute(DIGEST_KEYS["md5"], b"0" * 32)])
        tape.commit()
    wishes = replace(WISHES, medium=MEDIA["L9"])
    migration = plan_migration(shelf, [shelf.find("FA0001")], "NEW", wishes, catalog=catalog)
    done = apply_migration(migration, shelf, QUICK, catalog=catalog)
    assert on_shelf(shelf)["FA0002"] == below(day)
    assert (done.exit_status, done.verified) == (11, False)
    assert {file.path for file in done.files if file.status is FileStatus.DIFFERS} == {"day/sound/T1.txt"}
    with OpenTape(shelf.find("FA0002")) as tape:
        assert tape.barcode == "FA0002L9"
        files = dict(tape.files())
        assert {"md5", "sha256", "xxh128"} <= set(files["day/A001C001.mov"].digests)
        assert files["day/A001C001.mov"].attribute("film_archive.clip") is not None
    assert [one.barcode for one in find_on_tape(catalog, query_of(timecode="01:00:01:00")).found] == ["FA0002L9"]


def test_a_range_reads_only_its_extents(shelf: Shelf, day: Path) -> None:
    write(shelf, day)
    holdings = holdings_of(shelf, "FILM")
    wishes = RestoreWishes(start="01:00:02:00", duration="00:00:00:12", handles=2)
    plan = plan_restoring(holdings, wishes, day.parent / "out")
    [step] = plan.steps
    assert (step.first_frame, step.frames) == (46, 16)
    done = apply_restoring(plan, holdings)
    [report] = done.files
    assert report.output is not None
    cut = Path(report.output)
    facts = probe(cut)
    assert (cut.name, facts.frames, str(facts.start_timecode), facts.reel) == ("A001C001_01000122.mov", 16, "01:00:01:22", "A001")
    with FileSource(cut) as made, FileSource(day / "A001C001.mov") as original:
        assert frame_bytes(made, FrameRange(0, 16)) == frame_bytes(original, FrameRange(46, 62))
    assert {file.status for file in apply_restoring(plan, holdings).files} == {FileStatus.THERE}
    with pytest.raises(OutOfRange, match="01:00:00:00, 96 frames"):
        plan_restoring(holdings, RestoreWishes(start="02:00:00:00", end="02:00:01:00"), day.parent / "out")
    for wrong in ({"start": "01:00:00:00"}, {"end": "01:00:00:00"}, {"start": "1", "end": "2", "edit_list": day}):
        with pytest.raises(UsageError):
            RestoreWishes(**wrong)  # type: ignore[arg-type]


def test_the_media_of_an_edit_list(shelf: Shelf, day: Path) -> None:
    write(shelf, day)
    edl = day.parent / "cut.edl"
    edl.write_text(
        "TITLE: X\nFCM: NON-DROP FRAME\n\n"
        "001  A001     V     C        01:00:01:00 01:00:02:00 01:00:00:00 01:00:01:00\n"
        "002  B002     V     C        05:00:02:00 05:00:04:00 01:00:01:00 01:00:03:00\n",
        "utf-8",
    )
    holdings = holdings_of(shelf, None)
    plan = plan_restoring(holdings, RestoreWishes(edit_list=edl), day.parent / "out")
    assert [(step.path, step.first_frame, step.frames) for step in plan.steps] == [("day/A001C001.mov", 24, 24)]
    done = apply_restoring(plan, holdings)
    assert (done.exit_status, len(done.failed)) == (12, 1)
    whole = plan_restoring(holdings, RestoreWishes(edit_list=edl, whole=True), day.parent / "whole")
    assert [(step.path, step.frames) for step in whole.steps] == [("day/A001C001.mov", None)]


def test_a_branch_goes_on_tape(shelf: Shelf, day: Path, quick: Path) -> None:
    create_archive(quick / "day.zip", [day], proxies=())
    repository = Repository(quick / "repo")
    repository.create_branch(quick / "day.zip", "main")
    repository.close()
    plan = plan_set_of("FILM", [f"{quick / 'repo'}@main"], WISHES, shelf)
    assert apply_set(plan, shelf, QUICK).exit_status == 0
    assert on_shelf(shelf)["FA0001"] == {f"main/{path}": data for path, data in below(day).items()}


def test_the_page_has_everything_and_runs_nothing_from_names(shelf: Shelf, day: Path, catalog: Catalog, quick: Path) -> None:
    (day / "<!--<script>alert(1)").write_bytes(b"x")
    create_archive(quick / "day.zip", [day], proxies=("thumbnail",))
    write(shelf, day, catalog)
    made = tape_page.write_page(catalog, quick / "shelf.html", title="<Shelf>", pictures=[quick / "day.zip"])
    text = (quick / "shelf.html").read_text("utf-8")
    assert (made.files, made.cartridges, made.parts) == (4, 1, 0)
    assert text.count("<script>") == text.count("</script>") == 2
    assert "http" not in re.sub(r"http-equiv", "", text)
    found = re.search(r"shelfRows\(0,(\[.*\])\);", text)
    assert found is not None
    assert {row[0] for row in json.loads(found[1])} == set(below(day))
    large = tape_page.write_page(catalog, quick / "large.html", most=1)
    assert (Path(large.page), large.parts) == (quick / "large" / "index.html", 1)
    assert "alert" not in (quick / "large" / "index.html").read_text("utf-8")
    assert (quick / "large" / "data" / "00000.js").read_text("utf-8").startswith("shelfRows(0,[")
    tape_page.write_page(catalog, quick / "large.html", most=1)
    (quick / "taken").mkdir()
    (quick / "taken" / "film").touch()
    with pytest.raises(Refused):
        tape_page.write_page(catalog, quick / "taken.html", most=1)
    assert tape_shelf.write_csv(catalog, quick / "x.csv") == 4


def test_formatting_asks_before_it_erases(shelf: Shelf, day: Path) -> None:
    done = format_tape(plan_format(shelf, MEDIA["L8"], serial="ABC001", name="Show", capacity=WISHES.capacity))
    assert (done.barcode, done.name) == ("ABC001L8", "Show")
    with pytest.raises(Refused, match="not blank"):
        format_tape(plan_format(shelf, MEDIA["L8"], serial="ABC001"))
    again = format_tape(plan_format(shelf, MEDIA["L8"], serial="ABC001", erase=True))
    assert again.uuid != done.uuid
    with pytest.raises(UsageError):
        plan_format(shelf, MEDIA["L8"], serial="short")
