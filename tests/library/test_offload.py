"""Offloading: verbatim, proven, whole or not there at all; gone on with after a kill; `ascmhl` agrees."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from film_archive.catalog.catalog import Catalog
from film_archive.catalog.lookup import looking
from film_archive.core import files
from film_archive.core.digest import MultiHasher
from film_archive.core.errors import NotFound, Refused, StorageError, UsageError
from film_archive.library import fan_out, mhl
from film_archive.library.offload import Offloaded, apply_offload, as_planned, offload, plan_offload
from film_archive.library.safety import is_safe
from film_archive.testing import crash, faults
from film_archive.testing.faults import Kill
from tests.core.mounts import image, tmpfs
from tests.library.trees import snapshot, write
from tests.shared import shared

CARD = {
    "PRIVATE/M4ROOT/CLIP/C0001.MP4": b"clip 1" * 3000,
    "PRIVATE/M4ROOT/CLIP/C0001M01.XML": b"<NonRealTimeMeta/>",
    "PRIVATE/M4ROOT/CLIP/C0002.MP4": b"clip 2" * 30,
    "PRIVATE/M4ROOT/GENERAL/empty.bin": b"",
    os.fsdecode("PRIVATE/M4ROOT/CLIP/scène ✓.MP4".encode()): b"a name that is not ASCII",
}
DAY = "2017-07-14"  # of the files' times


def make_card(folder: Path, contents: dict[str, bytes] = CARD) -> Path:
    write(folder, contents)
    (folder / "PRIVATE/M4ROOT/SUB").mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            os.utime(path, (1_500_000_100, 1_500_000_100))
    return folder


@pytest.fixture
def card(tmp_path: Path) -> Path:
    return make_card(tmp_path / "A001")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "catalog.sqlite") as made:
        yield made


def places(tmp_path: Path, *names: str) -> list[Path]:
    made = [tmp_path / name for name in names]
    for path in made:
        path.mkdir(exist_ok=True)
    return made


def without_history(tree: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in tree.items() if name.partition("/")[0] != "ascmhl"}


def ascmhl(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The reference implementation, as a command."""
    program = "ascmhl_debug" if arguments[0] in ("verify", "xsd-schema-check") else "ascmhl"
    code = f"from ascmhl.cli.{program} import {'mhldebugtool_cli' if 'debug' in program else 'mhltool_cli'} as run; run()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*film-archive*")]


def test_a_card_is_copied_verbatim_to_all(card: Path, tmp_path: Path, catalog: Catalog) -> None:
    before = snapshot(card)
    done = offload(card, places(tmp_path, "one", "two", "three"), catalog)
    assert (done.exit_status, done.failed, done.kind, done.files) == (0, (), "Sony XAVC S", len(CARD))
    assert [copy.path for copy in done.copies] == [f"{tmp_path}/{name}/{DAY}/sony/A001" for name in ("one", "two", "three")]
    assert "on one device" in done.notes[0]
    assert snapshot(card) == before
    for copy in done.copies:
        assert without_history(snapshot(Path(copy.path))) == before
        for path in Path(copy.path).rglob("*"):
            if path.is_dir() and path.name != "ascmhl":
                assert path.stat().st_mtime == 1_500_000_100, path
        assert hidden(Path(copy.path).parents[3]) == []


def test_ascmhl_verifies_our_histories(card: Path, tmp_path: Path) -> None:
    done = offload(card, places(tmp_path, "one"))
    folder = Path(done.copies[0].path)
    (generation,) = (folder / "ascmhl").glob("*.mhl")
    assert done.copies[0].mhl == str(generation)
    assert generation.name.startswith("0001_A001_")
    for verb in (("verify",), ("verify", "-dh"), ("diff",)):
        checked = ascmhl(*verb, folder)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    schema = shared("corpus") / "ascmhl/ascmitc__mhl/xsd/ASCMHL.xsd"
    if schema.exists():
        checked = ascmhl("xsd-schema-check", "-xsd", schema, generation)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    (folder / "PRIVATE/M4ROOT/CLIP/C0002.MP4").write_bytes(b"clip 3" * 30)
    assert ascmhl("verify", folder).returncode == 11


def test_a_history_that_came_with_the_card_is_continued(card: Path, tmp_path: Path) -> None:
    made = ascmhl("create", card, "-h", "md5", "-h", "xxh64")
    assert made.returncode == 0, made.stderr
    done = offload(card, places(tmp_path, "one"))
    assert done.exit_status == 0
    folder = Path(done.copies[0].path)
    assert sorted(path.name[:4] for path in (folder / "ascmhl").glob("*.mhl")) == ["0001", "0002"]
    assert ascmhl("verify", folder).returncode == 0
    entries = {entry.path: entry for entry in mhl.read_history(folder)}
    assert set(entries["PRIVATE/M4ROOT/CLIP/C0001.MP4"].digests) == {"md5", "xxh64", "xxh128"}
    assert (card / "ascmhl").is_dir()
    assert len(list((card / "ascmhl").glob("*.mhl"))) == 1  # the card is only read


def test_a_card_that_is_not_what_its_own_history_says(card: Path, tmp_path: Path) -> None:
    assert ascmhl("create", card).returncode == 0
    write(card, {"PRIVATE/M4ROOT/CLIP/C0002.MP4": b"clip X" * 30})
    done = offload(card, places(tmp_path, "one"))
    assert {failure.status for failure in done.failed} == {11}
    assert done.copies == ()
    assert not (tmp_path / "one" / DAY / "sony" / "A001").exists()


def test_a_copy_that_is_there_is_known_again(card: Path, tmp_path: Path, catalog: Catalog) -> None:
    one, two = places(tmp_path, "one", "two")
    offload(card, [one], catalog)
    before = snapshot(one)
    done = offload(card, [one, two], catalog)
    assert [copy.already for copy in done.copies] == [True, False]
    assert snapshot(one) == before
    write(card, {"PRIVATE/M4ROOT/CLIP/C0003.MP4": b"one more take"})
    with pytest.raises(Refused, match="--name"):
        offload(card, [one])
    assert snapshot(one) == before
    assert plan_offload(card, [one], name="A001 second").destinations == (f"{one}/{DAY}/sony/A001 second",)


@pytest.mark.parametrize("layout", ["{date}", "{year}/{month}-{day}/{camera}_{card}"])
def test_layouts(card: Path, tmp_path: Path, layout: str) -> None:
    plan = plan_offload(card, places(tmp_path, "one"), layout=layout)
    expected = {"{date}": DAY, "{year}/{month}-{day}/{camera}_{card}": "2017/07-14/sony_A001"}[layout]
    assert plan.destinations == (f"{tmp_path}/one/{expected}",)


def test_what_is_refused_before_anything_is_written(card: Path, tmp_path: Path) -> None:
    (one,) = places(tmp_path, "one")
    for layout in ("{reel}", "", "..", "{date}/../{card}", "{date", "{date.x}"):
        with pytest.raises(UsageError):
            plan_offload(card, [one], layout=layout)
    with pytest.raises(UsageError):
        plan_offload(card, [])
    with pytest.raises(UsageError, match="one folder"):
        plan_offload(card, [one, tmp_path / "one" / ".." / "one"])
    with pytest.raises(UsageError):
        plan_offload(card, [one], name="..")
    with pytest.raises(NotFound, match="mounted"):
        plan_offload(card, [tmp_path / "unmounted"])
    with pytest.raises(NotFound, match="mounted"):
        plan_offload(tmp_path / "unmounted", [one])
    with pytest.raises(Refused, match="on the card itself"):
        plan_offload(card, [card / "PRIVATE"])
    assert list(one.iterdir()) == []


def test_a_dry_run_and_a_plan_that_was_read_back(card: Path, tmp_path: Path) -> None:
    (one,) = places(tmp_path, "one")
    plan = plan_offload(card, [one])
    assert list(one.iterdir()) == []
    read_back = type(plan).from_json(plan.to_json())
    assert read_back == plan
    assert as_planned(plan).copies == ()
    write(card, {"PRIVATE/M4ROOT/CLIP/C0002.MP4": b"changed since" * 9}, mtime=1_600_000_000)
    done = apply_offload(read_back)
    assert done.copies == ()
    assert {failure.status for failure in done.failed} == {11, 12}


def test_a_destination_that_fails_does_not_keep_the_other(
    card: Path, tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = places(tmp_path, "one", "two")
    writing = os.pwrite

    def fail(descriptor: int, *arguments: object) -> int:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if path.startswith(str(two)) and path.endswith("C0002.MP4"):
            raise OSError(errno.EIO, "Input/output error")
        return writing(descriptor, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "pwrite", fail)
    done = offload(card, [one, two], catalog)
    assert [copy.path for copy in done.copies] == [f"{one}/{DAY}/sony/A001"]
    assert done.exit_status == 12
    assert not (two / DAY / "sony/A001").exists()
    monkeypatch.undo()
    again = offload(card, [one, two], catalog)
    assert (again.exit_status, len(again.copies), again.resumed) == (0, 2, 2)
    three = places(tmp_path, "three")
    with faults.failing(0, errno.EIO, names=("pwrite",), lasting=True), pytest.raises(StorageError):
        offload(card, three, catalog)


def test_a_file_that_cannot_be_read_from_the_card(card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = places(tmp_path, "one")
    reading = os.preadv

    def fail(descriptor: int, *arguments: object) -> int:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if path.startswith(str(card)) and path.endswith("C0002.MP4"):
            raise OSError(errno.EIO, "Input/output error")
        return reading(descriptor, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "preadv", fail)
    done = offload(card, [one])
    assert (done.copies, done.exit_status) == ((), 12)
    assert not (one / DAY / "sony/A001").exists()
    done = apply_offload(plan_offload(card, [one]), partial=True)
    assert len(done.copies) == 1
    assert done.exit_status == 12
    assert not (one / DAY / "sony/A001/PRIVATE/M4ROOT/CLIP/C0002.MP4").exists()
    assert ascmhl("verify", one / DAY / "sony/A001").returncode == 0


@pytest.mark.parametrize("where", ["card", "one"])
def test_bytes_that_change_between_two_reads(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """A card reader, or a disk, that gives other bytes the second time."""
    (one,) = places(tmp_path, "one")
    original = fan_out.read_back

    def lie(path: Path, algorithms: object, on_bytes: object = None) -> dict[str, str]:
        found = original(path, algorithms, on_bytes)  # type: ignore[arg-type]
        wrong = path.name == "C0001.MP4" and path.is_relative_to(card if where == "card" else one)
        return {name: "0" * len(value) for name, value in found.items()} if wrong else found

    monkeypatch.setattr("film_archive.library.offload.read_back", lie)
    if where == "one":
        from film_archive.core.errors import Damaged

        with pytest.raises(Damaged, match="does not read back"):
            offload(card, [one])
    else:
        assert {failure.status for failure in offload(card, [one]).failed} == {11, 12}
    assert not (one / DAY / "sony/A001").exists()
    monkeypatch.undo()
    assert offload(card, [one]).exit_status == 0


def test_a_small_destination_is_refused_first(tmp_path: Path) -> None:
    card = make_card(tmp_path / "A001", {**CARD, "big": b"b" * 3_000_000})
    with tmpfs(tmp_path / "small", "size=2m") as small:
        with pytest.raises(StorageError, match="bytes are missing"):
            offload(card, [small])
        assert not (small / DAY / "sony/A001").exists()


def test_it_goes_on_inside_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_out, "PIECE", 1 << 22)
    data = os.urandom(13 << 20)
    card = make_card(tmp_path / "A001", {**CARD, "PRIVATE/M4ROOT/CLIP/C0009.MP4": data})
    one, two = places(tmp_path, "one", "two")

    def killed() -> None:
        calls = [0]
        writing = os.pwrite

        def kill(descriptor: int, block: object, offset: int) -> int:
            if os.readlink(f"/proc/self/fd/{descriptor}").endswith("C0009.MP4") and offset >= 10 << 20:
                os.kill(os.getpid(), 9)
            calls[0] += 1
            return writing(descriptor, block, offset)  # type: ignore[arg-type]

        os.pwrite = kill  # type: ignore[assignment]  # in a fork that ends
        offload(card, [one, two])

    assert not crash.run(killed).finished
    read: list[int] = []
    monkeypatch.setattr("film_archive.library.fan_out.read_ahead", noting(fan_out.read_ahead, read))
    done = offload(card, [one, two])
    assert done.exit_status == 0
    assert 8 << 20 in read  # C0009 was read from the card from there on
    for copy in done.copies:
        assert without_history(snapshot(Path(copy.path))) == snapshot(card)


def test_a_piece_that_was_damaged_meanwhile_is_copied_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_out, "PIECE", 1 << 22)
    data = os.urandom(9 << 20)
    write(tmp_path, {"source": data, "copy": data[: 5 << 20] + b"?" + data[(5 << 20) + 1 : 8 << 20]})
    pieces = []
    for number in range(2):
        hasher = MultiHasher()
        hasher.update(data[number << 22 : (number + 1) << 22])
        pieces.append(hasher.digests()["xxh128"])
    begun: list[int] = []
    monkeypatch.setattr("film_archive.library.fan_out.read_ahead", noting(fan_out.read_ahead, begun))
    from film_archive.core.source import FileSource

    with FileSource(tmp_path / "source") as source:
        found = fan_out.copy_to_all(source, [fan_out.Copy(tmp_path / "copy")], ["xxh128"], pieces=pieces)
    assert begun == [1 << 22]
    assert (tmp_path / "copy").read_bytes() == data
    hasher = MultiHasher()
    hasher.update(data)
    assert found == hasher.digests()


def noting(function, begun: list[int]):  # type: ignore[no-untyped-def]  # the same signature as what it wraps
    def wrapped(source, offset=0, *arguments, **options):  # type: ignore[no-untyped-def]
        begun.append(offset)
        return function(source, offset, *arguments, **options)

    return wrapped


# Kills


def kill(tmp_path: Path, times: int, seed: int) -> None:
    card = make_card(tmp_path / "A001")
    original = snapshot(card)
    job = tmp_path / "job"

    def work() -> Offloaded:
        with Catalog.open(job / "c.sqlite") as catalog:
            return offload(card, [job / "one", job / "two"], catalog)

    def prepare() -> None:
        shutil.rmtree(job, ignore_errors=True)
        for name in ("one", "two"):
            (job / name).mkdir(parents=True)

    def whole() -> None:
        for name in ("one", "two"):
            final = job / name / DAY / "sony/A001"
            if final.exists():  # then it is all there, and its history holds
                assert without_history(snapshot(final)) == original
                assert len(list(mhl.read_history(final))) == len(CARD)

    def complete() -> None:
        for name in ("one", "two"):
            final = job / name / DAY / "sony/A001"
            assert without_history(snapshot(final)) == original
            assert len(list((final / "ascmhl").glob("*.mhl"))) == 1  # one generation a job, however often it was killed
        assert hidden(job) == []
        with Catalog.open(job / "c.sqlite") as catalog:
            assert all(count == 0 for count in lacking(catalog, card))

    assert crash.kill_often(work, times, prepare=prepare, after_kill=whole, after_rerun=complete, seed=seed) >= times // 4
    assert snapshot(card) == original


def lacking(catalog: Catalog, card: Path) -> list[int]:
    return [each.needed - each.copies for each in is_safe(card, catalog, copies=1).missing]


@pytest.mark.ci
def test_killed_at_random_instants(tmp_path: Path) -> None:
    kill(tmp_path, 20, seed=1)


@pytest.mark.nightly
def test_killed_at_200_random_instants(tmp_path: Path) -> None:
    kill(tmp_path, 200, seed=2)


def test_killed_at_some_system_calls(card: Path, tmp_path: Path) -> None:
    with faults.counting() as calls:
        offload(card, places(tmp_path, "counted"))
    original = snapshot(card)
    for number in range(0, len(calls), 5):
        (one,) = places(tmp_path, f"one {number}")

        def killed(one: Path = one, number: int = number) -> None:
            with faults.failing(number, Kill.AFTER):
                offload(card, [one])

        crash.run(killed)
        done = offload(card, [one])
        assert done.exit_status == 0, (number, calls[number])
        assert without_history(snapshot(one / DAY / "sony/A001")) == original
        assert hidden(one) == []


# May it be formatted?


def test_safe_goes_from_no_to_yes(tmp_path: Path, catalog: Catalog) -> None:
    with (
        image(tmp_path / "card", "mkfs.ext4", "-q", megabytes=16) as card,
        image(tmp_path / "raid", "mkfs.ext4", "-q", megabytes=32) as raid,
        image(tmp_path / "shuttle", "mkfs.xfs", "-q") as shuttle,
    ):
        shutil.rmtree(card / "lost+found")
        make_card(card)
        verdict = is_safe(card, catalog)
        assert (verdict.safe, verdict.exit_status, len(verdict.missing)) == (False, 10, len(CARD))
        offload(card, [raid], catalog, progress=None)
        places(raid, "again")
        offload(card, [raid / "again"], catalog)
        verdict = is_safe(card, catalog)
        assert {each.copies for each in verdict.missing} == {1}  # two folders of one device are one copy
        assert is_safe(card, catalog, copies=1).safe
        offload(card, [shuttle], catalog)
        verdict = is_safe(card, catalog)
        assert (verdict.safe, verdict.exit_status, len(verdict.devices)) == (True, 0, 2)
        # one more take
        write(card, {"PRIVATE/M4ROOT/CLIP/C0003.MP4": b"one more take"})
        assert [Path(each.path).name for each in is_safe(card, catalog).missing] == ["C0003.MP4"]
        (card / "PRIVATE/M4ROOT/CLIP/C0003.MP4").unlink()
        assert is_safe(card, catalog, reread=True).safe
        # a copy that is gone from a drive that is here does not count, whatever the catalog says
        victim = shuttle / DAY / "sony/card/PRIVATE/M4ROOT/CLIP/C0001.MP4"
        victim.unlink()
        assert [Path(each.path).name for each in is_safe(card, catalog).missing] == ["C0001.MP4"]


def test_a_copy_that_was_not_verified_does_not_count(card: Path, tmp_path: Path, catalog: Catalog) -> None:
    from film_archive.library.crawler import crawl

    shutil.copytree(card, tmp_path / "dragged")  # as a file manager copies it
    crawl(catalog, [tmp_path / "dragged"])
    assert not is_safe(card, catalog, copies=1).safe
    with looking(catalog) as lookup:
        assert lookup.find("C0001.MP4")
    with pytest.raises(UsageError):
        is_safe(card, catalog, copies=0)
    with pytest.raises(NotFound):
        is_safe(tmp_path / "missing", catalog)


def test_names_of_unfinished_copies_are_known() -> None:
    assert files.is_temporary_name(files.temporary_name(Path("/x/A001"), "copy").name)
