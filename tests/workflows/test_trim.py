"""Trimmed bundles: every frame where the timeline says, told by the pictures themselves."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from film_archive.core.errors import OutOfRange, UsageError
from film_archive.core.ladder import parse_sizes
from film_archive.core.timecode import Timecode
from film_archive.testing.media import ClipSpec, cached_clip
from film_archive.workflows.bundle_checking import check_bundle
from film_archive.workflows.bundle_reading import read_bundle
from film_archive.workflows.bundling import BundlePlan, apply_bundle, as_planned, plan_bundle, write_bundle
from film_archive.workflows.timelines import Cut
from tests.archive.making import noise
from tests.cli.running import film_archive
from tests.reading import codes_of
from tests.workflows.making import check, contents, write_tree

RationalTime, TimeRange = otio.opentime.RationalTime, otio.opentime.TimeRange
HOUR = 86400
SPEC = ClipSpec(name="c", width=320, height=180, frames=120, start=Timecode.from_string("01:00:00:00", 24))


def span(start: float, count: float, rate: float = 24) -> Any:
    return TimeRange(RationalTime(start, rate), RationalTime(count, rate))


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cached_clip(SPEC, tmp_path_factory.mktemp("trim"))


def shot(media: Path, name: str, start: float, count: float, *, available: Any = (HOUR, 120), **more: Any) -> Any:
    """A clip that shows `count` frames from frame `start` of the medium on."""
    reference = otio.schema.ExternalReference(media.as_uri(), None if available is None else span(*available))
    begin = HOUR if available is None else available[0]
    return otio.schema.Clip(name, reference, span(begin + start, count), **more)


def dissolve(before: float, after: float) -> Any:
    return otio.schema.Transition(in_offset=RationalTime(before, 24), out_offset=RationalTime(after, 24))


def write(folder: Path, *pieces: Any, handles: int = 0, **more: Any) -> Any:
    """(the report, the clips as OTIO reads them from the bundle, extracted)."""
    timeline = otio.schema.Timeline("t", tracks=[otio.schema.Track("V1", children=list(pieces))])
    otio.adapters.write_to_file(timeline, str(folder / "t.otio"))
    done = write_bundle(Cut(folder / "t.otio"), folder / "t.otioz", handles=handles, **more)
    read = read_bundle(folder / "t.otioz", folder / "out", relink=True)
    return done, list(otio.adapters.read_from_file(str(read.timeline)).find_clips())


def shown(clip: Any) -> list[Any]:
    """The codes of the frames that a clip shows at normal speed, found as any OTIO program finds them."""
    reference = clip.media_reference
    path = Path(otio.url_utils.filepath_from_url(reference.target_url))
    first = clip.source_range.start_time - reference.available_range.start_time
    codes = codes_of(path)
    assert reference.available_range.duration.to_frames() == len(codes)
    return codes[first.to_frames() : first.to_frames() + clip.source_range.duration.to_frames()]


def codes(first: int, end: int) -> list[Any]:
    return [SPEC.code(number) for number in range(first, end)]


@pytest.mark.parametrize("available", [(HOUR, 120), (0, 120), None])
def test_every_frame_is_where_the_timeline_says(tmp_path: Path, media: Path, available: Any) -> None:
    done, (one, two) = write(
        tmp_path, shot(media, "a", 10, 20, available=available), shot(media, "b", 80, 5, available=available), handles=3
    )
    assert shown(one) == codes(10, 30)
    assert shown(two) == codes(80, 85)
    assert [(each.first_frame, each.frames, each.used_frames, each.of_frames) for each in done.trimmed] == [
        (7, 26, 20, 120),
        (77, 11, 5, 120),
    ]
    assert done.media_bytes < media.stat().st_size / 2
    assert check(tmp_path / "t.otioz").ok
    assert check_bundle(tmp_path / "t.otioz").ok


def test_ranges_that_touch_with_their_handles_are_one_cut(tmp_path: Path, media: Path) -> None:
    done, clips = write(tmp_path, shot(media, "a", 40, 10), shot(media, "b", 20, 12), shot(media, "c", 45, 3), handles=4)
    assert [(each.first_frame, each.frames) for each in done.trimmed] == [(16, 38)]
    assert [shown(clip) for clip in clips] == [codes(40, 50), codes(20, 32), codes(45, 48)]
    assert len({clip.media_reference.target_url for clip in clips}) == 1


def test_handles_end_where_the_media_do(tmp_path: Path, media: Path) -> None:
    done, clips = write(tmp_path, shot(media, "a", 2, 5), shot(media, "z", 110, 10), handles=6)
    assert [(each.first_frame, each.frames) for each in done.trimmed] == [(0, 13), (104, 16)]
    assert [shown(clip) for clip in clips] == [codes(2, 7), codes(110, 120)]


def test_speed_and_transitions_take_what_they_need(tmp_path: Path, media: Path) -> None:
    """At twice the speed 10 frames take 20, and a dissolve of 4 before takes 8 more; a freeze takes one."""
    fast = otio.schema.LinearTimeWarp(time_scalar=2.0)
    backwards = otio.schema.LinearTimeWarp(time_scalar=-1.0)
    done, _ = write(
        tmp_path,
        shot(media, "a", 0, 5),
        dissolve(4, 3),
        shot(media, "fast", 40, 10, effects=[fast]),
        shot(media, "frozen", 80, 30, effects=[otio.schema.FreezeFrame()]),
        shot(media, "back", 100, 10, effects=[backwards]),
    )
    assert [(each.first_frame, each.frames) for each in done.trimmed] == [(0, 8), (32, 28), (80, 1), (100, 10)]


def test_the_original_is_known_from_the_metadata_and_all_else_is_as_it_was(tmp_path: Path, media: Path) -> None:
    piece = shot(media, "a", 10, 5, metadata={"show": {"id": 7}})
    piece.markers.append(otio.schema.Marker("m", span(2, 1)))
    piece.media_reference.metadata["camera"] = "B"
    _, (clip,) = write(tmp_path, piece)
    kept = json.loads(clip.media_reference.to_json_string())["metadata"]["film-archive"]["trimmed_from"]
    assert (kept["target_url"], kept["file"], kept["size"]) == (media.as_uri(), media.name, media.stat().st_size)
    assert (kept["start_timecode"], kept["frames"], kept["first_frame"]) == ("01:00:00:00", 120, 10)
    assert kept["available_range"]["duration"]["value"] == 120
    assert clip.media_reference.metadata["camera"] == "B"
    assert (clip.markers[0].name, clip.metadata["show"]["id"], clip.source_range) == ("m", 7, piece.source_range)


def test_what_is_used_from_end_to_end_goes_in_whole(tmp_path: Path, media: Path) -> None:
    done, (clip,) = write(tmp_path, shot(media, "a", 0, 120))
    assert done.trimmed == ()
    assert Path(otio.url_utils.filepath_from_url(clip.media_reference.target_url)).read_bytes() == media.read_bytes()


def test_what_cannot_be_cut_goes_in_whole_and_is_said(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "m", {"x.mov": noise(5000, 1)})
    done, (clip,) = write(tmp_path, shot(folder / "x.mov", "a", 10, 5))
    assert done.trimmed == ()
    assert "media/x.mov goes in whole" in done.warnings[0]
    assert clip.media_reference.available_range.duration.value == 120


def test_a_clip_that_shows_nothing_of_its_media_is_refused(tmp_path: Path, media: Path) -> None:
    with pytest.raises(OutOfRange, match=r"'?a'? shows frames 200 to 204"):
        write(tmp_path, shot(media, "a", 200, 5))
    assert sorted(place.name for place in tmp_path.iterdir()) == ["t.otio"]


def test_a_clip_that_shows_more_than_there_is_gets_what_there_is(tmp_path: Path, media: Path) -> None:
    done, _ = write(tmp_path, shot(media, "a", 110, 20))
    assert [(each.first_frame, each.frames) for each in done.trimmed] == [(110, 10)]
    assert "more than" in done.warnings[0]


def test_the_used_images_of_a_sequence(tmp_path: Path) -> None:
    """Of every second image from 1001 on, those that are shown and a handle on each side."""
    folder = write_tree(tmp_path / "m", {f"p.{number}.bmp": noise(99, number) for number in range(1001, 1061)})
    reference = otio.schema.ImageSequenceReference(
        folder.as_uri(), "p.", ".bmp", 1001, 2, 12, 4, available_range=TimeRange(RationalTime(0, 24), RationalTime(60, 24))
    )
    assert reference.number_of_images_in_sequence() == 15
    wanted = [reference.target_url_for_image_number(number) for number in range(15)]
    done, (clip,) = write(tmp_path, otio.schema.Clip("s", reference, span(20, 12)), handles=1)
    found = clip.media_reference
    first = found.available_range.start_time.value * 15 / 60
    urls = [found.target_url_for_image_number(number) for number in range(found.number_of_images_in_sequence())]
    assert [Path(url).name for url in urls] == [Path(url).name for url in wanted[int(first) : int(first) + len(urls)]]
    assert (int(first), len(urls)) == (4, 5)
    assert done.media == 5
    assert {Path(name).name for name in contents(tmp_path / "t.otioz") if name.startswith("media/")} == {
        Path(url).name for url in urls
    }
    assert check_bundle(tmp_path / "t.otioz").ok


def test_an_image_that_is_referenced_by_itself_stays(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "m", {f"p.{number}.bmp": noise(99, number) for number in range(1001, 1011)})
    sequence = otio.schema.ImageSequenceReference(folder.as_uri(), "p.", ".bmp", 1001, 1, 24, 4, available_range=span(0, 10))
    still = otio.schema.ExternalReference((folder / "p.1009.bmp").as_uri(), span(0, 1))
    write(tmp_path, otio.schema.Clip("s", sequence, span(2, 3)), otio.schema.Clip("still", still, span(0, 1)))
    assert {name for name in contents(tmp_path / "t.otioz") if name.startswith("media/")} == {
        f"media/p.{number}.bmp" for number in (1003, 1004, 1005, 1009)
    }


def test_ntsc_rates_lose_no_frame(tmp_path: Path) -> None:
    """Times as decimals of 24000/1001, as programs write them."""
    start = Timecode.from_string("10:00:00:00", Fraction(24000, 1001))
    spec = ClipSpec(name="n", width=96, height=54, frames=60, rate=Fraction(24000, 1001), start=start)
    media = cached_clip(spec, tmp_path)
    rate, zero = 23.976023976023978, start.total_frames
    reference = otio.schema.ExternalReference(media.as_uri(), span(zero, 60, rate))
    done, _ = write(tmp_path, otio.schema.Clip("a", reference, span(zero + 11, 13, rate)))
    assert [(each.first_frame, each.frames) for each in done.trimmed] == [(11, 13)]


def test_plans_proxies_and_the_command_line(tmp_path: Path, media: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, shot(media, "a", 10, 20))
    cut = Cut(tmp_path / "t.otio")
    plan = plan_bundle(cut, tmp_path / "p.otioz", handles=2, proxies=parse_sizes("thumbnail"))
    assert BundlePlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert as_planned(plan).trimmed == plan.trimmed
    assert as_planned(plan).media_bytes == plan.steps[0].size
    assert apply_bundle(plan).proxies == 1
    (clip,) = otio.adapters.read_from_file(str(tmp_path / "p.otioz")).find_clips()
    assert clip.media_references()["thumbnail"].available_range.duration.value == 24
    arguments = ("bundle", "write", cut.path, tmp_path / "c.otioz", "--handles", 2)
    assert film_archive(capfd, *arguments).status == 2
    assert film_archive(capfd, *arguments, "--trim", "--json").document["trimmed"][0]["frames"] == 24
    with pytest.raises(UsageError):
        plan_bundle(cut, tmp_path / "x.otioz", handles=-1)
