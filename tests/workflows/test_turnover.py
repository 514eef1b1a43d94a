"""Packages made of lists: the right frames of the right media, whichever archive they lie in."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from film_archive.bundles.policy import MediaReferencePolicy
from film_archive.core.errors import NotFound, RateUnknown, Refused, SourceChanged
from film_archive.core.timecode import Timecode
from film_archive.testing import crash, faults
from film_archive.testing.media import ClipSpec, cached_clip
from film_archive.testing.stills import cached_sequence
from film_archive.workflows.bundle_checking import check_bundle
from film_archive.workflows.bundle_reading import read_bundle
from film_archive.workflows.bundling import apply_bundle
from film_archive.workflows.production import create_archive
from film_archive.workflows.pull import PullWishes, plan_pull
from film_archive.workflows.turnover import Turnover, plan_turnover
from tests.cli.running import film_archive
from tests.reading import codes_of
from tests.workflows.pulling import CLIPS, ONE, PLATE, TAKE, path_of, with_plate, with_take, write_list
from tests.workflows.pulling import media as card_of

A = ClipSpec(name="A001C001", reel="A001C001", width=320, height=180, frames=96, start=Timecode.from_string("01:00:00:00", 24))
B = ClipSpec(name="B002C004", reel="B002C004", width=320, height=180, frames=72, start=Timecode.from_string("05:00:00:00", 24))

EDL = """TITLE: REEL 3
FCM: NON-DROP FRAME
001  A001C001 V     C        01:00:00:10 01:00:01:10 01:00:00:00 01:00:01:00
* FROM CLIP NAME: A001C001.mov
002  A001C001 V     C        01:00:01:10 01:00:01:10 01:00:01:00 01:00:01:00
002  B002C004 V     D    012 05:00:00:04 05:00:01:04 01:00:01:00 01:00:02:00
003  B002C004 V     C        05:00:02:00 05:00:02:20 01:00:02:00 01:00:02:20
004  BL       V     C        00:00:00:00 00:00:01:00 01:00:02:20 01:00:03:20
"""


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("turnover")
    return cached_clip(A, folder), cached_clip(B, folder)


@pytest.fixture
def edl(tmp_path: Path) -> Path:
    (tmp_path / "reel3.edl").write_text(EDL)
    return tmp_path / "reel3.edl"


def shown(clip: Any) -> list[Any]:
    reference = clip.media_reference
    codes = codes_of(Path(otio.url_utils.filepath_from_url(reference.target_url)))
    assert reference.available_range.duration.to_frames() == len(codes)
    first = (clip.source_range.start_time - reference.available_range.start_time).to_frames()
    return codes[first : first + clip.source_range.duration.to_frames()]


def find_clips(path: Path) -> list[Any]:
    return list(otio.adapters.read_from_file(str(path)).find_clips())


def codes(spec: ClipSpec, first: int, end: int) -> list[Any]:
    return [spec.code(number) for number in range(first, end)]


@pytest.mark.parametrize("form", ["otioz", "otiod"])
@pytest.mark.parametrize("kind", ["files", "folder", "archives"])
def test_every_event_shows_its_frames(tmp_path: Path, media: tuple[Path, Path], edl: Path, kind: str, form: str) -> None:
    sources = [str(each) for each in media]
    if kind == "folder":
        sources = [str(media[0].parent.parent)]
    elif kind == "archives":
        for number, each in enumerate(media):
            create_archive(tmp_path / f"{number}.zip", [each], proxies=())
        sources = [str(tmp_path / f"{number}.zip") for number in range(2)]
    plan = plan_turnover(Turnover(edl, sources, "24", handles=4), tmp_path / f"t.{form}")
    assert not (tmp_path / f"t.{form}").exists()
    done = apply_bundle(plan)
    assert [each.status for each in done.events][2:] == ["matched", "matched", "no_media"]
    read = read_bundle(tmp_path / f"t.{form}", tmp_path / "out", relink=True)
    found = [shown(clip) for clip in find_clips(read.timeline)]
    assert codes(A, 10, 34) in found
    assert codes(B, 4, 28) in found
    assert codes(B, 48, 68) in found
    assert check_bundle(tmp_path / f"t.{form}").ok
    tracks = json.loads(read.timeline.read_text())["tracks"]["children"]
    media_of = [piece["media_reference"] for track in tracks for piece in track["children"] if "media_reference" in piece]
    kept = [each["metadata"]["film-archive"]["trimmed_from"] for each in media_of]
    assert {(each["file"], each["frames"], each["reel"]) for each in kept} == {
        (f"{spec.name}.mov", spec.frames, spec.reel) for spec in (A, B)
    }
    # The dissolve shows 12 frames of what goes out behind its written end.
    assert [(each.first_frame, each.frames) for each in done.trimmed] == [(6, 44), (0, 32), (44, 28)]
    assert done.media_bytes < sum(each.stat().st_size for each in media)


def test_whole_media_where_trimming_is_not_asked_for(tmp_path: Path, media: tuple[Path, Path], edl: Path) -> None:
    create_archive(tmp_path / "a.zip", list(media), proxies=())
    done = apply_bundle(plan_turnover(Turnover(edl, [str(tmp_path / "a.zip")], "24"), tmp_path / "t.otioz"))
    assert (done.media, done.trimmed) == (2, ())
    assert done.media_bytes == sum(each.stat().st_size for each in media)
    read = read_bundle(tmp_path / "t.otioz", tmp_path / "out", relink=True)
    assert codes(A, 10, 34) in [shown(clip) for clip in otio.adapters.read_from_file(str(read.timeline)).find_clips()]


def test_events_without_media_are_refused_or_missing(tmp_path: Path, media: tuple[Path, Path], edl: Path) -> None:
    with pytest.raises(NotFound, match="event 003"):
        plan_turnover(Turnover(edl, [str(media[0])], "24", 0), tmp_path / "t.otioz")
    missing = MediaReferencePolicy.MISSING_IF_NOT_FILE
    done = apply_bundle(plan_turnover(Turnover(edl, [str(media[0])], "24", 0, missing), tmp_path / "t.otioz"))
    assert "event 003" in {each.url for each in done.missing}
    references = [clip.media_reference for clip in otio.adapters.read_from_file(str(tmp_path / "t.otioz")).find_clips()]
    assert any(isinstance(each, otio.schema.MissingReference) for each in references)


def test_the_rate_is_the_medias_where_all_count_alike(tmp_path: Path, media: tuple[Path, Path], edl: Path) -> None:
    assert plan_turnover(Turnover(edl, [str(each) for each in media]), tmp_path / "t.otioz").steps
    with pytest.raises(RateUnknown):
        plan_turnover(Turnover(edl, []), tmp_path / "t.otioz")
    with pytest.raises(NotFound, match="nothing"):
        plan_turnover(Turnover(edl, [str(tmp_path / "nothing")]), tmp_path / "t.otioz")


def test_a_source_that_changed_since_is_refused(tmp_path: Path, media: tuple[Path, Path], edl: Path) -> None:
    own = tmp_path / "A001C001.mov"
    own.write_bytes(media[0].read_bytes())
    plan = plan_turnover(Turnover(edl, [str(own), str(media[1])], "24", 0), tmp_path / "t.otioz")
    own.write_bytes(media[0].read_bytes() + b"more")
    with pytest.raises(SourceChanged):
        apply_bundle(plan)
    assert not (tmp_path / "t.otioz").exists()


def test_the_command_line(
    tmp_path: Path, media: tuple[Path, Path], edl: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Several sources may stand behind one --sources."""
    out = tmp_path / "t.otioz"
    words = ("bundle", "write", "--from-edl", edl, "--sources", *media, "--trim", "--handles", 2, "--rate", 24, out, "--json")
    document = film_archive(capfd, *words).document
    keys = {"event", "line", "clip", "status", "reason", "evidence", "first_frame", "frames", "head_handle", "tail_handle"}
    assert keys == document["events"][0].keys()
    assert film_archive(capfd, *words).status == 4
    assert film_archive(capfd, "bundle", "write", "--from-edl", edl, tmp_path / "u.otioz").status == 2
    assert film_archive(capfd, "bundle", "write", edl).status == 2
    assert film_archive(capfd, "bundle", "write", edl, tmp_path / "u.otioz", "--with-sound").status == 2
    with pytest.raises(Refused):
        plan_turnover(Turnover(edl, [str(each) for each in media], "24"), out)


# What a pull finds, a package has


WIDE = (
    "A001R1AB V C 01:00:00:10 01:00:01:00",
    "B001R2CD V C 02:00:00:12 02:00:01:12",
    "A001R1AB V C 01:30:00:00 01:30:01:00",
    "Z001 V C 02:00:00:00 02:00:00:12",
    "A001R1AB V C 01:00:01:00 01:00:02:00 | 12\nM2 A001R1AB 048.0 01:00:01:00",
    "BL V C 00:00:00:00 00:00:01:00",
    "sh010 V C 03:00:00:04 03:00:00:10",
    "S001T001 A C 01:00:01:12 01:00:02:00",
    "B001R2CD V C 02:00:01:20 02:00:02:04",
)


@pytest.mark.parametrize("form", ["folder", "archive"])
def test_what_a_pull_matches_a_package_has(footage: Path, tmp_path: Path, form: str) -> None:
    source = with_take(with_plate(card_of(tmp_path / "card", footage), footage), footage)
    cut = write_list(tmp_path / "cut.edl", *WIDE)
    mapping = tmp_path / "map.csv"
    mapping.write_text(f"event,use\n004,{CLIPS[2].name}.mov\n")
    if form == "archive":
        create_archive(tmp_path / "card.zip", [source], proxies=())
        source = tmp_path / "card.zip"
    pulled = plan_pull(cut, [str(source)], tmp_path / "out", PullWishes(rate="24", handles=3, mapping=mapping))
    asked = Turnover(
        cut, [str(source)], "24", 3, MediaReferencePolicy.MISSING_IF_NOT_FILE, mapping, with_sound=True
    )
    plan = plan_turnover(asked, tmp_path / "t.otioz")
    same = ("event", "line", "clip", "first_frame", "frames", "head_handle", "tail_handle", "evidence", "reason")
    for event, listed in zip(pulled.events, plan.events, strict=True):
        assert [getattr(event, name) for name in same] == [getattr(listed, name) for name in same]
        assert (event.status == "planned") == (listed.status == "matched")
    assert [event.status for event in plan.events if event.status != "matched"] == ["outside", "no_media", "outside"]
    assert plan.events[3].evidence == ("mapping",)
    done = apply_bundle(plan)
    read = read_bundle(tmp_path / "t.otioz", tmp_path / "read", relink=True)
    timeline = otio.adapters.read_from_file(str(read.timeline))
    images = [clip for clip in timeline.find_clips() if isinstance(clip.media_reference, otio.schema.ImageSequenceReference)]
    (clip,) = images
    for offset in range(6):
        number = clip.media_reference.frame_for_time(clip.trimmed_range().start_time + otio.opentime.RationalTime(offset, 24))
        place = path_of(clip.media_reference.target_url_for_image_number(number - clip.media_reference.start_frame))
        assert place.name == PLATE.file_name(4 + offset)
        assert place.is_file()
    assert len(list((tmp_path / "read" / "media").glob(f"{PLATE.name}*"))) == 6 + 2 * 3
    sound = [clip for clip in timeline.find_clips() if path_of(getattr(clip.media_reference, "target_url", "")).suffix == ".wav"]
    assert [clip.trimmed_range().duration.to_frames() for clip in sound] == [12]
    taken = [member for member in (tmp_path / "read" / "sound").iterdir() if TAKE.name in member.name]
    assert taken
    assert ONE.name in str(sorted(taken)[0])
    assert check_bundle(tmp_path / "t.otioz").problems == ()
    assert done.exit_status == 0


def test_a_bundle_is_a_source_too(tmp_path: Path, media: tuple[Path, Path], edl: Path) -> None:
    """Bundles keep no facts of their media; they are looked into."""
    apply_bundle(plan_turnover(Turnover(edl, [str(each) for each in media], "24"), tmp_path / "first.otioz"))
    plan = plan_turnover(Turnover(edl, [str(tmp_path / "first.otioz")], "24", handles=4), tmp_path / "second.otiod")
    done = apply_bundle(plan)
    assert [(each.first_frame, each.frames) for each in done.trimmed] == [(6, 44), (0, 32), (44, 28)]
    assert check_bundle(tmp_path / "second.otiod").ok


def test_clips_and_sequences_of_one_name_get_others(footage: Path, tmp_path: Path) -> None:
    sources = []
    for number, start in enumerate(("03:00:00:00", "04:00:00:00")):
        folder = tmp_path / str(number)
        folder.mkdir()
        spec = replace(PLATE, start=Timecode.from_string(start, 24))
        for path in cached_sequence(spec, footage):
            shutil.copy2(path, folder)
        clip = replace(ONE, start=Timecode.from_string(f"1{number}:00:00:00", 24))
        shutil.copy2(cached_clip(clip, footage), folder)
        sources.append(str(folder))
    cut = write_list(
        tmp_path / "cut.edl",
        "sh010 V C 03:00:00:04 03:00:00:10",
        "sh010 V C 04:00:00:04 04:00:00:10",
        "A001R1AB V C 10:00:00:04 10:00:00:10",
        "A001R1AB V C 11:00:00:04 11:00:00:10",
    )
    done = apply_bundle(plan_turnover(Turnover(cut, sources, "24", 0), tmp_path / "t.otiod"))
    assert (done.media, len({each.member for each in done.trimmed})) == (14, 4)
    assert check_bundle(tmp_path / "t.otiod").ok
    clips = list(otio.adapters.read_from_file(str(tmp_path / "t.otiod" / "content.otio")).find_clips())
    assert len({clip.media_reference.name_prefix for clip in clips[:2]}) == 2
    assert {str(clip.media_reference.start_frame) in PLATE.file_name(4) for clip in clips[:2]} == {True}
    assert len({clip.media_reference.target_url for clip in clips[2:]}) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs fork")
@pytest.mark.parametrize("step", [41, pytest.param(3, marks=pytest.mark.nightly)])
def test_a_killed_run_is_completed_by_the_same_command(footage: Path, tmp_path: Path, step: int) -> None:
    """Parts of movies, of a take, and of a sequence, out of an archive."""
    source = with_take(with_plate(card_of(tmp_path / "card", footage), footage), footage)
    create_archive(tmp_path / "card.zip", [source], proxies=())
    cut = write_list(tmp_path / "cut.edl", WIDE[0], WIDE[6], WIDE[7])
    folder = tmp_path / "job"
    target = folder / "t.otioz"

    def work() -> None:
        apply_bundle(plan_turnover(Turnover(cut, [str(tmp_path / "card.zip")], "24", 2), target))

    folder.mkdir()
    with faults.counting() as calls:
        work()
    expected = {path.name: path.read_bytes() for path in folder.iterdir()}
    for number in range(0, len(calls), step):
        shutil.rmtree(folder)
        folder.mkdir()

        def killed(number: int = number) -> None:
            with faults.failing(number, faults.Kill.AFTER):
                work()

        assert not crash.run(killed).finished
        assert not target.exists() or check_bundle(target).ok
        try:
            work()
        except Refused:
            assert target.exists()
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == expected, (number, calls[number])
