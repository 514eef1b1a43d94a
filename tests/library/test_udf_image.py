"""UDF images: what went in comes out of a reader that is not ours, byte for byte; what does not is never kept."""

from __future__ import annotations

import itertools
import os
import subprocess
from pathlib import Path

import pytest

from film_archive.core import programs
from film_archive.core.errors import Damaged, NoSpace, NotSupported, SourceChanged, UsageError
from film_archive.library import udf, udf_image
from film_archive.library.archiver import archive, plan_archive
from film_archive.library.udf_image import make_image, plan_image, read_back, write_image
from film_archive.library.volumes import usable
from tests.library.trees import contents, require_program, snapshot, write

ROOM = 1 << 40


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    deep = "a/b/c/d/e/f/g/h/i/j/k"
    write(
        tmp_path / "volume-0001",
        {
            f"{deep}/Äpfel 日本 🎬.mov": os.urandom(100_001),
            "zero": b"",
            "exact": b"s" * 2048,
            "x" * 200 + ".txt": b"long name",
            **{f"many/File_{number:04d}.txt": b"%d" % number for number in range(200)},
        },
    )
    (tmp_path / "volume-0001/empty folder").mkdir()
    return tmp_path / "volume-0001"


def test_a_second_reader_gives_out_what_went_in(volume: Path, tmp_path: Path) -> None:
    seven = require_program("7z")
    image = tmp_path / "volume-0001.iso"
    size = make_image(volume, image, room=ROOM)
    assert image.stat().st_size == size
    assert size % (32 * 2048) == 0
    subprocess.run([seven, "x", "-tudf", f"-o{tmp_path / 'out'}", image], check=True, stdout=subprocess.DEVNULL)
    assert contents(tmp_path / "out") == contents(volume)
    assert (tmp_path / "out/exact").stat().st_mtime == pytest.approx((volume / "exact").stat().st_mtime, abs=1)


def test_udftools_find_the_volume_in_order(volume: Path, tmp_path: Path) -> None:
    udfinfo = require_program("udfinfo")
    layout = plan_image(volume, volume.name)
    write_image(layout, tmp_path / "i.iso")
    told = subprocess.run([udfinfo, tmp_path / "i.iso"], check=True, capture_output=True, text=True)
    assert told.stderr == ""
    facts = dict(line.split("=", 1) for line in told.stdout.splitlines() if not line.startswith("start="))
    expected = {"label": "volume-0001", "udfrev": "2.01", "integrity": "closed", "numfiles": "204", "blocks": str(layout.sectors)}
    assert {key: facts[key] for key in expected} == expected


def test_a_file_larger_than_an_extent_is_in_several(tmp_path: Path) -> None:
    where = udf.extents(7, 5_000_000_123)
    assert sum(extent.length for extent in where) == 5_000_000_123
    assert all(extent.length % 2048 == 0 for extent in where[:-1])
    assert [b.block - a.block for a, b in itertools.pairwise(where)] == [udf.LONGEST_EXTENT // 2048] * 4
    with pytest.raises(NotSupported, match="needs tape"):
        udf.extents(7, 300 << 30)


@pytest.mark.nightly
def test_a_file_of_more_than_4_gib_reads_back(tmp_path: Path) -> None:
    require_program("7z")
    (tmp_path / "v").mkdir()
    with (tmp_path / "v/big.mov").open("wb") as file:
        file.truncate((4 << 30) + 12_345)
        for at in (1 << 30, (4 << 30) - 3, (4 << 30) + 12_000):
            file.seek(at)
            file.write(b"here")
    make_image(tmp_path / "v", tmp_path / "v.iso", room=ROOM)


def test_an_image_that_reads_back_wrong_is_not_kept(volume: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_program("7z")
    image = tmp_path / "i.iso"

    finish = udf_image._Writer.end

    def damaging(writer: udf_image._Writer) -> None:
        finish(writer)
        node = next(node for node in writer._layout.nodes if node.name == "exact")
        writer._put(b"?", 257 + node.data, 5)

    monkeypatch.setattr(udf_image._Writer, "end", damaging)
    with pytest.raises(Damaged, match="other bytes of exact"):
        make_image(volume, image, room=ROOM)
    assert [path.name for path in tmp_path.iterdir()] == [volume.name]


def test_an_image_with_other_files_is_not_believed(volume: Path, tmp_path: Path) -> None:
    require_program("7z")
    digests = write_image(plan_image(volume, "v"), tmp_path / "i.iso")
    with pytest.raises(Damaged, match="other files"):
        read_back(tmp_path / "i.iso", {**digests, "another": "0" * 32})


def test_an_image_larger_than_a_disc_is_refused_with_the_numbers(volume: Path, tmp_path: Path) -> None:
    with pytest.raises(NoSpace, match="the volume 100000; no image was made"):
        make_image(volume, tmp_path / "i.iso", room=100_000)
    assert not (tmp_path / "i.iso").exists()


@pytest.mark.parametrize("name", ["a" * 200 + "日", "a" * 255, os.fsdecode(b"caf\xe9")])
def test_a_name_that_no_disc_can_have_moves_nothing(name: str, tmp_path: Path) -> None:
    require_program("7z")
    write(tmp_path / "photos", {f"2019/{name}": b"x"})
    before = snapshot(tmp_path)
    with pytest.raises(NotSupported, match="rename it"):
        plan_archive([tmp_path / "photos"], tmp_path / "bd", volume="bd25", image=True)
    assert snapshot(tmp_path) == before


def test_a_file_that_changes_while_the_image_is_made_leaves_none(volume: Path, tmp_path: Path) -> None:
    layout = plan_image(volume, "v")
    (volume / "exact").write_bytes(b"t" * 2049)
    with pytest.raises(SourceChanged, match="no image was kept"):
        write_image(layout, tmp_path / "i.iso")
    assert not (tmp_path / "i.iso").exists()


def test_archiving_makes_an_image_of_each_volume_and_the_next_run_what_is_missing(tmp_path: Path) -> None:
    require_program("7z")
    write(tmp_path / "photos", {f"2019/{month:02d}/{n}.mov": os.urandom(60_000) for month in range(4) for n in range(3)})
    size = str(udf_image.OVERHEAD + 400_000)
    done = archive([tmp_path / "photos"], tmp_path / "bd", volume=size, image=True)
    assert done.exit_status == 0
    assert len(done.images) == len(done.volumes) == 2
    assert all(image.bytes == Path(image.path).stat().st_size <= int(size) for image in done.images)
    kept = Path(done.images[0].path).read_bytes()
    Path(done.images[1].path).unlink()  # as a kill before the second one was whole leaves it
    again = archive([tmp_path / "photos"], tmp_path / "bd", volume=size, image=True)
    assert [image.path for image in again.images] == [done.images[1].path]
    assert Path(done.images[0].path).read_bytes() == kept


def test_without_the_second_reader_nothing_is_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "photos", {"2019/a.mov": b"x"})
    monkeypatch.setattr(programs, "find", lambda name: None)
    with pytest.raises(NotSupported, match="p7zip-full"):
        archive([tmp_path / "photos"], tmp_path / "bd", volume="bd25", image=True)
    assert (tmp_path / "photos/2019/a.mov").exists()


def test_a_volume_too_small_for_a_file_system_is_refused() -> None:
    with pytest.raises(UsageError, match="name a larger one"):
        usable(100_000, udf_image.OVERHEAD)


def test_moments_outside_the_calendar_are_1970() -> None:
    assert udf.stamp(1e20) == udf.stamp(0)
    assert udf.stamp(float(-(1 << 62))) == udf.stamp(0)
    assert udf.stamp(-2_082_844_800)[2:5] == (1904).to_bytes(2, "little") + b"\x01"
