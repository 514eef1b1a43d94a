"""Sorting: nothing is lost, nothing leaves a master, what belongs together stays together, all can be undone."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from film_archive.catalog.catalog import Catalog
from film_archive.catalog.lookup import looking
from film_archive.catalog.rows import Content
from film_archive.core import devices
from film_archive.core.digest import MultiHasher
from film_archive.core.errors import NotFound, Refused, StorageError, UsageError
from film_archive.library import moves
from film_archive.library.crawler import crawl
from film_archive.library.dupe_finder import find_duplicates
from film_archive.library.sorter import Sorted, Sorter, apply_sort, as_planned, plan_sort, sort
from film_archive.library.undoing import note_moves, undo
from film_archive.testing import crash, faults
from film_archive.testing.faults import Kill
from tests.core.mounts import tmpfs
from tests.library.trees import snapshot, write

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs fork")


def run(root: Path, master: Path | None, quarantine: Path) -> Sorted:
    masters = [] if master is None else [master]
    return sort(lambda: plan_sort([root], masters=masters, quarantine=quarantine), quarantine)


def media(*folders: Path) -> Counter[bytes]:
    """The contents of all files, how often each is there; not our own."""
    return Counter(
        path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and ".film-archive" not in str(path)
    )


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def quarantined(quarantine: Path) -> set[str]:
    """Paths below the quarantine, without the job's folder."""
    return {name.partition("/")[2] for name in names(quarantine) if not name.startswith(".film-archive/")}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A master, and photographs of which some are in it."""
    write(tmp_path / "Archive", {"2019/a.mov": b"a" * 100, "2019/b.mov": b"b" * 100, "2019/twice.mov": b"a" * 100})
    write(tmp_path / "photos", {"x/a.mov": b"a" * 100, "x/new.mov": b"n" * 100, "y/b copy.mov": b"b" * 100, "y/e": b""})
    return tmp_path


def test_duplicates_of_a_master_go_and_keep_their_paths(place: Path) -> None:
    before, archive = media(place), snapshot(place / "Archive")
    done = run(place / "photos", place / "Archive", place / "duplicates")
    assert (done.exit_status, len(done.moved), done.units, done.bytes) == (0, 2, 2, 200)
    assert names(place / "photos") == {"x/new.mov", "y/e"}
    assert quarantined(place / "duplicates") == {f"{place}/photos/{name}"[1:] for name in ("x/a.mov", "y/b copy.mov")}
    assert snapshot(place / "Archive") == archive
    assert media(place) == before
    again = run(place / "photos", place / "Archive", place / "duplicates")
    assert (again.job, again.moved) == (None, ())


def test_undo_restores_the_tree_byte_for_byte(place: Path) -> None:
    before = snapshot(place)
    done = run(place / "photos", place / "Archive", place / "duplicates")
    assert undo(place / "duplicates", dry_run=True).moved
    undone = undo(place / "duplicates", done.job)
    assert {(move.to, move.from_) for move in undone.moved} == {(move.from_, move.to) for move in done.moved}
    assert (undone.failed, undone.exit_status) == ((), 0)
    shutil.rmtree(place / "duplicates")
    assert snapshot(place) == before
    with pytest.raises(NotFound):
        undo(place / "duplicates")


def test_nothing_leaves_a_master_whatever_way_leads_into_it(place: Path) -> None:
    """A master inside what is sorted, also by links and other names."""
    archive = snapshot(place / "Archive")
    (place / "photos/link").symlink_to(place / "Archive")
    (place / "way").symlink_to(place / "Archive/2019")
    done = sort(lambda: plan_sort([place], masters=[place / "way"], quarantine=place / "q"), place / "q")
    assert len(done.moved) == 2
    assert snapshot(place / "Archive") == archive
    done = sort(lambda: plan_sort([place / "Archive"], masters=[place / "Archive"], quarantine=place / "q"), place / "q")
    assert done.moved == ()
    with pytest.raises(Refused, match="in a master"):
        run(place / "photos", place / "Archive", place / "Archive/2019/q")
    with pytest.raises(Refused, match="in a master"):
        run(place / "photos", place / "Archive", place / "photos/link/q")
    with pytest.raises(NotFound, match="mounted"):
        run(place / "photos", place / "missing", place / "q")
    with pytest.raises(UsageError):
        run(place / "photos", None, place / "photos/y/e")
    assert snapshot(place / "Archive") == archive


def test_a_quarantine_inside_what_is_sorted_is_left_alone(place: Path) -> None:
    run(place / "photos", place / "Archive", place / "photos/q")
    again = run(place / "photos", place / "Archive", place / "photos/q")
    assert again.moved == ()
    assert {Path(name).name for name in quarantined(place / "photos/q")} == {"a.mov", "b copy.mov"}


def test_without_a_master_one_copy_stays(place: Path) -> None:
    kinds = set(media(place))
    run(place, None, place.parent / f"{place.name} q")
    assert media(place) == Counter(kinds)


CLIP = {"A001C001.mxf": b"essence", "A001C001M01.XML": b"<NonRealTimeMeta/>"}


def test_a_clip_moves_whole_or_not_at_all(tmp_path: Path) -> None:
    write(tmp_path / "master", CLIP)
    write(tmp_path / "other/whole", CLIP)
    write(tmp_path / "other/graded", {**CLIP, "A001C001.cdl": b"made since"})
    write(tmp_path / "other/alone", {"A001C001.mxf": b"essence"})
    done = run(tmp_path / "other", tmp_path / "master", tmp_path / "q")
    assert names(tmp_path / "other") == {f"graded/{name}" for name in (*CLIP, "A001C001.cdl")}
    assert [(stays.name, "A001C001.cdl" in stays.reason) for stays in done.stays] == [("A001C001.mxf", True)]


def test_sequences_and_spanned_clips_move_whole_or_not_at_all(tmp_path: Path) -> None:
    frames = {f"s.{n:04d}.dpx": b"frame %d" % n for n in range(1, 30)}
    parts = {f"A001_C001_0101AB_{n:03d}.R3D": b"part %d" % n for n in (1, 2, 3)}
    write(tmp_path / "master", {**frames, **parts})
    write(tmp_path / "other/same", {**frames, **parts})
    write(tmp_path / "other/changed", {**frames, "s.0007.dpx": b"painted", **parts, "A001_C001_0101AB_002.R3D": b"else"})
    done = run(tmp_path / "other", tmp_path / "master", tmp_path / "q")
    assert len(done.moved) == len(frames) + len(parts)
    assert names(tmp_path / "other") == {f"changed/{name}" for name in (*frames, *parts)}
    assert len(done.stays) == 2


def test_a_card_moves_whole_or_not_at_all(tmp_path: Path) -> None:
    card = {f"PRIVATE/M4ROOT/{name}": name.encode() for name in ("CLIP/C0001.MP4", "CLIP/C0001M01.XML", "MEDIAPRO.XML", "SUB/a")}
    write(tmp_path / "master/A001", {**card, "PRIVATE/M4ROOT/GENERAL/empty": b""})
    write(tmp_path / "other/A001", {**card, "PRIVATE/M4ROOT/GENERAL/empty": b""})
    write(tmp_path / "other/A001 again", {**card, "PRIVATE/M4ROOT/CLIP/C0002.MP4": b"another clip"})
    done = run(tmp_path / "other", tmp_path / "master", tmp_path / "q")
    assert done.units == 1
    assert len(done.moved) == 5
    assert names(tmp_path / "other") == {f"A001 again/{name}" for name in (*card, "PRIVATE/M4ROOT/CLIP/C0002.MP4")}
    assert [stays.name for stays in done.stays] == [str(tmp_path / "other/A001 again")]


def test_what_is_compared_is_the_bytes_right_before_the_move(place: Path) -> None:
    plan = plan_sort([place / "photos"], masters=[place / "Archive"], quarantine=place / "q")
    victim = place / "Archive/2019/b.mov"
    status = victim.stat()
    victim.write_bytes(b"B" * 100)
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))  # nothing tells of it but the bytes
    write(place, {"photos/x/a.mov": b"a" * 99 + b"A"}, mtime=1_600_000_000)
    before = snapshot(place / "photos")
    done = apply_sort(plan)
    assert (done.moved, {failure.status for failure in done.failed}, done.exit_status) == ((), {11}, 11)
    assert snapshot(place / "photos") == before


def test_a_name_that_is_taken_is_not_overwritten(place: Path) -> None:
    plan = plan_sort([place / "photos"], masters=[place / "Archive"], quarantine=place / "q")
    target = Path(plan.steps[0].moves[0].to)
    write(target.parent, {target.name: b"somebody else's"})
    done = apply_sort(plan)
    assert len(done.moved) == 1
    assert done.failed[0].status == 4
    assert target.read_bytes() == b"somebody else's"
    undone = undo(place / "q", plan.job)  # what was not moved is not moved back over what is there
    assert (len(undone.moved), len(undone.failed)) == (1, 1)
    assert names(place / "photos") == {"x/a.mov", "x/new.mov", "y/b copy.mov", "y/e"}


def test_undo_does_not_overwrite(place: Path) -> None:
    done = run(place / "photos", place / "Archive", place / "q")
    write(place / "photos", {"x/a.mov": b"made since"})
    undone = undo(place / "q", done.job)
    assert [Path(failure.path).name for failure in undone.failed] == ["a.mov"]
    assert undone.exit_status == 12
    assert (place / "photos/x/a.mov").read_bytes() == b"made since"
    (place / "photos/x/a.mov").unlink()
    assert undo(place / "q").failed == ()  # again, now that the place is free
    assert (place / "photos/x/a.mov").read_bytes() == b"a" * 100


def test_a_dry_run_changes_nothing_and_says_what_sorting_does(place: Path) -> None:
    before = snapshot(place)
    plan = plan_sort([place / "photos"], masters=[place / "Archive"], quarantine=place / "q")
    said = as_planned(plan)
    assert snapshot(place) == before
    read_back = type(plan).from_json(plan.to_json())
    assert read_back == plan
    done = apply_sort(read_back)
    assert (done.moved, done.bytes) == (said.moved, said.bytes)


def test_a_list_moves_what_it_says(place: Path) -> None:
    found = find_duplicates([place / "photos", place / "Archive"], masters=[place / "Archive"])
    wanted = [each for each in found.sets if Path(each.keep).read_bytes() == b"b" * 100]
    done = Sorter([place / "Archive"], place / "q", wanted).sort()
    assert [Path(move.from_).name for move in done.moved] == ["b copy.mov"]
    # what a list calls a duplicate and is none stays
    (each,) = find_duplicates([place / "photos", place / "Archive"]).sets
    (lie,) = [type(each).from_json({**each.to_json(), "duplicates": [str(place / "photos/x/new.mov")]})]
    assert Sorter([], place / "q", [lie]).sort().failed[0].status == 11


def test_a_hard_link_is_not_its_own_duplicate(place: Path) -> None:
    """Two names of one file: a list that calls them duplicates would leave one copy fewer than it seems."""
    os.link(place / "photos/x/new.mov", place / "photos/y/link.mov")
    assert all("new" not in move.from_ for move in run(place / "photos", None, place / "q").moved)
    sets = find_duplicates([place]).sets
    lie = type(sets[0])(
        digests=sets[0].digests, size=100, keep=str(place / "photos/x/new.mov"), why="",
        duplicates=(str(place / "photos/y/link.mov"),), proof="read",
    )  # fmt: skip
    assert Sorter([], place / "q", [lie]).sort().failed[0].status == 4


def test_the_catalog_is_told(place: Path) -> None:
    hasher = MultiHasher()
    hasher.update(b"a" * 100)
    frames = {f"s.{n:04d}.dpx": b"frame %d" % n for n in range(1, 5)}
    write(place / "Archive", frames)
    write(place / "photos/shot", frames)
    with Catalog.open(place / "c.sqlite") as catalog:
        crawl(catalog, [place / "photos", place / "Archive"])
        done = run(place / "photos", place / "Archive", place / "q")
        note_moves(catalog, done.moved)
        with looking(catalog) as lookup:
            inners = {p.inner for p in lookup.places(Content.of(100, hasher.digests()))}
            assert len(lookup.find("s.")) == 2
        top = devices.locate(place).inner
        assert inners == {f"{top}/Archive/2019/{name}" for name in ("a.mov", "twice.mov")} | {
            f"{top}/q/{done.job}{place}/photos/x/a.mov"
        }
        assert crawl(catalog, [place / "photos"]).hashed == 0


def test_to_another_device(place: Path) -> None:
    with tmpfs(place / "q", "size=4m") as quarantine:
        before = snapshot(place / "photos")
        done = run(place / "photos", place / "Archive", quarantine)
        assert len(done.moved) == 2
        assert names(place / "photos") == {"x/new.mov", "y/e"}
        undo(quarantine, done.job)
        assert snapshot(place / "photos") == before


def test_a_full_quarantine_stops_and_is_gone_on_with(place: Path) -> None:
    kinds = media(place)
    with faults.failing(0, errno.ENOSPC, names=("rename",), lasting=True), pytest.raises(StorageError):
        run(place / "photos", place / "Archive", place / "q")
    assert media(place) == kinds
    done = run(place / "photos", place / "Archive", place / "q")
    assert len(done.moved) == 2
    assert media(place) == kinds


def test_a_clip_of_which_a_part_moved_is_completed_or_put_back(tmp_path: Path) -> None:
    """Killed in the middle of a clip; then what is left of it changes."""
    write(tmp_path / "master", CLIP)
    write(tmp_path / "other", CLIP)
    plan = plan_sort([tmp_path / "other"], masters=[tmp_path / "master"], quarantine=tmp_path / "q")

    def killed() -> None:
        with faults.failing(1, Kill.BEFORE, names=("rename",)):
            apply_sort(plan)

    assert not crash.run(killed).finished
    assert names(tmp_path / "other") == {"A001C001M01.XML"}
    write(tmp_path / "other", {"A001C001M01.XML": b"<changed/>"}, mtime=1_600_000_000)
    done = run(tmp_path / "other", tmp_path / "master", tmp_path / "q")
    assert [failure.status for failure in done.failed] == [11]
    assert names(tmp_path / "other") == set(CLIP)


CONTENTS = st.dictionaries(
    st.sampled_from(["a.mov", "a.xml", "b/s.1.dpx", "b/s.2.dpx", "b/c.mov", "d/a.mov", "d/a.xml", "d/e"]),
    st.sampled_from([b"", b"1", b"2", b"3"]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CONTENTS, CONTENTS, CONTENTS)
def test_nothing_is_ever_lost(
    tmp_path: Path, master: dict[str, bytes], one: dict[str, bytes], inside: dict[str, bytes]
) -> None:
    place = Path(tempfile.mkdtemp(dir=tmp_path))
    for name, contents in (("m", master), ("r", one), ("r/m2", inside)):
        (place / name).mkdir()
        write(place / name, contents)
    before, protected = snapshot(place), [snapshot(place / "m"), snapshot(place / "r/m2")]
    kinds = media(place)
    plan = lambda: plan_sort([place / "r"], masters=[place / "m", place / "r/m2"], quarantine=place / "q")  # noqa: E731
    done = sort(plan, place / "q")
    assert done.failed == ()
    assert [snapshot(place / "m"), snapshot(place / "r/m2")] == protected
    assert media(place) == kinds
    assert {data for data in media(place / "m", place / "r") if data} == {data for data in kinds if data}
    if done.job is not None:
        assert undo(place / "q").failed == ()
        shutil.rmtree(place / "q")
    assert snapshot(place) == before


# Kills


def kill(tmp_path: Path, times: int, seed: int) -> None:
    place = tmp_path / "job"

    def prepare() -> None:
        shutil.rmtree(place, ignore_errors=True)
        write(place / "m", {**CLIP, "a": b"a" * 50_000, "b": b"b" * 50_000})
        write(place / "r/x", CLIP)
        write(place / "r", {"a": b"a" * 50_000, "z/b": b"b" * 50_000, "n": b"n"})

    prepare()
    original = snapshot(place / "m"), media(place)

    def whole() -> None:
        assert snapshot(place / "m") == original[0]
        there = media(place)
        assert all(there[data] == count for data, count in original[1].items())

    def complete() -> None:
        whole()
        assert names(place / "r") == {"n"}
        assert len(quarantined(place / "q")) == 4
        assert not list(place.rglob(".*film-archive-*"))

    work = lambda: run(place / "r", place / "m", place / "q")  # noqa: E731
    assert crash.kill_often(work, times, prepare=prepare, after_kill=whole, after_rerun=complete, seed=seed) >= times // 4

    prepare()
    before = snapshot(place)
    work()
    assert undo(place / "q").failed == ()
    shutil.rmtree(place / "q")
    assert snapshot(place) == before


@pytest.mark.ci
def test_killed_at_random_instants(tmp_path: Path) -> None:
    kill(tmp_path, 20, seed=1)


@pytest.mark.nightly
def test_killed_at_200_random_instants(tmp_path: Path) -> None:
    kill(tmp_path, 200, seed=2)


@pytest.mark.parametrize("across", [False, True])
def test_killed_at_each_system_call_and_undone(tmp_path: Path, across: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a sort is killed, `undo` restores the tree; and so when the undo is killed too."""
    if across:
        monkeypatch.setattr(moves, "move", across_devices)
    place = tmp_path / "job"
    wanted = {"m/a": b"a" * 9000, "r/x/a": b"a" * 9000, **{f"{d}/{name}": data for d in "mr" for name, data in CLIP.items()}}

    def prepare() -> dict[str, object]:
        shutil.rmtree(place, ignore_errors=True)
        return dict(snapshot(write(place, wanted)))

    prepare()
    with faults.counting() as calls:
        run(place / "r", place / "m", place / "q")
    for number in range(0, len(calls), 3):
        before = prepare()

        def sorting(number: int = number) -> None:
            with faults.failing(number, Kill.AFTER):
                run(place / "r", place / "m", place / "q")

        def undoing(number: int = number) -> None:
            with faults.failing(number // 2, Kill.BEFORE):
                undo(place / "q")

        crash.run(sorting)
        for work in (undoing, lambda: undo(place / "q")):
            with contextlib.suppress(NotFound, RuntimeError):  # where nothing had begun yet
                crash.run(work) if work is undoing else work()
        shutil.rmtree(place / "q", ignore_errors=True)
        assert snapshot(place) == before, (number, calls[number])


def across_devices(source: Path, target: Path) -> None:
    """As `move` does it where a rename can't."""
    from film_archive.core import copying, files

    if os.path.lexists(target):
        raise Refused("exists")
    copying._copy_across(source, target)
    files.remove(source, missing_ok=False)
    files.sync_folder(target.parent)


# The folder's rule


def test_nothing_under_library_unlinks() -> None:
    """A move across devices is `core/copying.move`, which removes the source after the copy was read back equal."""
    folder = Path(moves.__file__).parent
    forbidden = ("unlink", "rmtree", "files.remove(", "remove_tree", "os.remove", "os.rename", "os.replace", ".rmdir(")
    found = [
        f"{path.name}: {word}"
        for path in folder.glob("*.py")
        for word in forbidden
        # It removes the folder in which it has made a list, and lists of ours that no chain names: no media.
        if word in path.read_text("utf-8") and path.name != "chain_of_custody.py"
    ]
    assert found == []
