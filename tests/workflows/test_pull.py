"""Pulls: every event's frames, told by their own pictures; what is missing; what goes on after failures and kills."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from film_archive.core.errors import RateUnknown, Refused, SourceChanged, UsageError
from film_archive.core.source import FileSource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.av.decoding import decode_frames
from film_archive.media.av.frames import rgb_of
from film_archive.media.cutting.recoding import Mode
from film_archive.media.probe import index, probe
from film_archive.testing import crash
from film_archive.testing.faults import Kill, counting, failing
from film_archive.testing.media import ClipSpec, cached_clip, read_frame_code
from film_archive.testing.oddities import ODDITIES
from film_archive.workflows.production import create_archive
from film_archive.workflows.pull import Pulled, PullPlan, PullWishes, abandon_pull, apply_pull, plan_pull, pull
from film_archive.workflows.pull_records import journal_path
from tests.cli.running import film_archive
from tests.core.mounts import tmpfs
from tests.media.mov_building import movie, refers, timecode, video
from tests.workflows.pulling import (
    ONE,
    PLATE,
    THREE,
    by_event,
    expected_numbers,
    media,
    numbers_of,
    path_of,
    record_of,
    state,
    with_plate,
    with_take,
    write_list,
)

CUT = (
    "A001R1AB V C 01:00:00:10 01:00:01:00",
    "B001R2CD V C 02:00:00:12 02:00:01:12",
    "A001R1AB V C 01:10:01:00 01:10:02:00",
)


@pytest.fixture
def card(footage: Path, tmp_path: Path) -> Path:
    return media(tmp_path / "card", footage)


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    return write_list(tmp_path / "cut.edl", *CUT)


def run(cut: Path, source: Path, out: Path, *, workers: int = 2, **wishes: object) -> Pulled:
    return pull(cut, [str(source)], out, PullWishes(**{"rate": "24", **wishes}), workers=workers)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["folder", "zip", "in place", "files"])
def test_every_event_s_frames_with_handles(form: str, card: Path, cut: Path, tmp_path: Path) -> None:
    sources = [str(card)]
    if form == "zip":
        create_archive(tmp_path / "day.zip", [card], proxies=())
        sources = [str(tmp_path / "day.zip")]
    elif form == "in place":
        create_archive(card, in_place=True, proxies=())
    elif form == "files":
        sources = [str(path) for path in sorted(card.iterdir())]
    done = pull(cut, sources, tmp_path / "out", PullWishes(rate="24", handles=4))
    assert (done.exit_status, done.missing, done.failed) == (0, (), ())
    events = by_event(done)
    assert [(event.first_frame, event.frames, event.head_handle, event.tail_handle) for event in done.events] == [
        (6, 22, 4, 4),
        (8, 32, 4, 4),
        (20, 28, 4, 0),
    ]
    assert events["003"].reason == "The media has no more than 4 + 0 of 4 handle frames."
    for event in done.events:
        assert event.output is not None
        assert numbers_of(event.output) == expected_numbers(event)
        assert event.in_cut == event.head_handle
    assert events["001"].output == tmp_path / "out" / "001_A001C001_240101_R1AB_01000006.mov"
    facts = probe(tmp_path / "out" / "001_A001C001_240101_R1AB_01000006.mov")
    assert (str(facts.start_timecode), facts.reel) == ("01:00:00:06", "A001R1AB")
    sidecar = json.loads((tmp_path / "out" / "001_A001C001_240101_R1AB_01000006.mov.json").read_text())
    assert (sidecar["first_frame"], sidecar["frames"], sidecar["start_timecode"]) == (6, 22, "01:00:00:06")
    assert sidecar["source"].endswith("A001C001_240101_R1AB.mov")
    assert (sidecar["source_digest"] is not None) == (form in ("zip", "in place"))
    assert done.bytes == sum(cut.size for cut in done.cuts)
    assert record_of(done)["schema"] == "film-archive pull 1"


def test_a_dry_run_writes_nothing_and_is_the_plan(card: Path, cut: Path, tmp_path: Path) -> None:
    plan = plan_pull(cut, [str(card)], tmp_path / "out", PullWishes(rate="24"))
    assert not (tmp_path / "out").exists()
    again = PullPlan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    done = apply_pull(again)
    assert [event.output for event in done.events] == [event.output for event in plan.events]
    assert abs(plan.size - done.bytes_read) < 3 * 8192


# What an event takes


def test_speed_freeze_and_reverse(card: Path, tmp_path: Path) -> None:
    cut = write_list(
        tmp_path / "cut.edl",
        "A001R1AB V C 01:00:00:10 01:00:01:10|12\nM2   A001R1AB       048.0                01:00:00:10",
        "A001R1AB V C 01:00:00:10 01:00:00:11|24\nM2   A001R1AB       000.0                01:00:00:10",
        "A001R1AB V C 01:00:01:00 01:00:01:01|12\nM2   A001R1AB       -024.0               01:00:01:00",
        "A001R1AB V C 01:00:00:10 01:00:00:22|24\nM2   A001R1AB       012.0                01:00:00:10",
    )
    done = run(cut, card, tmp_path / "out")
    assert [(event.first_frame, event.frames) for event in done.events] == [(10, 24), (10, 1), (12, 14), (10, 12)]
    reverse = by_event(done)["003"]
    assert (reverse.source_in, reverse.in_cut) == (24, 12)
    assert reverse.output is not None
    assert numbers_of(reverse.output) == list(range(12, 26))


def test_a_transition_takes_frames_behind_the_out_point(card: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.edl"
    cut.write_text(
        "001  A001R1AB V     C        01:00:00:00 01:00:01:00 10:00:00:00 10:00:01:00\n"
        "002  A001R1AB V     C        01:00:01:00 01:00:01:00 10:00:01:00 10:00:01:00\n"
        "002  B001R2CD V     D    012 02:00:00:00 02:00:01:00 10:00:01:00 10:00:02:00\n"
    )
    done = run(cut, card, tmp_path / "out")
    assert done.exit_status == 0
    assert [(event.status, event.first_frame, event.frames) for event in done.events] == [
        ("cut", 0, 36),
        ("no_media", None, None),
        ("cut", 0, 24),
    ]


def test_the_list_s_problems_are_said(card: Path, tmp_path: Path) -> None:
    cut = write_list(tmp_path / "cut.edl", "A001R1AB V C 01:00:00:10 01:00:01:00|20")
    (event,) = run(cut, card, tmp_path / "out").events
    assert event.reason == "Source 14 f != record 20 f without M2."


def test_picture_and_sound_of_an_event_are_one_cut(card: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.edl"
    cut.write_text(
        "001  A001R1AB V     C        01:00:00:00 01:00:01:00 10:00:00:00 10:00:01:00\n"
        "001  A001R1AB AA    C        01:00:00:12 01:00:01:06 10:00:00:12 10:00:01:06\n"
    )
    done = run(cut, card, tmp_path / "out")
    assert [(event.first_frame, event.frames, event.in_cut) for event in done.events] == [(0, 24, 0), (12, 18, 12)]
    assert [cut.frames for cut in done.cuts] == [30]


# Rates


def test_a_rate_is_never_made_up(footage: Path, card: Path, cut: Path, tmp_path: Path) -> None:
    done = pull(cut, [str(card)], tmp_path / "out")
    assert done.rate == "24/1"
    assert any("counted at 24" in note for note in done.notes)
    start = Timecode.from_string("05:00:00:00", 25)
    other = ClipSpec(name="C001C001", width=96, height=54, frames=10, rate=FrameRate(25, 1), start=start)
    shutil.copy2(cached_clip(other, footage), card)
    with pytest.raises(RateUnknown, match="the media count at 24, 25"):
        plan_pull(cut, [str(card)], tmp_path / "more")
    with pytest.raises(RateUnknown, match="neither do the media"):
        plan_pull(cut, [str(cut.parent / "out" / "ascmhl")], tmp_path / "more")


def test_another_rate_than_the_media_s(card: Path, cut: Path, tmp_path: Path) -> None:
    done = run(cut, card, tmp_path / "out", rate="25")
    assert done.exit_status == 7
    assert {event.status for event in done.events} == {"outside"}
    assert "counts at 24" in (done.events[0].reason or "")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


# What is not pulled


def test_what_ties_or_is_missing_is_told_and_the_rest_is_cut(footage: Path, card: Path, tmp_path: Path) -> None:
    twin = ClipSpec(name="A001C003_240101_R1AB", width=96, height=54, frames=48, start=ONE.start, reel="A001R1AB")
    silent = ClipSpec(name="D001C001", width=96, height=54, frames=48)
    for spec in (twin, silent):
        shutil.copy2(cached_clip(spec, footage), card)
    cut = write_list(
        tmp_path / "cut.edl",
        CUT[0],
        CUT[1],
        "A001R1AB V C 01:30:00:00 01:30:01:00",
        "D001C001 V C 00:00:00:00 00:00:01:00",
        "Z001 V C 02:00:00:00 02:00:01:00",
        "Z001 V C 12:00:00:00 12:00:01:00",
        "BL V C 00:00:00:00 00:00:01:00",
    )
    done = run(cut, card, tmp_path / "out")
    assert [event.status for event in done.events] == [
        *("tie", "cut", "outside", "no_timecode", "no_name", "not_found", "no_media"),
    ]
    assert done.exit_status == 12
    assert len(done.missing) == 5
    assert all(event.reason for event in done.missing)
    tie = by_event(done)["001"]
    assert "A001C001_240101_R1AB.mov" in str(tie.reason)
    assert "A001C003_240101_R1AB.mov" in str(tie.reason)
    mapping = tmp_path / "map.csv"
    mapping.write_text("event,use\n001,A001C003_240101_R1AB.mov\n")
    again = run(cut, card, tmp_path / "out", mapping=mapping)
    assert [event.status for event in again.events[:2]] == ["cut", "there"]
    assert again.events[0].evidence == ("mapping",)


def test_the_same_content_twice_is_no_tie(card: Path, cut: Path, tmp_path: Path) -> None:
    create_archive(tmp_path / "one.zip", [card], proxies=())
    create_archive(tmp_path / "two.zip", [card], proxies=())
    done = pull(cut, [str(tmp_path / "one.zip"), str(tmp_path / "two.zip")], tmp_path / "out", PullWishes(rate="24"))
    assert done.exit_status == 0
    assert all("one.zip" in str(event.clip) for event in done.events)


def test_nothing_at_all_is_there(cut: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run(cut, tmp_path / "empty", tmp_path / "out")
    assert {event.status for event in done.events} == {"not_found"}
    assert done.exit_status == 3
    gone = run(cut, tmp_path / "gone", tmp_path / "out")
    assert gone.exit_status == 3
    assert [failure.path for failure in gone.failed] == [str(tmp_path / "gone")]


def test_media_that_can_t_be_cut_by_timecode_is_told(footage: Path, tmp_path: Path) -> None:
    spec = replace(ODDITIES["vfr"], name="V001C001", start=Timecode.from_string("01:00:00:00", ODDITIES["vfr"].rate))
    source = media(tmp_path / "card", footage, spec)
    cut = tmp_path / "cut.edl"
    cut.write_text("001  V001C001 V C 01:00:00:00 01:00:00:04 01:00:00:00 01:00:00:04\n")
    done = run(cut, source, tmp_path / "out", rate=str(spec.rate))
    assert [event.status for event in done.events] == ["not_supported"]
    assert "different times" in str(done.events[0].reason)
    assert done.exit_status == 5


def test_truncated_media_does_not_keep_the_others_from_being_cut(card: Path, cut: Path, tmp_path: Path) -> None:
    create_archive(card, in_place=True, proxies=())
    clip = card / ONE.file_name
    with clip.open("r+b") as file:
        file.truncate(clip.stat().st_size // 2)
    done = run(cut, card, tmp_path / "out")
    assert [event.status for event in done.events] == ["failed", "cut", "cut"]
    assert "instead of the" in str(done.events[0].reason)
    assert done.exit_status == 12


def test_each_bad_event_is_told_and_the_others_are_cut(footage: Path, card: Path, tmp_path: Path) -> None:
    """Out before in, labels that do not exist, a jump in the timecode, no reel: a clear reason for each."""
    jumping = card / "J001C001.mov"
    jumping.write_bytes(movie(video(15, in_trak=[refers(3)]), timecode([1_080_000, 90_000], durations=[5, 10]), timescale=24))
    cut = tmp_path / "cut.edl"
    rows = [
        ("A001R1AB", "01:00:01:00", "01:00:00:10"),
        ("A001R1AB", "01:00:00:30", "01:00:01:10"),
        ("J001C001", "12:30:00:00", "12:30:00:04"),
        ("J001C001", "12:30:00:02", "12:30:00:08"),
        ("AX", "02:00:00:12", "02:00:01:12"),
        ("AX", "20:00:00:00", "20:00:01:00"),
        ("A001R1AB", "01:00:00:10", "01:00:01:00"),
    ]
    lines = [
        f"{number:03}  {reel} V C {first} {end} 10:00:0{number}:00 10:00:0{number}:14"
        for number, (reel, first, end) in enumerate(rows, 1)
    ]
    cut.write_text("\n".join(lines) + "\n")
    done = run(cut, card, tmp_path / "out")
    assert [event.status for event in done.events] == [
        *("not_found", "not_found", "cut", "not_supported", "cut", "not_found", "cut"),
    ]
    reasons = [str(event.reason) for event in done.events]
    assert "out point 01:00:00:10 lies before the in point" in reasons[0]
    assert "frames run from 0 to 23" in reasons[1]
    assert "not continuous" in reasons[3]
    assert done.events[4].evidence == ("only candidate",)
    assert "the event names none" in reasons[5]


def test_a_truncated_clip_outside_of_archives(card: Path, cut: Path, tmp_path: Path) -> None:
    clip = card / ONE.file_name
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    done = run(cut, card, tmp_path / "out")
    assert [event.status for event in done.events][1:] == ["cut", "cut"]
    assert done.events[0].status in ("not_found", "outside")
    assert any("truncated" in failure.reason for failure in done.failed)
    assert done.exit_status == 12


def test_media_that_changes_between_plan_and_cut(card: Path, cut: Path, tmp_path: Path) -> None:
    plan = plan_pull(cut, [str(card)], tmp_path / "out", PullWishes(rate="24"))
    os.utime(card / THREE.file_name, ns=(1, 1))
    done = apply_pull(plan)
    assert [event.status for event in done.events] == ["cut", "failed", "cut"]
    assert "changed since" in str(done.events[1].reason)
    assert done.exit_status == 12
    cut.write_text(cut.read_text().replace("01:00:00:10", "01:00:00:11"))
    with pytest.raises(SourceChanged, match=r"cut\.edl changed"):
        apply_pull(plan)


# Names


def test_names_that_clash_are_refused_before_anything_is_written(card: Path, cut: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="would both be called"):
        run(cut, card, tmp_path / "out", template="{reel}")
    with pytest.raises(UsageError):
        run(cut, card, tmp_path / "out", template="{shot}")
    assert not (tmp_path / "out").exists()
    done = run(cut, card, tmp_path / "out", template="{list}-{line}_{reel}")
    assert [event.output.name for event in done.events if event.output] == [
        *("cut-3_A001R1AB.mov", "cut-4_B001R2CD.mov", "cut-5_A001R1AB.mov"),
    ]


def test_a_file_where_the_cuts_are_to_go_is_told_before_anything_is_done(card: Path, cut: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"a letter")
    for place in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(Refused, match="out exists and is not a folder"):
            plan_pull(cut, [str(card)], place)


@pytest.mark.parametrize("taken", ["002_B001C001_240101_R2CD_02000012.mov", "002_B001C001_240101_R2CD_02000012.mov.json"])
def test_what_is_there_stays(taken: str, card: Path, cut: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / taken).write_bytes(b"mine")
    with pytest.raises(Refused, match="exists already"):
        run(cut, card, out)
    assert [path.name for path in out.iterdir()] == [taken]
    (out / taken).unlink()
    (out / "cut.pull.json").write_text("{}")
    with pytest.raises(Refused, match="no record of a pull"):
        run(cut, card, out)


def test_a_cut_that_was_changed_is_not_overwritten(card: Path, cut: Path, tmp_path: Path) -> None:
    run(cut, card, tmp_path / "out")
    clip = tmp_path / "out" / "002_B001C001_240101_R2CD_02000012.mov"
    clip.write_bytes(b"graded")
    with pytest.raises(Refused, match="exists already"):
        run(cut, card, tmp_path / "out")
    assert clip.read_bytes() == b"graded"


# Merging, changes, sound, sequences


def test_overlapping_ranges_of_a_clip_are_merged_where_asked(card: Path, tmp_path: Path) -> None:
    cut = write_list(
        tmp_path / "cut.edl",
        "A001R1AB V C 01:00:00:00 01:00:01:00",
        "A001R1AB V C 01:00:02:00 01:00:02:12",
        "A001R1AB V C 01:00:00:20 01:00:01:12",
        "A001R1AB V C 01:00:01:16 01:00:01:20",
    )
    apart = run(cut, card, tmp_path / "apart")
    assert len(apart.cuts) == 4
    done = run(cut, card, tmp_path / "out", merge=True, handles=2)
    assert [(cut.first_frame, cut.frames) for cut in done.cuts] == [(0, 62)]
    for event in done.events:
        assert event.output is not None
        assert event.in_cut is not None
        numbers = numbers_of(event.output)
        assert numbers[event.in_cut] == event.source_in
        assert set(expected_numbers(event)) <= set(numbers)


def test_only_what_a_new_cut_adds(card: Path, cut: Path, tmp_path: Path) -> None:
    run(cut, card, tmp_path / "first", handles=2)
    new = write_list(
        tmp_path / "new.edl",
        CUT[1],
        "A001R1AB V C 01:00:00:12 01:00:00:20",
        "A001R1AB V C 01:00:00:12 01:00:01:04",
        "A001R1AB V C 01:10:00:00 01:10:00:12",
    )
    done = run(new, card, tmp_path / "second", handles=2, changed_since=cut)
    assert [event.status for event in done.events] == ["unchanged", "unchanged", "cut", "cut"]
    assert len(done.cuts) == 2
    assert done.exit_status == 0
    none = run(cut, card, tmp_path / "third", handles=2, changed_since=cut)
    assert {event.status for event in none.events} == {"unchanged"}
    assert none.exit_status == 0


def test_recordings_that_ran_meanwhile_come_along(footage: Path, card: Path, cut: Path, tmp_path: Path) -> None:
    with_take(card, footage)
    cut = write_list(tmp_path / "cut.edl", "A001R1AB V C 01:00:00:10 01:00:01:10", CUT[1])
    without = run(cut, card, tmp_path / "without")
    assert len(without.cuts) == 2
    done = run(cut, card, tmp_path / "out", with_sound=True, handles=2)
    (take,) = [cut for cut in done.cuts if cut.output.endswith(".wav")]
    assert take.output == "001_A001C001_240101_R1AB_01000008_S001T001.wav"
    assert (take.first_frame, take.frames, take.start_timecode) == (0, 12, "01:00:01:00")
    facts = probe(tmp_path / "out" / take.output)
    assert str(facts.start_timecode) == "01:00:01:00"
    assert facts.audio[0].samples == 12 * 2000


def test_image_sequences_are_pulled_as_folders(footage: Path, tmp_path: Path) -> None:
    card = with_plate(tmp_path / "card", footage)
    cut = write_list(tmp_path / "cut.edl", "sh010 V C 03:00:00:04 03:00:00:10")
    done = run(cut, card, tmp_path / "out", handles=1)
    (event,) = done.events
    assert event.output == tmp_path / "out" / "001_sh010_03000003"
    assert sorted(path.name for path in event.output.iterdir()) == [PLATE.file_name(number) for number in range(3, 11)]
    assert (tmp_path / "out" / "001_sh010_03000003.json").exists()
    again = run(cut, card, tmp_path / "out", handles=1)
    assert again.events[0].status == "there"


def test_long_gop_clips_in_each_mode(footage: Path, tmp_path: Path) -> None:
    spec = ClipSpec(name="B001C007", codec="h264", gop=12, b_frames=2, width=128, height=72, frames=48, start=THREE.start)
    card = media(tmp_path / "card", footage, spec)
    cut = write_list(tmp_path / "cut.edl", "B001C007 V C 02:00:00:06 02:00:01:18")
    for mode, says in (("copy", "copy"), ("smart", "smart"), ("encode", "encode")):
        done = run(cut, card, tmp_path / mode, mode=Mode(mode))
        (event,) = done.events
        assert event.output is not None
        assert numbers_of(event.output) == list(range(6, 42))
        assert [(cut.mode, cut.stored_from) for cut in done.cuts] == [(says, 0 if mode == "copy" else 6)]
    assert run(cut, card, tmp_path / "smart", mode=Mode.SMART).events[0].status == "there"
    with pytest.raises(Refused, match="exists already"):
        run(cut, card, tmp_path / "smart", mode=Mode.ENCODE)


def test_lines_that_can_t_be_read_are_told(card: Path, cut: Path, tmp_path: Path) -> None:
    cut.write_text(cut.read_text() + "004  A001R1AB V C 01:00:00:10 01:00:01\n")
    done = run(cut, card, tmp_path / "out")
    assert done.exit_status == 12
    assert [event.status for event in done.events] == ["cut"] * 3
    assert "line 6 of" in done.failed[0].reason


def test_cuts_that_lie_among_the_sources_are_none(card: Path, cut: Path) -> None:
    first = run(cut, card, card / "pulled")
    again = run(cut, card, card / "pulled")
    assert [event.clip for event in again.events] == [event.clip for event in first.events]
    assert {event.status for event in again.events} == {"there"}
    other = run(write_list(card / "other.edl", CUT[0]), card, card / "pulled", template="x{event}")
    assert other.exit_status == 0


# The timeline, the hash lists


def test_the_timeline_plays_from_the_cuts(footage: Path, card: Path, tmp_path: Path) -> None:
    otio = pytest.importorskip("opentimelineio")
    with_plate(card, footage)
    cut = write_list(
        tmp_path / "cut.edl", *CUT, "sh010 V C 03:00:00:04 03:00:00:10", "Z001 V C 12:00:00:00 12:00:01:00"
    )
    done = run(cut, card, tmp_path / "out of it", handles=4)
    timeline = otio.adapters.read_from_file(str(done.timeline))
    clips = list(timeline.find_clips())
    assert len(clips) == 5
    for clip, event in zip(clips, done.events[:3], strict=False):
        reference, wanted = clip.media_reference, clip.trimmed_range()
        assert reference.available_range.contains(wanted) or event.tail_handle == 0
        path = path_of(reference.target_url)
        assert path == event.output
        first = int((wanted.start_time - reference.available_range.start_time).value)
        with FileSource(path) as source:
            frames = list(decode_frames(source, index=index(source), start=first, count=int(wanted.duration.value)))
        codes = [read_frame_code(rgb_of(frame.frame)) for frame in frames if frame.frame is not None]
        assert [code.timecode_frames for code in codes if code] == list(
            range(int(wanted.start_time.value), int(wanted.end_time_exclusive().value))
        )
    images = clips[3].media_reference
    assert isinstance(images, otio.schema.ImageSequenceReference)
    wanted = clips[3].trimmed_range()
    for offset in range(int(wanted.duration.value)):
        number = images.frame_for_time(wanted.start_time + otio.opentime.RationalTime(offset, 24))
        url = images.target_url_for_image_number(number - images.start_frame)
        assert path_of(url).name == PLATE.file_name(4 + offset)
        assert path_of(url).exists()
    assert isinstance(clips[4].media_reference, otio.schema.MissingReference)


# Going on


def test_the_same_command_again_changes_nothing(card: Path, cut: Path, tmp_path: Path) -> None:
    run(cut, card, tmp_path / "out")
    before = state(tmp_path / "out")
    done = run(cut, card, tmp_path / "out")
    assert {event.status for event in done.events} == {"there"}
    assert (done.bytes, done.exit_status, done.hash_list) == (0, 0, None)
    assert state(tmp_path / "out") == before


def test_what_failed_is_made_up_for(card: Path, cut: Path, tmp_path: Path) -> None:
    shutil.move(card / THREE.file_name, tmp_path)
    done = run(cut, card, tmp_path / "out")
    assert done.exit_status == 12
    shutil.move(tmp_path / THREE.file_name, card)
    again = run(cut, card, tmp_path / "out")
    assert [event.status for event in again.events] == ["there", "cut", "there"]
    assert again.exit_status == 0


def kill_at_calls(card: Path, cut: Path, out: Path, step: int) -> None:
    def work() -> None:
        run(cut, card, out, workers=1, handles=2)

    with counting() as calls:
        work()
    expected = state(out)
    assert len(calls) > 20
    for number in range(0, len(calls), step):
        for when in Kill:
            shutil.rmtree(out)

            def killed(number: int = number, when: Kill = when) -> None:
                with failing(number, when):
                    work()

            assert not crash.run(killed).finished
            for path in out.rglob("*.mov") if out.exists() else ():
                if not path.name.startswith("."):
                    assert numbers_of(path), path
            work()
            assert state(out) == expected, (number, calls[number], when)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs fork")
def test_a_run_that_is_killed_is_finished_by_the_same_command(card: Path, cut: Path, tmp_path: Path) -> None:
    kill_at_calls(card, cut, tmp_path / "out", 13)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs fork")
def test_what_a_killed_run_has_left_is_removed_on_request(card: Path, footage: Path, tmp_path: Path) -> None:
    """And nothing else: what an earlier run finished stays, and so does what others put there."""
    with_plate(card, footage)
    out, cut = tmp_path / "out", write_list(tmp_path / "cut.edl", CUT[0])
    run(cut, card, out)
    (out / "notes.txt").write_text("mine")
    finished = state(out)
    write_list(cut, *CUT, "sh010 V C 03:00:00:04 03:00:00:10")
    with counting() as calls:
        run(cut, card, tmp_path / "other", workers=1)
    left = 0
    for number in range(3, len(calls), 9):

        def killed(number: int = number) -> None:
            with failing(number, Kill.BEFORE):
                run(cut, card, out, workers=1)

        if crash.run(killed).finished:
            continue
        journal = journal_path(out, cut).exists()
        left += journal
        assert abandon_pull(cut, out) is journal
        assert not abandon_pull(cut, out)
        there = state(out)
        if there.get("cut.pull.json") != finished["cut.pull.json"]:
            break  # it was killed when all was done: the record names it all, and it stays
        assert {name for name in there if not name.startswith(("ascmhl", "cut.pull.otio"))} == {
            name for name in finished if not name.startswith(("ascmhl", "cut.pull.otio"))
        }, number
    assert left > 3


@pytest.mark.nightly
@pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs fork")
def test_a_run_that_is_killed_at_each_call(card: Path, cut: Path, tmp_path: Path) -> None:
    kill_at_calls(card, cut, tmp_path / "out", 1)


def test_a_full_disk(card: Path, cut: Path, tmp_path: Path) -> None:
    with tmpfs(tmp_path / "small", "size=4m") as mount:
        room = sum(path.stat().st_size for path in card.iterdir()) // 4
        (mount / "ballast").write_bytes(bytes(shutil.disk_usage(mount).free - room))
        done = run(cut, card, mount / "out", workers=1)
        assert "failed" in {event.status for event in done.events}
        assert any("missing" in str(event.reason) for event in done.events)
        (mount / "ballast").unlink()
        assert run(cut, card, mount / "out").exit_status == 0
        assert not [path for path in (mount / "out").rglob("*") if ".film-archive-" in path.name]


# The command line


def test_the_command(card: Path, cut: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cut.write_text(cut.read_text() + "009  Z001 V C 12:00:00:00 12:00:01:00 11:00:00:00 11:00:01:00\n")
    arguments = ("pull", cut, card, "-o", tmp_path / "out", "--handles", 8, "--rate", 24)
    dry = film_archive(capfd, *arguments, "--dry-run")
    assert dry.status == 12
    assert "Would pull 3 cuts" in dry.output
    assert "Missing:" in dry.output
    assert not (tmp_path / "out").exists()
    ran = film_archive(capfd, *arguments, "--json")
    assert ran.status == 12
    events = ran.document["events"]
    assert [event["status"] for event in events] == ["cut", "cut", "cut", "not_found"]
    assert {"event", "clip", "status", "output", "first_frame", "frames", "reason"} <= set(events[0])
    assert ran.document["bytes"] > 0
    assert ran.document["seconds"] >= 0
    again = film_archive(capfd, *arguments)
    assert "there already: 3 events; failed: 1 event." in again.output
    assert "009" in again.output


def test_wishes_that_make_no_sense(card: Path, cut: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for wrong in (("--handles", -1), ("--names", "{x}"), ("--rate", "fast"), ("--mapping", cut)):
        ran = film_archive(capfd, "pull", cut, card, "-o", tmp_path / "out", *wrong)
        assert ran.status in (2, 11), wrong
    ran = film_archive(capfd, "pull", cut, card, "-o", tmp_path / "out", "--mapping", tmp_path / "gone")
    assert ran.status == 3
    assert not (tmp_path / "out").exists()


