"""Ingesting: names from dates and digests, what belongs together stays together, nothing is lost, all can be undone."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from film_archive.core.digest import MultiHasher
from film_archive.core.errors import NotFound, Refused, StorageError
from film_archive.library import mhl
from film_archive.library.cards import CardFinder, card_kind
from film_archive.library.ingester import Ingested, Ingester, apply_ingest, as_planned, ingest, plan_ingest
from film_archive.library.recording_dates import recorded
from film_archive.library.undoing import undo
from film_archive.testing import crash, faults
from film_archive.testing.media import ClipSpec, make_clip
from tests.library.test_offload import ascmhl, make_card
from tests.library.trees import snapshot, write
from tests.media.making import jpeg_with_exif


def digest(data: bytes) -> str:
    hasher = MultiHasher()
    hasher.update(data)
    return hasher.digests()["xxh128"][:16]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    (tmp_path / "drop").mkdir()
    return tmp_path


def run(place: Path, **options: bool) -> Ingested:
    return ingest(place / "drop", place / "target", **options)  # type: ignore[arg-type]


def names(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and not str(path.relative_to(folder)).startswith((".film-archive", "ascmhl"))
    }


def test_names_are_the_date_and_the_digest(place: Path) -> None:
    photo = jpeg_with_exif()
    write(place / "drop", {"a/IMG_1.JPG": photo, "VID_20190203_040506.mp4": b"no media", "notes.txt": b"notes"})
    done = run(place)
    assert (done.exit_status, done.failed) == (0, ())
    taken = recorded(Path("x"), 0)  # only to name the type
    assert taken.source == "mtime"
    dates = {each.name: (each.date, each.date_source) for each in done.dates}
    assert dates["IMG_1.JPG"][1] == "media"
    assert dates["VID_20190203_040506.mp4"] == ("2019-02-03T04:05:06", "name")
    assert dates["notes.txt"] == ("2017-07-14T02:40:00", "mtime")
    stamp = re.sub(r"\D", "", dates["IMG_1.JPG"][0])
    assert names(place / "target") == {
        f"{stamp[:4]}/{stamp[4:6]}/{stamp[:8]}_{stamp[8:14]}_{digest(photo)}.JPG",
        f"2019/02/20190203_040506_{digest(b'no media')}.mp4",
        f"2017/07/20170714_024000_{digest(b'notes')}.txt",
    }
    assert names(place / "drop") == set()


def test_a_movie_s_own_date_counts(place: Path) -> None:
    spec = ClipSpec(name="clip", width=96, height=54, frames=2, metadata=(("creation_time", "2018-03-04T05:06:07Z"),))
    make_clip(spec, place / "drop")
    (each,) = run(place).dates
    assert (each.date, each.date_source) == ("2018-03-04T05:06:07", "media")


@pytest.mark.parametrize(
    ("name", "mtime", "expected", "source"),
    [
        ("IMG-20190230-1.jpg", 10**9, "2001-09-09", "mtime"),  # no such day
        ("IMG-20190228-1.jpg", 10**9, "2019-02-28", "name"),
        ("2019-02-28 11.22.33.png", 10**9, "2019-02-28", "name"),
        ("scene 120190228.mov", 10**9, "2001-09-09", "mtime"),  # a number, no date
        ("clip.mov", -(10**9), "1938-04-24", "mtime"),
        ("clip.mov", 2**32 + 10**7, "2106-06-03", "mtime"),
        ("clip.mov", 10**17, "1970-01-01", "mtime"),  # no year that there is
    ],
)
def test_dates_from_names_and_times(tmp_path: Path, name: str, mtime: int, expected: str, source: str) -> None:
    (tmp_path / name).write_bytes(b"no media")
    found = recorded(tmp_path / name, mtime * 10**9)
    assert (found.day, found.source) == (expected, source)


def test_a_clock_that_was_not_set_is_not_believed(place: Path) -> None:
    """QuickTime's zero, 1904."""
    spec = ClipSpec(name="20190228_clip", width=96, height=54, frames=2, metadata=(("creation_time", "1904-01-01T00:00:00Z"),))
    make_clip(spec, place / "drop")
    (each,) = run(place).dates
    assert (each.date[:10], each.date_source) == ("2019-02-28", "name")


def test_sidecars_sequences_and_spanned_clips_stay_together(place: Path) -> None:
    frames = {f"s.{n:04d}.dpx": b"frame %d" % n for n in range(1, 6)}
    parts = {f"A001_C001_0101AB_{n:03d}.R3D": b"part %d" % n * n for n in (1, 2)}
    write(place / "drop", {"C0001.MP4": b"clip", "C0001M01.XML": b"<xml/>", "C0001.xmp": b"xmp", **frames, **parts})
    done = run(place)
    assert done.failed == ()
    stem = f"2017/07/20170714_024000_{digest(b'clip')}"
    found = names(place / "target")
    assert {f"{stem}.MP4", f"{stem}M01.XML", f"{stem}.xmp"} <= found
    folders = {name.rpartition("/")[0] for name in found if name.endswith((".dpx", ".R3D"))}
    assert len(folders) == 2
    assert {name.rpartition("/")[2] for name in found} >= {*frames, *parts}


def test_what_is_there_already_stays_in_the_drop_folder(place: Path) -> None:
    write(place / "drop", {"a.bin": b"the same", "again/b.bin": b"the same"})
    done = run(place)
    assert len(done.moved) == 1
    assert [Path(each.path).name for each in done.already] == ["b.bin"]
    write(place / "drop", {"c.bin": b"the same"})
    done = run(place)
    assert (done.moved, done.job, done.mhl, len(done.already), done.exit_status) == ((), None, None, 2, 0)
    assert names(place / "drop") == {"again/b.bin", "c.bin"}


def test_the_same_name_with_other_bytes_is_not_overwritten(place: Path) -> None:
    target = place / "target" / f"2017/07/20170714_024000_{digest(b'clip')}.xmp"
    write(target.parent, {target.name: b"graded since"})
    write(place / "drop", {"C1.MP4": b"clip", "C1.xmp": b"as shot"})
    done = run(place)
    assert [failure.status for failure in done.failed] == [4]
    assert names(place / "drop") == {"C1.MP4", "C1.xmp"}
    assert target.read_bytes() == b"graded since"


def test_a_card_in_the_drop_folder_is_copied_verbatim(place: Path) -> None:
    card = make_card(place / "drop" / "from set" / "A001")
    write(place / "drop", {"loose.bin": b"loose"})
    before = snapshot(card)
    done = run(place)
    assert len(done.moved) == 1
    assert [each.kind for each in done.cards] == ["Sony XAVC S"]
    copy = Path(done.cards[0].copies[0].path)
    assert copy == place / "target/2017-07-14/sony/A001"
    assert snapshot(card) == before
    assert ascmhl("verify", copy).returncode == 0
    assert run(place).cards[0].copies[0].already


def test_ascmhl_verifies_what_was_ingested(place: Path) -> None:
    write(place / "drop", {"a.bin": b"a", "b.bin": b"b"})
    first = run(place)
    write(place / "drop", {"c.bin": b"c"})
    second = run(place)
    assert first.mhl != second.mhl
    assert sorted(path.name[:4] for path in (place / "target/ascmhl").glob("*.mhl")) == ["0001", "0002"]
    assert len(list(mhl.read_history(place / "target"))) == 3
    checked = ascmhl("verify", place / "target")
    assert "mismatch" not in checked.stdout + checked.stderr
    victim = next((place / "target/2017").rglob("*.bin"))
    victim.write_bytes(b"X")
    assert ascmhl("verify", place / "target").returncode == 11


def test_undo_puts_everything_back(place: Path) -> None:
    write(place / "drop", {"a/C1.MP4": b"clip", "a/C1.xmp": b"xmp", "b.bin": b"b"})
    before = snapshot(place / "drop")
    done = run(place)
    assert undo(place / "target", done.job).failed == ()
    assert snapshot(place / "drop") == before


def test_copying_leaves_the_drop_folder(place: Path) -> None:
    write(place / "drop", {"C1.MP4": b"clip", "C1.xmp": b"xmp"})
    before = snapshot(place / "drop")
    done = run(place, copy=True)
    assert (len(done.moved), done.job) == (2, None)
    assert snapshot(place / "drop") == before
    assert len(run(place, copy=True).already) == 2
    plan = plan_ingest(place / "drop", place / "target", copy=True)
    assert plan.steps == ()


def test_a_dry_run_changes_nothing_and_says_what_is_done(place: Path) -> None:
    write(place / "drop", {"C1.MP4": b"clip", "C1.xmp": b"xmp"})
    before = snapshot(place)
    plan = plan_ingest(place / "drop", place / "target")
    assert snapshot(place) == before
    read_back = type(plan).from_json(plan.to_json())
    assert read_back == plan
    assert apply_ingest(read_back).moved == as_planned(plan).moved


def test_what_changed_since_stays(place: Path) -> None:
    write(place / "drop", {"C1.MP4": b"clip", "C1.xmp": b"xmp"})
    plan = plan_ingest(place / "drop", place / "target")
    write(place / "drop", {"C1.xmp": b"changed"}, mtime=1_600_000_000)
    done = apply_ingest(plan)
    assert (done.moved, {failure.status for failure in done.failed}) == ((), {11})
    assert names(place / "drop") == {"C1.MP4", "C1.xmp"}


def test_folders_that_lie_in_each_other(place: Path) -> None:
    (place / "drop/inner").mkdir()
    (place / "way").symlink_to(place / "drop/inner")
    for drop, target in (("drop", "drop/inner"), ("drop/inner", "drop"), ("drop", "drop"), ("drop", "way")):
        with pytest.raises(Refused):
            ingest(place / drop, place / target)
    with pytest.raises(NotFound, match="mounted"):
        ingest(place / "drop", place / "missing")
    with pytest.raises(NotFound):
        Ingester(place / "missing", place / "target").ingest()


def test_a_pipe_and_unreadable_files_stay(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(place / "drop/pipe")
    write(place / "drop", {"bad.mov": b"bad", "bad.xmp": b"x", "good.mov": b"good"})
    reading = os.read

    def fail(descriptor: int, *arguments: int) -> bytes:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("bad.mov"):
            raise OSError(errno.EIO, "Input/output error")
        return reading(descriptor, *arguments)

    monkeypatch.setattr(os, "read", fail)
    done = run(place)
    assert {Path(failure.path).name for failure in done.failed} == {"pipe", "bad.mov"}
    assert done.exit_status == 12
    assert names(place / "drop") == {"bad.mov", "bad.xmp"}


def test_a_full_disk_stops_and_is_gone_on_with(place: Path) -> None:
    write(place / "drop", {f"{n}.bin": b"%d" % n for n in range(3)})
    with faults.failing(2, errno.ENOSPC, names=("rename",), lasting=True), pytest.raises(StorageError):
        run(place)
    done = run(place)
    assert done.exit_status == 0
    assert len(names(place / "target")) == 3
    assert names(place / "drop") == set()


def kill(tmp_path: Path, times: int, seed: int) -> None:
    place = tmp_path / "job"
    contents = {"a/C1.MP4": b"clip" * 9000, "a/C1.xmp": b"xmp", "b.bin": b"b" * 9000, "s.1.dpx": b"1", "s.2.dpx": b"2"}

    def prepare() -> None:
        shutil.rmtree(place, ignore_errors=True)
        write(place / "drop", contents)
        (place / "target").mkdir()

    def media() -> Counter[bytes]:
        found = (path for folder in ("drop", "target") for path in (place / folder).rglob("*") if path.is_file())
        return Counter(path.read_bytes() for path in found if path.suffix not in (".mhl", ".journal", ".xml"))

    def whole() -> None:
        assert all(media()[data] >= 1 for data in contents.values())

    def complete() -> None:
        assert names(place / "drop") == set()
        assert media() == Counter(contents.values())
        assert len(names(place / "target")) == len(contents)
        assert {entry.path for entry in mhl.read_history(place / "target")} == names(place / "target")

    work = lambda: run(place)  # noqa: E731
    assert crash.kill_often(work, times, prepare=prepare, after_kill=whole, after_rerun=complete, seed=seed) >= times // 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs fork")
@pytest.mark.ci
def test_killed_at_random_instants(tmp_path: Path) -> None:
    kill(tmp_path, 20, seed=1)


@pytest.mark.nightly
def test_killed_at_200_random_instants(tmp_path: Path) -> None:
    kill(tmp_path, 200, seed=2)


# Cards


CARDS: dict[str, tuple[str, ...]] = {
    "Sony XAVC": ("XDROOT/Clip/C0001.MXF", "XDROOT/MEDIAPRO.XML"),
    "Sony XAVC S": ("PRIVATE/M4ROOT/CLIP/C0001.MP4",),
    "Sony AXS (X-OCN)": ("CINEROOT/Clip/A001.mxf",),
    "Sony XDCAM EX": ("BPAV/CLPR/1/1.MP4",),
    "Panasonic P2": ("CONTENTS/VIDEO/0001AB.MXF", "CONTENTS/CLIP/0001AB.XML", "LASTCLIP.TXT"),
    "Canon XF": ("CONTENTS/CLIPS001/AA0001/AA000101.MXF",),
    "AVCHD": ("PRIVATE/AVCHD/BDMV/STREAM/00000.MTS",),
    "RED": ("A001.RDM/A001_C001_0101AB.RDC/A001_C001_0101AB_001.R3D",),
    "ARRI": ("A001R1AB/A001C001_240911_R1AB.mxf",),
    "GoPro": ("DCIM/100GOPRO/GX010001.MP4", "MISC/version.txt"),
    "DJI": ("DCIM/DJI_001/DJI_0001.MP4",),
    "Apple phone": ("DCIM/100APPLE/IMG_0001.MOV",),
    "Android phone": ("DCIM/Camera/VID.mp4",),
    "Canon stills": ("DCIM/100CANON/IMG_0001.CR3",),
    "stills (DCF)": ("DCIM/100ABCDE/X0000001.JPG",),
    "Sound Devices": ("24Y09M11/T001.WAV", "24Y09M11/FALSETAKES/T002.WAV"),
    "Blackmagic": ("A001_09111200_C001.braw", "A001_09111200_C001.sidecar"),
    "sound recorder": ("T001.WAV", "T002.WAV", "report.csv"),
}


@pytest.mark.parametrize("kind", CARDS)
def test_cards_are_known_by_their_structure(tmp_path: Path, kind: str) -> None:
    write(tmp_path, dict.fromkeys(CARDS[kind], b"x"))
    found = card_kind(tmp_path)
    assert found is not None
    assert found.name == kind


@pytest.mark.parametrize(
    "paths",
    [(), ("a.mov",), ("2019/07/IMG_1.JPG",), ("a.braw", "b.mov"), ("a.wav", "b.jpg"), ("CONTENTS/readme.txt",), ("DCIM/x.txt",)],
)
def test_folders_that_are_no_cards(tmp_path: Path, paths: tuple[str, ...]) -> None:
    write(tmp_path, dict.fromkeys(paths, b"x"))
    assert card_kind(tmp_path) is None


def test_the_card_that_a_folder_is_on(tmp_path: Path) -> None:
    write(tmp_path, {"reds/A001.RDM/A001_C001_0101AB.RDC/a.R3D": b"", "reds/A002.RDM/A002_C001_0101AB.RDC/a.R3D": b""})
    make_card(tmp_path / "sony")
    finder = CardFinder((str(tmp_path),))
    assert finder.card_of(f"{tmp_path}/reds/A001.RDM/A001_C001_0101AB.RDC") == f"{tmp_path}/reds/A001.RDM"
    assert finder.card_of(f"{tmp_path}/sony/PRIVATE/M4ROOT/CLIP") == f"{tmp_path}/sony"
    assert finder.card_of("/elsewhere") is None
