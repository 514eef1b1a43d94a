"""Sets of cartridges: generations, plans against a slow obvious oracle, names, and what is refused."""

from __future__ import annotations

import asyncio
import errno
import os
import random
from fractions import Fraction
from pathlib import Path

import pytest

from film_archive.core.errors import NotFound, NotSupported, Refused, UsageError
from film_archive.core.models import MediaFile, TapeArchive, TapeFormat, VideoCodec
from film_archive.tape import planning
from film_archive.tape.formats import GENERATIONS, MEDIA, default_reserve, generation
from film_archive.tape.lto_manager import LTOTapeManager
from film_archive.tape.planning import PlannedFile

TB = 10**12
GB = 10**9
LTO8 = generation(TapeFormat.LTO8)


def planned(*sizes: int) -> list[PlannedFile]:
    return [PlannedFile(f"clip{number:03}.mov", size) for number, size in enumerate(sizes)]


@pytest.fixture
def manager(tmp_path: Path) -> LTOTapeManager:
    return LTOTapeManager(tape_staging_dir=tmp_path / "shelf")


# Generations


def test_every_format_has_a_generation_and_every_medium_a_code_of_two_signs() -> None:
    assert set(GENERATIONS) == set(TapeFormat)
    for code, medium in MEDIA.items():
        assert code == medium.code
        assert len(code) == 2
        assert medium.format in GENERATIONS
        assert 0.9 * medium.capacity < medium.usable < medium.capacity
        assert 0 < medium.index_reserve <= medium.usable // 20
    for made in GENERATIONS.values():
        assert made.medium.format == made.format
        assert (made.half_height_speed or made.speed) <= made.speed


def test_known_cartridges() -> None:
    assert [GENERATIONS[f].medium.capacity / TB for f in TapeFormat] == [1.5, 2.5, 6, 12, 18, 30]
    assert (LTO8.speed, LTO8.half_height_speed, LTO8.slowest_speed) == (360_000_000, 300_000_000, 112_000_000)
    assert (LTO8.medium.code, LTO8.medium.usable) == ("L8", 11_700 * GB)
    assert generation("lto9").medium.usable == 17_500 * GB


def test_reserve_is_two_percent_and_at_least_100_gb_unless_that_is_much() -> None:
    assert default_reserve(17_500 * GB) == 350 * GB
    assert default_reserve(2_408 * GB) == 100 * GB
    assert default_reserve(1_000_000) == 50_000


def test_unknown_generation_is_named() -> None:
    with pytest.raises(NotSupported, match=r"'lto4'.*lto5"):
        generation("lto4")


# Plans


def slowly_laid_out(sizes: list[int], capacity: int) -> list[list[int]]:
    """Each file goes on the last cartridge if all on it and the file fit, else on a new one."""
    spans: list[list[int]] = []
    for place, size in enumerate(sizes):
        if spans and sum(sizes[other] for other in spans[-1]) + size <= capacity:
            spans[-1].append(place)
        else:
            spans.append([place])
    return spans


def test_plans_equal_the_slow_way() -> None:
    choose = random.Random(7)
    for _ in range(300):
        usable = choose.randint(20, 2000)
        reserve = choose.randint(0, usable // 2)
        capacity = usable - reserve
        sizes = [choose.choice((0, capacity, choose.randint(0, capacity))) for _ in range(choose.randint(0, 40))]
        plan = planning.plan_set(planned(*sizes), LTO8, usable=usable, reserve=reserve)
        assert plan.capacity == capacity
        assert [list(span) for span in plan.spans] == slowly_laid_out(sizes, capacity)
        assert [place for span in plan.spans for place in span] == list(range(len(sizes)))
        assert all(cartridge.size <= capacity for cartridge in plan.cartridges)
        assert sum(cartridge.size for cartridge in plan.cartridges) == plan.size == sum(sizes)


def test_file_that_fits_to_the_byte_and_one_that_does_not() -> None:
    assert planning.plan_set(planned(90, 10), LTO8, usable=110, reserve=10).spans == ((0, 1),)
    with pytest.raises(Refused, match=r"clip001\.mov has 101 bytes.*takes 100: 1 too many"):
        planning.plan_set(planned(1, 101), LTO8, usable=110, reserve=10)


def test_empty_files_stay_with_their_neighbours() -> None:
    assert planning.plan_set(planned(100, 0, 100, 0), LTO8, usable=100, reserve=0).spans == ((0, 1), (2, 3))
    assert planning.plan_set([], LTO8).cartridges == ()


@pytest.mark.parametrize("reserve", [-1, 100, 101])
def test_impossible_reserve(reserve: int) -> None:
    with pytest.raises(UsageError, match="reserve"):
        planning.plan_set(planned(1), LTO8, usable=100, reserve=reserve)


def test_negative_size() -> None:
    with pytest.raises(UsageError, match="-1 bytes"):
        planning.plan_set(planned(-1), LTO8)


def test_span_distribution_over_real_cartridges(manager: LTOTapeManager) -> None:
    files = [(Path(f"/cards/A{n:03}.mov"), 4 * TB) for n in range(7)]
    assert manager.calculate_tape_span_distribution(files, TapeFormat.LTO8) == [[0, 1], [2, 3], [4, 5], [6]]
    assert manager.calculate_tape_span_distribution(files, TapeFormat.LTO9) == [[0, 1, 2, 3], [4, 5, 6]]
    assert manager.calculate_tape_span_distribution([], TapeFormat.LTO8) == []


def test_file_larger_than_a_cartridge_is_refused_with_the_numbers(manager: LTOTapeManager) -> None:
    takes = 11_700 * GB - 234 * GB
    numbers = rf"/big\.mxf has {12 * TB} bytes.*LTO-8 takes {takes}: {12 * TB - takes} too many"
    with pytest.raises(Refused, match=numbers):
        manager.calculate_tape_span_distribution([("/big.mxf", 12 * TB)], TapeFormat.LTO8)
    assert manager.calculate_tape_span_distribution([("/big.mxf", 12 * TB)], TapeFormat.LTO9) == [[0]]


# Time and requirements


def test_time_is_the_slower_of_drive_and_source() -> None:
    assert planning.seconds_to_write(360_000_000, LTO8) == 1
    assert planning.seconds_to_write(1, LTO8) == Fraction(1, 360_000_000)
    assert planning.seconds_to_write(900_000_000, LTO8, half_height=True) == 3
    assert planning.seconds_to_write(900_000_000, LTO8, source_speed=100_000_000) == 9
    assert planning.seconds_to_write(360_000_000, LTO8, source_speed=10**12) == 1
    with pytest.raises(UsageError, match="0 bytes a second"):
        planning.seconds_to_write(1, LTO8, source_speed=0)
    with pytest.raises(UsageError, match="LTO-10"):
        planning.seconds_to_write(1, generation("lto10"), half_height=True)


def test_source_that_makes_the_drive_stop() -> None:
    assert not planning.keeps_streaming(LTO8, 111_999_999)
    assert planning.keeps_streaming(LTO8, 112_000_000)


def test_requirements_of_files(manager: LTOTapeManager) -> None:
    needed = manager.estimate_tape_requirements([("a", 6 * TB), ("b", 6 * TB), ("c", 6 * TB)], TapeFormat.LTO8)
    assert (needed.files, needed.total_size, needed.cartridges) == (3, 18 * TB, 3)  # no two fit on one
    assert needed.capacity_per_cartridge == 11_466 * GB
    assert needed.write_seconds == needed.verify_seconds == 50_000
    assert needed.keeps_streaming


def test_requirements_of_a_number_of_bytes(manager: LTOTapeManager) -> None:
    assert manager.estimate_tape_requirements(18 * TB, TapeFormat.LTO8).cartridges == 2
    assert manager.estimate_tape_requirements(11_466 * GB, TapeFormat.LTO8).cartridges == 1
    assert manager.estimate_tape_requirements(11_466 * GB + 1, TapeFormat.LTO8).cartridges == 2
    assert manager.estimate_tape_requirements(0, TapeFormat.LTO8).cartridges == 0
    slow = manager.estimate_tape_requirements(TB, TapeFormat.LTO9, source_speed=100_000_000)
    assert (slow.write_seconds, slow.verify_seconds, slow.keeps_streaming) == (10_000, 2_500, False)
    with pytest.raises(UsageError):
        manager.estimate_tape_requirements(-1, TapeFormat.LTO8)


# Names


def test_serials_are_six_signs_and_never_cut() -> None:
    assert planning.require_serial("FILM01") == "FILM01"
    for wrong in ("FILM2024001", "FILM1", "", "film01", "FILM 1", "FILM0\n", "FILM01\n", "ÄILM01", "CLN001"):
        with pytest.raises(UsageError):
            planning.require_serial(wrong)


def test_barcodes_are_serial_and_medium() -> None:
    for medium in MEDIA.values():
        assert planning.parse_barcode(planning.barcode("FA0001", medium)) == ("FA0001", medium)
    assert planning.barcode("FA0001", LTO8.medium) == "FA0001L8"
    for wrong in ("FA0001", "FA0001L4", "FA001L8", "FA0001L8 ", "FA0001l8", "CLN001L8", "FILM2024001"):
        with pytest.raises(UsageError):
            planning.parse_barcode(wrong)


def test_serials_are_counted_and_never_given_twice() -> None:
    assert planning.count_serials([], 3) == ["FA0001", "FA0002", "FA0003"]
    assert planning.count_serials(["FA0007", "FILM01", "FAX001", "FA0002"], 2) == ["FA0008", "FA0009"]
    choose = random.Random(11)
    used: list[str] = []
    for _ in range(100):
        new = planning.count_serials(choose.sample(used, len(used)), choose.randint(0, 5))
        assert all(planning.require_serial(serial) == serial for serial in new)
        used += new
    assert len(set(used)) == len(used)


def test_serials_run_out() -> None:
    assert planning.count_serials(["FA9998"], 1) == ["FA9999"]
    with pytest.raises(Refused, match="FA0001 to FA9999"):
        planning.count_serials(["FA9998"], 2)
    assert planning.count_serials([], 1, prefix="ABCDE") == ["ABCDE1"]
    for wrong in ("", "ABCDEF", "ab", "A-"):
        with pytest.raises(UsageError):
            planning.count_serials([], 1, prefix=wrong)


# Preparing


def make_files(folder: Path, *sizes: int) -> list[Path]:
    paths = [folder / f"clip{number}.mov" for number in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        path.touch()
        try:
            os.truncate(path, size)  # sparse: terabytes that take no room
        except OSError as error:
            if error.errno not in (errno.EFBIG, errno.EINVAL, errno.ENOSPC):
                raise
            pytest.skip(f"this file system has no files of {size} bytes")
    return paths


def test_prepared_set_knows_its_files_and_where_they_go(manager: LTOTapeManager, tmp_path: Path) -> None:
    files = make_files(tmp_path, 6 * TB, 7 * TB, 0, 4 * TB)
    archive = asyncio.run(
        manager.prepare_tape_archive(tape_id="FILM2024001", format=TapeFormat.LTO8, files_to_archive=files)
    )
    assert archive.tape_id == "FILM2024001"
    assert archive.format is TapeFormat.LTO8
    assert archive.files == tuple(files)
    assert archive.total_size == 17 * TB
    assert archive.spans == ((0,), (1, 2, 3))
    assert archive.cartridges == ()
    assert not manager.shelf.exists()


def test_clips_are_taken_too_and_measured(manager: LTOTapeManager, tmp_path: Path) -> None:
    [path] = make_files(tmp_path, 1000)
    clip = MediaFile(file_path=path, size=10, codec=VideoCodec.PRORES_422)  # the bytes win
    archive = asyncio.run(manager.prepare_tape_archive("A", TapeFormat.LTO9, [clip]))
    assert (archive.files, archive.total_size) == ((path,), 1000)


def test_what_can_not_be_prepared(manager: LTOTapeManager, tmp_path: Path) -> None:
    good, other = make_files(tmp_path, 10, 20)
    link = tmp_path / "link.mov"
    link.symlink_to(good)

    def prepare(*files: Path, tape_id: str = "SET") -> TapeArchive:
        return asyncio.run(manager.prepare_tape_archive(tape_id, TapeFormat.LTO8, files))

    with pytest.raises(NotFound, match=r"missing\.mov"):
        prepare(good, tmp_path / "missing.mov")
    with pytest.raises(NotSupported, match="folder"):
        prepare(good, tmp_path)
    with pytest.raises(Refused, match="named twice"):
        prepare(good, other, link)
    with pytest.raises(UsageError, match="needs a name"):
        prepare(good, tape_id=" ")
    [big] = make_files(tmp_path, 12 * TB)
    with pytest.raises(Refused, match="too many"):
        prepare(big)


def test_a_set_is_written_verified_and_restored(manager: LTOTapeManager, tmp_path: Path) -> None:
    files = []
    for number in range(3):
        files.append(tmp_path / f"clip{number}.mov")
        files[-1].write_bytes(random.Random(number).randbytes(700_000 + number))
    archive = asyncio.run(manager.prepare_tape_archive("FILM2024001", TapeFormat.LTO8, files))
    named = [(file, f"archive/{file.name}") for file in files]
    result = asyncio.run(manager.write_to_tape(archive, named, verify=True))
    assert (result.tape_id, result.errors, result.verified, result.cartridges) == ("FILM2024001", [], True, ["FA0001"])
    assert result.written_files == [path for _, path in named]
    assert result.write_speed_mbps > 0 < result.duration_seconds
    again = asyncio.run(manager.write_to_tape(archive, named, verify=True))
    assert (again.written_files, again.verified, again.cartridges) == (result.written_files, True, ["FA0001"])
    restored = asyncio.run(manager.restore_from_tape("FILM2024001", ["archive/*"], tmp_path / "out"))
    assert restored.errors == restored.missing == []
    assert [path.read_bytes() for path in sorted(restored.restored_files)] == [file.read_bytes() for file in files]
    files[0].write_bytes(b"other")
    with pytest.raises(Refused, match="nothing on tape is ever replaced"):
        asyncio.run(manager.write_to_tape(archive, named))
    with pytest.raises(NotFound, match="There is no cartridge of OTHER"):
        asyncio.run(manager.restore_from_tape("OTHER", [], tmp_path / "out"))


def test_shelf_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILM_ARCHIVE_SHELF", str(tmp_path / "tapes"))
    assert LTOTapeManager().shelf == tmp_path / "tapes"
    assert LTOTapeManager(tmp_path).shelf == tmp_path
