"""`extract` over everything that can be pointed at: files, sequences, sound, members; and what only others know of a clip."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from film_archive.core import files
from film_archive.core.digest import digest_source
from film_archive.core.errors import (
    NoSpace,
    NotFound,
    NotSupported,
    OutOfRange,
    PartlyDone,
    RateUnknown,
    Refused,
    SourceChanged,
    TimecodeUnknown,
    UsageError,
)
from film_archive.core.source import FileSource
from film_archive.core.timecode import FrameRange, FrameRate, Timecode
from film_archive.media.probe import probe
from film_archive.testing.media import ClipSpec, cached_clip
from film_archive.testing.oddities import ODDITIES
from film_archive.testing.stills import SequenceSpec, cached_sequence
from film_archive.testing.wave import WaveSpec, cached_wave
from film_archive.workflows.clip_logs import ClipLog
from film_archive.workflows.cuts import CutRequest, open_cut
from film_archive.workflows.extraction import apply_extract, extract, plan_extract
from film_archive.workflows.locating import locate
from film_archive.workflows.production import create_archive
from tests.cli.running import film_archive
from tests.media.mov_building import movie, refers, timecode, video
from tests.reading import codes_of

SILENT = ClipSpec(name="A001C001_240101_R1AB", rate=FrameRate(25, 1), frames=40)
"""A clip without timecode."""
PLATE = SequenceSpec(name="sh020", frames=12, start=Timecode.from_string("01:00:00:00", 24), reel="A001R1AB", missing=(9,))
TAKE = WaveSpec(name="S012T003", rate=FrameRate(25, 1), start=Timecode.from_string("10:00:00:00", 25), ixml=False)


@pytest.fixture
def logged(footage: Path, tmp_path: Path) -> str:
    """A member of an archive whose start timecode and reel only the log told."""
    log = tmp_path / "log.csv"
    log.write_text("file,reel,start,end\nA001C001_240101_R1AB.mov,TAPE7,10:00:00:00,10:00:01:15\n")
    target = tmp_path / "day.zip"
    media = cached_clip(SILENT, footage)
    with_log(target, media, log)
    return f"{target}::{media.name}"


def with_log(target: Path, media: Path, log: Path) -> None:
    from film_archive.cli.main import application
    from film_archive.cli.running import run_app

    arguments = ["create", str(target), str(media), "--log", str(log), "--rate", "25", "--proxies", "none"]
    assert run_app(application(), "film-archive", arguments) == 0


def test_what_the_archive_knows_from_a_log_is_used(logged: str, tmp_path: Path) -> None:
    done = extract(logged, tmp_path / "cut.mov", in_point="10:00:00:10", out_point="10:00:00:20", handles=2)
    assert (done.first_frame, done.frames, done.start_timecode) == (8, 14, "10:00:00:08")
    facts = probe(tmp_path / "cut.mov")
    assert (str(facts.start_timecode), facts.reel) == ("10:00:00:08", "TAPE7")
    with locate(logged) as located:
        assert located.member is not None
        request = CutRequest("10:00:00:10", "10:00:00:20", None, 2)
        digest = located.member.digests["xxh128"]
        served = open_cut(located.source, located.index, located.facts, request, digest=digest).to_bytes().source
        assert served.read_at(0, served.size) == (tmp_path / "cut.mov").read_bytes()


def test_a_log_of_the_command_itself(footage: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("file,start,end\nA001C001_240101_R1AB,10:00:00:00,10:00:01:15\n")
    clip = str(cached_clip(SILENT, footage))
    with pytest.raises(TimecodeUnknown):
        extract(clip, tmp_path / "cut.mov", in_point="10:00:00:10", duration="00:00:00:05")
    known = ClipLog.read(log, "25")
    done = extract(clip, tmp_path / "cut.mov", in_point="10:00:00:10", duration="00:00:00:05", log=known)
    assert (done.first_frame, done.frames) == (10, 5)
    assert [code.number for code in codes_of(tmp_path / "cut.mov") if code] == [10, 11, 12, 13, 14]


def test_numbers_of_frames_need_no_timecode(footage: Path, tmp_path: Path) -> None:
    clip = str(cached_clip(SILENT, footage))
    done = extract(clip, tmp_path / "cut.mov", in_point="5", out_point="9", handles=1)
    assert (done.first_frame, done.frames, done.start_timecode) == (4, 6, None)
    assert [code.number for code in codes_of(tmp_path / "cut.mov") if code] == [4, 5, 6, 7, 8, 9]
    assert probe(tmp_path / "cut.mov").start_timecode is None
    for points in ({"in_point": "40", "out_point": "41"}, {"in_point": "5", "out_point": "41"}):
        with pytest.raises(OutOfRange, match="has frames 0 to 39"):
            plan_extract(clip, tmp_path / "no.mov", **points)
    with pytest.raises(UsageError, match="not before the out point"):
        plan_extract(clip, tmp_path / "no.mov", in_point="5", out_point="5")
    by_time = plan_extract(clip, tmp_path / "no.mov", in_point="5", duration="00:00:01:00")
    assert by_time.steps[0].frames == 25


def test_numbers_and_timecode_mix(footage: Path, tmp_path: Path) -> None:
    clip = str(cached_clip(SILENT, footage))
    plan = plan_extract(clip, tmp_path / "no.mov", in_point="5", out_point="01:00:00:10", start="01:00:00:00")
    assert (plan.steps[0].first_frame, plan.steps[0].frames) == (5, 5)
    plan = plan_extract(clip, tmp_path / "no.mov", in_point="01:00:00:10", duration="7", start="01:00:00:00")
    assert (plan.steps[0].first_frame, plan.steps[0].frames) == (10, 7)


def test_frames_of_different_length_are_told_apart_by_number_only(footage: Path, tmp_path: Path) -> None:
    clip = str(cached_clip(ODDITIES["vfr"], footage))
    with pytest.raises(NotSupported, match="different times"):
        plan_extract(clip, tmp_path / "no.mov", in_point="01:00:00:00", duration="00:00:00:04", start="01:00:00:00")
    assert extract(clip, tmp_path / "cut.mov", in_point="2", out_point="6").frames == 4


# Where a cut comes from


def test_a_sidecar_says_what_the_cut_was_made_from(footage: Path, tmp_path: Path) -> None:
    clip = cached_clip(SILENT, footage)
    create_archive(tmp_path / "day.zip", [clip], proxies=())
    source = f"{tmp_path}/day.zip::{clip.name}"
    done = extract(source, tmp_path / "cut.mov", in_point="5", out_point="9", handles=1, sidecar=True)
    assert done.sidecar == tmp_path / "cut.mov.json"
    said = json.loads(done.sidecar.read_text())
    with FileSource(clip) as file:
        assert said["source_digest"] == digest_source(file)["xxh128"]
    assert {key: said[key] for key in ("schema", "source", "output", "first_frame", "frames", "mode")} == {
        "schema": "film-archive cut 1", "source": source, "output": "cut.mov", "first_frame": 4, "frames": 6, "mode": "copy"
    }
    assert said["files"] == [{"path": "cut.mov", "size": (tmp_path / "cut.mov").stat().st_size, "xxh128": None}]
    assert said["tool"].startswith("film-archive ")


def test_what_stands_under_a_sidecar_s_name_is_refused(footage: Path, tmp_path: Path) -> None:
    clip = str(cached_clip(SILENT, footage))
    (tmp_path / "cut.mov.json").write_text("mine")
    with pytest.raises(Refused, match=r"cut\.mov\.json exists"):
        extract(clip, tmp_path / "cut.mov", in_point="5", out_point="9", sidecar=True)
    assert (tmp_path / "cut.mov.json").read_text() == "mine"
    assert not (tmp_path / "cut.mov").exists()
    assert extract(clip, tmp_path / "cut.mov", in_point="5", out_point="9").sidecar is None


def test_a_cut_whose_sidecar_can_not_be_written_is_there(footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise NoSpace("There is no room.")

    monkeypatch.setattr(files, "write_atomically", full)
    with pytest.raises(PartlyDone, match="is there and whole"):
        extract(str(cached_clip(SILENT, footage)), tmp_path / "cut.mov", in_point="5", out_point="9", sidecar=True)
    assert probe(tmp_path / "cut.mov").frames == 4


# Image sequences


@pytest.fixture
def plate(footage: Path) -> Path:
    return cached_sequence(PLATE, footage)[0].parent


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("link", [False, True])
def test_a_sequence_by_timecode_and_by_number(link: bool, plate: Path, tmp_path: Path) -> None:
    pattern = str(plate / "sh020.#######.dpx")
    done = extract(pattern, tmp_path / "cut", in_point="01:00:00:02", out_point="01:00:00:06", link=link)
    assert names(tmp_path / "cut") == [PLATE.file_name(number) for number in (2, 3, 4, 5)]
    assert all((tmp_path / "cut" / name).samefile(plate / name) == link for name in names(tmp_path / "cut"))
    assert (done.start_timecode, done.first_frame, done.frames, done.missing) == ("01:00:00:02", 2, 4, ())
    assert done.bytes_read == sum(path.stat().st_size for path in (tmp_path / "cut").iterdir())
    assert done.bytes_shared == (done.bytes_read if link else 0) or not link  # blocks may be shared, too
    by_number = extract(str(plate), tmp_path / "again", in_point="86402", out_point="86406", link=link)
    assert names(tmp_path / "again") == names(tmp_path / "cut")
    assert by_number.first_frame == 2


def test_missing_files_are_told(plate: Path, tmp_path: Path) -> None:
    done = extract(str(plate), tmp_path / "cut", in_point="86408", out_point="86412")
    assert done.missing == (86_409,)
    assert len(names(tmp_path / "cut")) == 3


@pytest.mark.parametrize("in_place", [False, True])
def test_a_sequence_in_an_archive(in_place: bool, plate: Path, tmp_path: Path) -> None:
    if in_place:
        archive = tmp_path / "job"
        archive.mkdir()
        for path in plate.iterdir():
            (archive / path.name).write_bytes(path.read_bytes())
        create_archive(archive, in_place=True, proxies=())
        prefix = ""
    else:
        archive = tmp_path / "job.zip"
        create_archive(archive, [plate], proxies=())
        prefix = f"{plate.name}/"
    for number, what in enumerate((str(archive), f"{archive}::{prefix}sh020.%07d.dpx", f"{archive}::{prefix}sh020.#######.dpx")):
        target = tmp_path / f"cut{number}"
        done = extract(what, target, in_point="01:00:00:02", out_point="01:00:00:04", handles=1)
        assert names(target) == [PLATE.file_name(number) for number in (1, 2, 3, 4)]
        assert [path.read_bytes() for path in sorted(target.iterdir())] == [
            (plate / name).read_bytes() for name in names(target)
        ]
        assert (done.head_handle, done.tail_handle, done.start_timecode) == (1, 1, "01:00:00:01")


def test_a_sequence_without_a_rate_asks_for_it(footage: Path, tmp_path: Path) -> None:
    spec = SequenceSpec(name="tif", format="tiff", frames=5, first_number=1001, digits=4)
    folder = cached_sequence(spec, footage)[0].parent
    with pytest.raises(RateUnknown):
        plan_extract(str(folder), tmp_path / "cut", in_point="1001", out_point="1003")
    done = extract(str(folder), tmp_path / "cut", in_point="1001", out_point="1003", rate="24")
    assert (done.frames, done.start_timecode) == (2, None)
    with pytest.raises(OutOfRange, match="has frames 1001 to 1005"):
        plan_extract(str(folder), tmp_path / "no", in_point="0", out_point="1003", rate="24")


def test_a_sequence_that_changed_is_refused(footage: Path, tmp_path: Path) -> None:
    for path in cached_sequence(PLATE, footage):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    plan = plan_extract(str(tmp_path / "sh020.#######.dpx"), tmp_path / "cut", in_point="86402", out_point="86404")
    os.utime(tmp_path / PLATE.file_name(2), ns=(1, 1))
    with pytest.raises(SourceChanged):
        apply_extract(plan)
    assert not (tmp_path / "cut").exists()


def test_folders_that_are_not_one_clip(footage: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="without a clip"):
        plan_extract(str(tmp_path), tmp_path / "cut", in_point="1", out_point="2")
    (tmp_path / "a.mov").write_bytes(cached_clip(SILENT, footage).read_bytes())
    with pytest.raises(UsageError, match="name the clip in it"):
        plan_extract(str(tmp_path), tmp_path / "cut", in_point="1", out_point="2")


# Sound, and the command line


def test_sound_by_timecode(footage: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = cached_wave(TAKE, footage)
    ran = film_archive(
        capfd, "extract", path, "--in", "10:00:00:05", "--out", "10:00:00:10", "--rate", 25, "-o", tmp_path / "a.wav", "--json"
    )
    assert ran.status == 0, ran.errors
    assert (ran.document["frames"], ran.document["start_timecode"]) == (5, "10:00:00:05")
    assert ran.document["bytes_read"] == 5 * 48_000 // 25 * 2 * 3
    facts = probe(tmp_path / "a.wav", rate="25")
    assert str(facts.start_timecode) == "10:00:00:05"
    assert facts.audio[0].samples == 5 * 48_000 // 25
    ran = film_archive(capfd, "extract", path, "--in", "10:00:00:05", "--out", "10:00:00:10", "-o", tmp_path / "b.wav")
    assert ran.status == 2
    assert "--rate 24" in ran.errors


def test_a_sequence_on_the_command_line(plate: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ("extract", plate, "--in", "86402", "--duration", "3", "-o", tmp_path / "cut")
    dry = film_archive(capfd, *arguments, "--dry-run", "--json")
    assert dry.document["mode"] == "plan"
    assert not (tmp_path / "cut").exists()
    ran = film_archive(capfd, *arguments, "--link")
    assert ran.status == 0
    assert "3 frames from 01:00:00:02" in ran.output
    assert "shared" in ran.output
    assert FrameRange(0, 3).count == len(names(tmp_path / "cut"))


def test_modes_on_the_command_line(footage: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    clip = cached_clip(ODDITIES["long_gop"], footage)
    arguments = ("extract", clip, "--in", "30", "--out", "40")
    copied = film_archive(capfd, *arguments, "-o", tmp_path / "copy.mov")
    assert "frames 24 to 29 lie in the file, too" in copied.output
    smart = film_archive(capfd, *arguments, "-o", tmp_path / "smart.mov", "--mode", "smart", "--json")
    assert (smart.document["mode"], smart.document["stored_from"]) == ("encode", 30)  # no whole GOP lies in these
    assert codes_of(tmp_path / "smart.mov") == codes_of(tmp_path / "copy.mov")
    wrong = film_archive(capfd, *arguments, "-o", tmp_path / "no.mov", "--mode", "best")
    assert (wrong.status, "no mode 'best'" in wrong.errors) == (2, True)


def test_what_is_no_clip(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no clip")
    with pytest.raises(NotSupported), FileSource(tmp_path / "a.txt"):
        plan_extract(str(tmp_path / "a.txt"), tmp_path / "cut", in_point="1", out_point="2")
    with pytest.raises(NotFound):
        plan_extract(str(tmp_path / "gone.mov"), tmp_path / "cut", in_point="1", out_point="2")


# Timecode that jumps


def jumping(folder: Path) -> Path:
    """A clip of 15 frames whose timecode jumps behind the fifth."""
    labels = timecode([86_400, 90_000], durations=[5, 10])
    path = folder / "J001C001.mov"
    path.write_bytes(movie(video(15, in_trak=[refers(3)]), labels, timescale=24))
    return path


def test_timecode_that_jumps_finds_frames_up_to_there(tmp_path: Path) -> None:
    clip = str(jumping(tmp_path))
    assert probe(clip).continuous_frames == 5
    plan = plan_extract(clip, tmp_path / "a.mov", in_point="01:00:00:01", out_point="01:00:00:05")
    assert (plan.steps[0].first_frame, plan.steps[0].frames) == (1, 4)
    with pytest.raises(NotSupported, match=r"not continuous: it counts 5 frames from 01:00:00:00"):
        plan_extract(clip, tmp_path / "a.mov", in_point="01:00:00:01", out_point="01:00:00:06")
    with_handles = plan_extract(clip, tmp_path / "a.mov", in_point="01:00:00:01", out_point="01:00:00:05", handles=3)
    assert any("jumps at frame 5" in note for note in with_handles.diagnostics)
    assert plan_extract(clip, tmp_path / "a.mov", in_point="7", out_point="9").steps[0].frames == 2
    told = plan_extract(clip, tmp_path / "a.mov", in_point="05:00:00:07", duration="00:00:00:02", start="05:00:00:00")
    assert told.steps[0].first_frame == 7
