"""Volumes: nothing larger than fits, folders whole where they fit, an index on each, burned only when read back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.errors import NotFound, Refused, UsageError
from film_archive.library.archiver import Archived, Archiver, archive, as_planned, plan_archive
from film_archive.library.burning import burned
from film_archive.library.index_file import read_index
from film_archive.library.undoing import undo
from film_archive.library.verifying import verify
from film_archive.library.volumes import Packable, capacity, first_fit_decreasing, in_order, room, wasted
from film_archive.testing import crash
from tests.cli.running import film_archive
from tests.library.trees import snapshot, write

DAYS = {
    **{f"2019/01/{n}.mov": b"%d" % n * 9000 for n in range(3)},
    **{f"2019/02/{n}.mov": b"%d" % n * 30_000 for n in range(2)},
    **{f"2020/01/{n}.mov": b"x%d" % n * 9000 for n in range(4)},
    "2020/07/clip.mov": b"c" * 20_000,
    "2020/07/clip.xmp": b"xmp",
}
SIZE = 150_000


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write(tmp_path / "photos", DAYS)
    return tmp_path


def run(place: Path, size: int = SIZE, **options: bool) -> Archived:
    return archive([place / "photos"], place / "bd", volume=str(size), **options)  # type: ignore[arg-type]


ITEMS = st.lists(st.integers(1, 100), max_size=30).map(
    lambda sizes: [Packable(f"{number:03d}", size, (f"{number}",)) for number, size in enumerate(sizes)]
)


@given(ITEMS)
def test_packing_loses_nothing_and_overfills_nothing(items: list[Packable]) -> None:
    for pack in (first_fit_decreasing, in_order):
        volumes = pack(items, 100)
        assert sorted(item.path for volume in volumes for item in volume) == [item.path for item in items]
        assert all(0 < sum(item.size for item in volume) <= 100 for volume in volumes)
        assert wasted(volumes, 100) == 100 * len(volumes) - sum(item.size for item in items)
    flat = [item.path for volume in in_order(items, 100) for item in volume]
    assert flat == sorted(flat)
    least = -(-sum(item.size for item in items) // 100)
    assert len(first_fit_decreasing(items, 100)) <= 11 / 9 * max(least, best(items)) + 6 / 9


def best(items: list[Packable]) -> int:
    """A lower bound of the volumes needed: items of which no two fit together."""
    return sum(item.size > 50 for item in items)


def test_what_discs_hold() -> None:
    assert capacity("bd25", full=True) == 25_025_314_816
    assert capacity("BD25") < capacity("bd25", full=True)
    assert capacity("12345") == 12345
    assert room(1, "a") >= 3 * 2048
    for bad in ("dvd", "0", "-5", "1.5", "１２"):
        with pytest.raises(UsageError):
            capacity(bad)


def test_folders_stay_whole_where_they_fit(place: Path) -> None:
    before = snapshot(place / "photos")
    done = run(place)
    assert (done.exit_status, done.failed) == (0, ())
    on: dict[str, set[str]] = {}
    for volume in done.volumes:
        folder = Path(volume.path)
        used = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        assert used <= SIZE
        for path in folder.rglob("*.*"):
            relative = path.relative_to(folder)
            if len(relative.parts) > 1:
                on.setdefault(str(relative.parent), set()).add(folder.name)
                assert path.read_bytes() == DAYS[str(relative.relative_to("photos"))]
        names = {entry.path for entry in read_index(folder / "index.json")}
        assert names == {str(p.relative_to(folder)) for p in folder.rglob("*.*") if len(p.relative_to(folder).parts) > 1}
        assert (place / "bd" / f"{folder.name}.unburned").exists()
    assert {folder: len(volumes) for folder, volumes in on.items()} == dict.fromkeys(on, 1)
    assert not any(path.is_file() for path in (place / "photos").rglob("*"))
    assert verify(place / "bd").verified == len(DAYS)
    assert undo(place / "bd", done.job).failed == ()
    assert snapshot(place / "photos") == before


def test_the_waste_of_both_ways_is_shown(place: Path) -> None:
    by_size = plan_archive([place / "photos"], place / "bd", volume=str(SIZE))
    in_date = plan_archive([place / "photos"], place / "bd", volume=str(SIZE), in_date_order=True)
    assert (by_size.wasted, len(by_size.steps)) == (in_date.wasted_other_way, in_date.volumes_other_way)
    assert (in_date.wasted, len(in_date.steps)) == (by_size.wasted_other_way, by_size.volumes_other_way)
    folders = [sorted({os.path.dirname(move.from_) for move in step.moves}) for step in in_date.steps]
    flat = [folder for each in folders for folder in each]
    assert flat == sorted(flat)
    assert not (place / "bd").exists()


def test_what_is_larger_than_a_volume_is_told_and_stays(place: Path) -> None:
    write(place / "photos", {"2021/huge.mov": b"h" * 400_000, "2021/huge.xmp": b"goes with it", "2021/small.mov": b"s"})
    done = run(place)
    assert [Path(failure.path).name for failure in done.failed] == ["huge.mov"]
    assert done.exit_status == 12
    assert {path.name for path in (place / "photos").rglob("*.*")} == {"huge.mov", "huge.xmp"}
    assert as_planned(plan_archive([place / "photos"], place / "bd", volume=str(SIZE))).exit_status == 12


def test_the_next_volumes_count_on(place: Path) -> None:
    first = run(place)
    write(place / "photos", {"2022/new.mov": b"new"})
    second = run(place)
    assert {volume.path for volume in first.volumes}.isdisjoint(volume.path for volume in second.volumes)
    assert run(place).job is None


def test_a_disc_is_burned_when_it_was_read_back(place: Path) -> None:
    volume = Path(run(place).volumes[0].path)
    disc = place / "disc"
    shutil.copytree(volume, disc)
    victim = next(path for path in disc.rglob("*.mov"))
    data = victim.read_bytes()
    victim.write_bytes(data[:-1] + b"?")
    found = burned(volume, disc)
    assert (found.burned, found.exit_status, found.files - found.verified) == (False, 11, 1)
    assert (place / "bd" / f"{volume.name}.unburned").exists()
    victim.unlink()
    assert not burned(volume, disc).burned
    victim.write_bytes(data)
    assert burned(volume, disc).burned
    assert (place / "bd" / f"{volume.name}.burned").exists()
    assert not (place / "bd" / f"{volume.name}.unburned").exists()
    assert burned(volume, disc).burned
    with pytest.raises(UsageError, match="itself"):
        burned(volume, volume)
    with pytest.raises(NotFound):
        burned(place / "photos", disc)
    with pytest.raises(NotFound, match="mounted"):
        burned(volume, place / "no disc")


def test_what_is_refused(place: Path) -> None:
    before = snapshot(place / "photos")
    with pytest.raises(Refused, match="master"):
        archive([place / "photos/2019"], place / "bd", volume="150000", masters=[place / "photos"])
    with pytest.raises(Refused, match="each other"):
        archive([place / "photos"], place / "photos/2019/bd", volume="150000")
    with pytest.raises(NotFound):
        archive([place / "missing"], place / "bd", volume="150000")
    with pytest.raises(UsageError, match="one name"):
        archive([place / "photos/2019/01", place / "photos/2020/01"], place / "bd", volume="150000")
    with pytest.raises(UsageError):
        Archiver(place / "bd", [place / "photos"], volume="dvd").plan()
    assert snapshot(place / "photos") == before


def kill(tmp_path: Path, times: int, seed: int) -> None:
    place = tmp_path / "job"

    def prepare() -> None:
        shutil.rmtree(place, ignore_errors=True)
        write(place / "photos", DAYS)

    def whole() -> None:
        left = {name for name in DAYS if (place / "photos" / name).exists()}
        moved = {str(path).partition("/photos/")[2] for path in (place / "bd").rglob("photos/**/*.*")}
        assert left | moved == set(DAYS)

    def complete() -> None:
        for folder in (place / "bd").glob("volume-????"):
            names = {entry.path for entry in read_index(folder / "index.json")}
            assert names == {str(p.relative_to(folder)) for p in folder.rglob("*.*") if len(p.relative_to(folder).parts) > 1}
            assert (place / "bd" / f"{folder.name}.unburned").exists()
        assert verify(place / "bd").verified == len(DAYS)
        assert not list((place / "bd").rglob(".*film-archive-*"))

    work = lambda: run(place)  # noqa: E731
    assert crash.kill_often(work, times, prepare=prepare, after_kill=whole, after_rerun=complete, seed=seed) >= times // 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs fork")
@pytest.mark.ci
def test_killed_at_random_instants(tmp_path: Path) -> None:
    kill(tmp_path, 20, seed=1)


@pytest.mark.nightly
def test_killed_at_200_random_instants(tmp_path: Path) -> None:
    kill(tmp_path, 200, seed=2)


def test_as_commands(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = ("library", "archive", place / "photos", "--to", place / "bd", "--volume", SIZE)
    assert "in date order it would be" in film_archive(capfd, *command, "--dry-run").output
    document = film_archive(capfd, *command, "--json").document
    volume = document["volumes"][0]["path"]
    shutil.copytree(volume, place / "disc")
    assert film_archive(capfd, "library", "burned", volume, place / "disc", "--json").document["burned"] is True
    assert film_archive(capfd, "library", "burned", volume, place / "missing").status == 3
