"""The whole ingest over small real clips: what is in the shot tree, which frame is which, and everything that goes wrong."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ded_io import FootageIngestPipeline, cli
from ded_io.models import EditorialCutInfo, ProcessingResult, ShotInfo
from ded_io.plate_manifest import problems, read_manifest
from ded_io.settings import Engine, Resolution, Settings
from ded_io.shot_tree import Place
from ded_io.stages import PipelineStage
from ded_io.telling import ending_lines
from ded_io.tools import program
from film_archive.core.errors import NotFound, NotSupported, UsageError
from film_archive.core.source import FileSource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.testing.media import ClipSpec, cached_clip, read_frame_code
from film_archive.testing.stills import SequenceSpec, make_sequence
from tests.ded_io.exporter import stand_in

FILM = FrameRate(24)
START = Timecode.from_string("01:00:00:00", FILM)
CLIP = ClipSpec(name="A001C001_240911L8", profile="422 HQ", frames=40, start=START, reel="A001")
FRAMES = SequenceSpec(name="A002C001_240911ZZ", width=160, height=90, frames=30, start=START, reel="A002", first_number=100)
VERSION = "sht100_pla_rawPlate_v001"


@pytest.fixture
def clip(footage: Path) -> Path:
    return cached_clip(CLIP, footage)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("KITSU_HOST", "OCIO"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FILM_ARCHIVE_STATE", str(tmp_path / "state"))
    return dataclasses.replace(
        Settings.defaults(),
        shot_tree_root=tmp_path / "shots",
        temp_dir=tmp_path / "work",
        resolution=Resolution(320, 180),
        proxy_resolution=Resolution(160, 90),
        squeeze=Fraction(1),
        exr_compression="zip",
        jobs=2,
    )


@pytest.fixture
def ingest(settings: Settings, clip: Path) -> Callable[..., dict[str, Any]]:
    def run(source: Path = clip, in_point: int | str = 10, out_point: int | str = 13, **more: Any) -> dict[str, Any]:
        changed = {name: more.pop(name) for name in list(more) if name in Settings.__slots__ and name != "source_colorspace"}
        pipeline = FootageIngestPipeline("film", settings=dataclasses.replace(settings, **changed))
        return pipeline.ingest_shot("sht", "100", source, in_point, out_point, **more)

    return run


def required(name: str) -> str:
    """The path of a program of others; without it the test skips, and says so."""
    try:
        return program(name, name)
    except NotSupported as error:
        pytest.skip(str(error))


def container(settings: Settings, name: str = VERSION) -> Path:
    return settings.shot_tree_root / "sht100" / "pla" / name


def frames_in(folder: Path) -> list[Path]:
    return sorted((folder / "main_ACEScg").iterdir())


def shown_code(path: Path) -> int:
    """Which frame of its clip a plate's picture says that it is."""
    import numpy as np
    import OpenImageIO

    pixels = OpenImageIO.ImageBuf(str(path)).get_pixels(OpenImageIO.FLOAT)[:, :, :3]
    code = read_frame_code(np.clip(np.asarray(pixels) * 255, 0, 255).astype(np.uint8))
    assert code is not None
    return code.number


# What is made


def test_a_shot_end_to_end(ingest: Callable[..., dict[str, Any]], settings: Settings, clip: Path) -> None:
    summary = ingest(notes="a note")
    assert summary["errors"] == []
    assert summary["overall_success"]
    place = container(settings)
    names = [path.name for path in frames_in(place)]
    assert names == [f"{VERSION}_main_ACEScg.{number:04d}.exr" for number in range(993, 1013)]
    assert {path.name for path in place.iterdir()} == {
        *("main_ACEScg", "manifest.json", f"{VERSION}_proxy_sRGB.mp4"),
        *(f"{VERSION}_main_ACEScg.otio", f"{VERSION}_main_ACEScg.nk"),
    }
    manifest = read_manifest(place)
    assert list(problems(place, manifest, digests=True)) == []
    assert [(file.number, file.source_frame, file.timecode) for file in manifest.frames()] == [
        (993 + place, 2 + place, str(START + 2 + place)) for place in range(20)
    ]
    assert (manifest.in_number, manifest.out_number, manifest.head, manifest.tail, manifest.notes) == (1001, 1004, 8, 8, "a note")
    assert summary["outputs"]["container"] == str(place)
    assert not settings.temp_dir.exists() or list(settings.temp_dir.iterdir()) == []


def test_each_number_has_its_source_frame(ingest: Callable[..., dict[str, Any]], settings: Settings) -> None:
    """Looked at in the pictures: number 1001 is the in point's frame."""
    assert ingest(source_colorspace="sRGB - Texture")["overall_success"]
    frames = frames_in(container(settings))
    assert [shown_code(frames[place]) for place in (0, 8, 11, 19)] == [2, 10, 13, 21]


def test_headers_say_where_a_frame_is_from(ingest: Callable[..., dict[str, Any]], settings: Settings, clip: Path) -> None:
    import OpenImageIO

    ingest()
    spec = OpenImageIO.ImageInput.open(str(frames_in(container(settings))[8])).spec()
    assert spec.getattribute("reelName") == "A001"
    assert spec.getattribute("film-archive:source_frame") == 10
    assert spec.getattribute("film-archive:source") == clip.name
    assert spec.getattribute("imageCounter") == 1001
    from film_archive.media.stills import still_facts

    with FileSource(frames_in(container(settings))[8]) as source:
        assert still_facts(source).start_timecode == START + 10


def test_the_proxy_has_the_frames_and_the_timecode(ingest: Callable[..., dict[str, Any]], settings: Settings) -> None:
    from film_archive.media.probe import probe

    assert ingest(burn_in_proxy=True)["overall_success"]
    with FileSource(container(settings) / f"{VERSION}_proxy_sRGB.mp4") as movie:
        facts = probe(movie)
    assert (facts.frames, facts.start_timecode, facts.width, facts.height) == (20, START + 2, 160, 90)


def test_beside_the_plate(ingest: Callable[..., dict[str, Any]], settings: Settings) -> None:
    import opentimelineio as otio

    ingest()
    place = container(settings)
    timeline = otio.adapters.read_from_file(str(place / f"{VERSION}_main_ACEScg.otio"))
    (clip,) = timeline.find_clips()
    media = clip.media_reference
    assert clip.source_range.start_time == otio.opentime.from_timecode("01:00:00:10", 24)
    assert (clip.source_range.duration.value, media.available_range.duration.value, media.start_frame) == (4, 20, 993)
    assert (place / media.target_url_for_image_number(8)).is_file()
    assert media.target_url_for_image_number(8).endswith(".1001.exr")
    script = (place / f"{VERSION}_main_ACEScg.nk").read_text()
    assert script.count("{") == script.count("}")
    assert f"/main_ACEScg/{VERSION}_main_ACEScg.%04d.exr" in script
    assert " first 993\n last 1012\n" in script


def test_timecodes_as_points(ingest: Callable[..., dict[str, Any]]) -> None:
    summary = ingest(in_point="01:00:00:10", out_point="01:00:00:13", dry_run=True)
    assert (summary["outputs"]["source_first"], summary["outputs"]["source_last"]) == (2, 21)
    other = ingest(in_point="10:00:00:10", out_point="10:00:00:13", timecode="10:00:00:00", dry_run=True)
    assert (other["outputs"]["source_first"], other["outputs"]["source_last"]) == (2, 21)


def test_an_image_sequence(ingest: Callable[..., dict[str, Any]], settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    make_sequence(FRAMES, tmp_path / "frames")
    summary = ingest(tmp_path / "frames", resolution=None, source_colorspace="sRGB - Texture")
    assert summary["errors"] == []
    manifest = read_manifest(container(settings))
    assert manifest.start_timecode == str(START + 2)
    assert [shown_code(path) for path in frames_in(container(settings))][:2] == [2, 3]


def test_holes_in_a_sequence_are_refused(ingest: Callable[..., dict[str, Any]], settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    make_sequence(dataclasses.replace(FRAMES, missing=(11, 12)), tmp_path / "frames")
    summary = ingest(tmp_path / "frames")
    assert summary["exit_status"] == 11
    assert "lacks the frames 11-12" in summary["errors"][0]
    assert not settings.shot_tree_root.exists()
    assert ingest(tmp_path / "frames", 0, 1)["overall_success"]  # they are not needed here


def test_a_frame_of_another_size_in_the_middle(ingest: Callable[..., dict[str, Any]], settings: Settings, tmp_path: Path) -> None:
    for name, width in (("frames", 160), ("other", 192)):
        (tmp_path / name).mkdir()
        make_sequence(dataclasses.replace(FRAMES, width=width), tmp_path / name)
    name = FRAMES.file_name(12)
    shutil.copy(tmp_path / "other" / name, tmp_path / "frames" / name)
    summary = ingest(tmp_path / "frames")
    assert not summary["overall_success"]
    assert not (settings.shot_tree_root / "sht100" / "pla").exists()


def test_sound_slate_and_hash_list(ingest: Callable[..., dict[str, Any]], settings: Settings) -> None:
    from film_archive.media.probe import probe

    summary = ingest(slate=True, mhl=True)
    assert summary["errors"] == []
    place = container(settings)
    with FileSource(place / f"{VERSION}_proxy_sRGB.mp4") as movie:
        assert probe(movie).frames == 21
    (listed,) = (place / "ascmhl").glob("*.mhl")
    text = listed.read_text()
    assert text.count("<hash>") == 23
    assert all(f"main_ACEScg/{path.name}" in text for path in frames_in(place))


def test_a_look_lies_beside_the_plate(ingest: Callable[..., dict[str, Any]], settings: Settings, tmp_path: Path) -> None:
    look = tmp_path / "warm.cc"
    look.write_text(
        '<ColorCorrection id="a"><SOPNode><Slope>1.2 1 0.8</Slope><Offset>0 0 0</Offset><Power>1 1 1</Power></SOPNode>'
        "<SatNode><Saturation>1</Saturation></SatNode></ColorCorrection>"
    )
    assert ingest()["overall_success"]
    summary = ingest(look_file=look)
    assert summary["errors"] == []
    plain, warm = container(settings), container(settings, "sht100_pla_rawPlate_v002")
    assert (warm / "sht100_look.cc").read_bytes() == look.read_bytes()
    digests = [[file.xxh128 for file in read_manifest(place).files if file.path.endswith(".mp4")] for place in (plain, warm)]
    assert digests[0] != digests[1]


def test_what_is_odd_is_in_the_report_and_on_the_contact_sheet(
    ingest: Callable[..., dict[str, Any]], settings: Settings, tmp_path: Path
) -> None:
    import numpy as np
    from OpenImageIO import UINT8, ImageBuf

    from ded_io.batch_sheet import write_batch_sheet

    (tmp_path / "frames").mkdir()
    made = make_sequence(FRAMES, tmp_path / "frames")
    made[12].write_bytes(made[11].read_bytes())
    summary = ingest(tmp_path / "frames")
    checked = next(stage["data"]["qc"] for stage in summary["stage_results"] if stage["stage_name"] == "QualityCheckStage")
    assert (checked["first"], checked["last"], checked["examined"]) == (993, 1012, 20)
    assert [(found["kind"], found["first"]) for found in checked["findings"]] == [("frozen", 1003)]
    assert any("frame 1003 shows the same" in warning for warning in summary["warnings"])
    failed = ingest(tmp_path / "none")
    (page,) = write_batch_sheet(tmp_path / "sheets" / "sheet.jpg", [summary, failed], settings)
    red = np.abs(np.asarray(ImageBuf(str(page)).get_pixels(UINT8)).astype(int)[:, :, :3] - (240, 90, 70)).max(axis=2) < 60
    assert red.sum() > 100  # the finding, written in red
    told = [line for line in ending_lines([summary]) if "QC: " in line]
    assert [line.startswith("sht100: QC: frame 1003 shows the same") for line in told] == [True]
    assert list(ending_lines([summary, failed], quiet=True)) == told  # a failure was told as an error
    with pytest.raises(UsageError, match=r"written as \.jpg"):
        write_batch_sheet(tmp_path / "sheet.gif", [summary], settings)


# Versions


def test_the_same_again_is_unchanged_and_other_input_the_next_version(
    ingest: Callable[..., dict[str, Any]], settings: Settings
) -> None:
    assert ingest()["outputs"]["version"] == 1
    again = ingest()
    assert (again["unchanged"], again["outputs"]["version"], again["overall_success"]) == (True, 1, True)
    assert ingest(out_point=14)["outputs"]["version"] == 2
    assert ingest()["outputs"]["version"] == 3  # the latest is what an ingest is held against
    assert ingest(element="clean")["outputs"]["version"] == 1
    assert ingest(version=7, out_point=15)["outputs"]["version"] == 7
    assert sorted(path.name for path in (settings.shot_tree_root / "sht100" / "pla").iterdir()) == [
        "sht100_pla_clean_v001", *(f"sht100_pla_rawPlate_v{number:03d}" for number in (1, 2, 3, 7)),
    ]  # fmt: skip


def test_a_version_that_is_there_is_refused(ingest: Callable[..., dict[str, Any]], settings: Settings) -> None:
    ingest()
    before = read_manifest(container(settings))
    summary = ingest(out_point=14, version=1)
    assert summary["exit_status"] == 4
    assert "is there already" in summary["errors"][0]
    assert read_manifest(container(settings)) == before


def test_plates_are_verified_wherever_they_lie(
    ingest: Callable[..., dict[str, Any]], settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tree, a shot, a container, `paths.output_dir`; one that is broken does not keep the others from being read."""
    assert ingest()["overall_success"]
    assert ingest(element="clean")["overall_success"]
    assert ingest(output_dir=tmp_path / "delivery")["overall_success"]
    places = {settings.shot_tree_root: 2, settings.shot_tree_root / "sht100": 2, container(settings): 1, tmp_path / "delivery": 1}
    for place, count in places.items():
        assert cli.main(["verify", str(place)]) == 0
        assert len(capsys.readouterr().out.splitlines()) == count
    first = container(settings, "sht100_pla_clean_v001")
    whole = (first / "manifest.json").read_bytes()
    for broken in (whole[:100], None):
        (first / "manifest.json").unlink() if broken is None else (first / "manifest.json").write_bytes(broken)
        assert cli.main(["verify", str(settings.shot_tree_root)]) == 11
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 2
        assert "manifest.json" in lines[0]
        assert lines[1].endswith("23 files are what they were.")
    assert cli.main(["verify", str(container(settings)), str(settings.temp_dir)]) == 3
    assert "There is no plate in" in capsys.readouterr().err


def test_a_plate_that_is_no_longer_whole_is_made_anew(ingest: Callable[..., dict[str, Any]], settings: Settings) -> None:
    ingest()
    frames_in(container(settings))[3].unlink()
    summary = ingest()
    assert (summary["unchanged"], summary["outputs"]["version"]) == (False, 2)
    assert any("no longer whole" in warning for warning in summary["warnings"])


# Dry runs


def test_a_dry_run_lists_and_writes_nothing(ingest: Callable[..., dict[str, Any]], settings: Settings, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    summary = ingest(dry_run=True)
    assert sorted(tmp_path.rglob("*")) == before
    copied = [act["subject"] for act in summary["plan"] if act["does"] == "copy"]
    assert len(copied) == 21
    assert copied[8] == str(container(settings) / "main_ACEScg" / f"{VERSION}_main_ACEScg.1001.exr")
    assert sum(act["size"] or 0 for act in summary["plan"]) > 0
    made = ingest()
    written = {str(path) for path in container(settings).rglob("*") if path.is_file()}
    planned = {act["subject"] for act in summary["plan"] if str(container(settings)) in act["subject"]}
    assert planned == written
    assert made["outputs"]["container"] == summary["outputs"]["container"]
    assert ingest(dry_run=True)["unchanged"]


def test_a_dry_run_of_the_tools_shows_their_commands(ingest: Callable[..., dict[str, Any]]) -> None:
    commands = [act["subject"] for act in ingest(engine=Engine.TOOLS, dry_run=True)["plan"] if act["does"] == "run"]
    assert len(commands) == 41
    assert "sht100.0993.dpx" in commands[0]
    assert "--resize:filter=lanczos3" in commands[0] or "320" not in commands[0]
    assert commands[-1].startswith("ffmpeg ")
    for said in ("sht100.1012.exr", "imageCounter 1012", "film-archive:source_frame 21", f"smpte:TimeCode {START + 21}"):
        assert said in commands[19]  # each command is its own frame's, header and all


def test_a_dry_run_says_that_a_tool_is_not_there(ingest: Callable[..., dict[str, Any]]) -> None:
    for name in ("oiiotool", "ffmpeg"):
        summary = ingest(engine=Engine.TOOLS, dry_run=True, **{name: "/no/such/program"})
        assert (summary["overall_success"], summary["exit_status"]) == (False, 5)
        assert "/no/such/program" in summary["errors"][0]


def test_a_dry_run_counts_what_is_copied(ingest: Callable[..., dict[str, Any]]) -> None:
    plan = ingest(dry_run=True)["plan"]
    written = [act["size"] for act in plan if act["does"] == "write" and act["subject"].endswith((".exr", ".mp4"))]
    assert [act["size"] for act in plan if act["does"] == "copy"] == written
    assert 0 not in written


def test_the_tools_go_on_where_a_run_was_stopped(
    ingest: Callable[..., dict[str, Any]], settings: Settings, tmp_path: Path
) -> None:
    """Killed at its third frame, then while the movie is made: what was whole is not made again, what was not is."""
    real = required("oiiotool")
    told = tmp_path / "told"
    tool = tmp_path / "oiiotool"
    tool.write_text(
        f'#!/bin/sh\nfor last; do :; done\ncase "$last" in *.exr|*.png) echo "$last" >>{told};; esac\n'
        f'case "$last" in *$(cat {tmp_path}/bad)*) head -c 100 /dev/zero >"$last"; exit 9;; esac\nexec {real} "$@"\n'
    )
    tool.chmod(0o755)

    def run(bad: str) -> dict[str, Any]:
        (tmp_path / "bad").write_text(bad)
        return ingest(engine=Engine.TOOLS, oiiotool=str(tool), head_handles=0, tail_handles=0, jobs=1)

    assert not run("1003.exr")["overall_success"]
    assert not run("1002.png")["overall_success"]
    summary = run("nothing is bad")
    assert summary["errors"] == []
    made = Counter(Path(line).name.removeprefix("unfinished.") for line in told.read_text().split())
    frames = {f"sht100.{number}.exr": 1 + (number == 1003) for number in range(1001, 1005)}
    pictures = {f"{number:08d}.png": 1 + (number == 1002) for number in range(1001, 1005)}
    assert made == {**frames, **pictures}
    converted = next(each for each in summary["stage_results"] if each["stage_name"] == "OIIOColorTransformStage")
    assert converted["data"]["frames_of_earlier_run"] == 4
    assert list(problems(container(settings), read_manifest(container(settings)), digests=True)) == []




@pytest.mark.parametrize("squeeze", [1, 2])
def test_the_tools_make_the_same_plate(
    ingest: Callable[..., dict[str, Any]], settings: Settings, tmp_path: Path, squeeze: int
) -> None:
    """Run to the end: frames within the tolerance of this process's, the same numbers, a movie that plays alike."""
    import numpy as np
    import OpenImageIO

    from film_archive.media.av.decoding import decode_frames
    from film_archive.media.probe import probe

    for name in ("oiiotool", "ffmpeg"):
        required(name)
    asked: dict[str, Any] = {"head_handles": 1, "tail_handles": 1, "squeeze": Fraction(squeeze)}
    made = {}
    for engine in Engine:
        root = tmp_path / engine
        summary = ingest(engine=engine, shot_tree_root=root, **asked)
        assert (summary["errors"], summary["overall_success"]) == ([], True)
        made[engine] = root / "sht100" / "pla" / VERSION
    here, tools = made[Engine.BUILTIN], made[Engine.TOOLS]
    assert list(problems(tools, read_manifest(tools), digests=True)) == []
    assert [path.name for path in frames_in(tools)] == [path.name for path in frames_in(here)]
    assert len(frames_in(tools)) == 6
    for one, other in zip(frames_in(here), frames_in(tools), strict=True):
        ours, theirs = OpenImageIO.ImageBuf(str(one)), OpenImageIO.ImageBuf(str(other))
        a, b = (np.asarray(image.get_pixels(OpenImageIO.FLOAT), np.float64) for image in (ours, theirs))
        assert a.shape == b.shape
        difference = np.abs(a - b)
        assert (difference <= 1e-2 * np.maximum(np.abs(b), 0.05)).mean() >= 0.9999
        assert difference.mean() < 1e-3
        for name in ("reelName", "imageCounter", "film-archive:source_frame", "film-archive:source"):
            assert theirs.spec().getattribute(name) == ours.spec().getattribute(name) is not None
    movies = [next(place.glob("*.mp4")) for place in (here, tools)]
    ours, theirs = (probe(movie) for movie in movies)
    for name in ("frames", "frame_rate", "start_timecode", "width", "height", "codec", "color", "reel"):
        assert getattr(theirs, name) == getattr(ours, name), name
    if shutil.which("ffprobe") is not None:  # as other programs see it
        words = ["ffprobe", "-v", "error", "-show_entries", "format_tags=timecode,com.apple.proapps.reel:stream=codec_type"]
        for movie in movies:
            said = subprocess.run([*words, "-of", "json", str(movie)], check=True, stdout=subprocess.PIPE, text=True).stdout
            assert json.loads(said)["format"]["tags"] == {"timecode": str(START + 9), "com.apple.proapps.reel": "A001"}
            assert [stream["codec_type"] for stream in json.loads(said)["streams"]] == ["video"]
    pictures = []
    for movie in movies:
        with FileSource(movie) as source:
            frames = [each.frame for each in decode_frames(source)]
        pictures.append([frame.to_ndarray(format="rgb24").astype(int) for frame in frames if frame is not None])
    assert len(pictures[0]) == len(pictures[1]) == 6
    for a, b in zip(*pictures, strict=True):
        assert np.abs(a - b).mean() < 3  # what two encodings at this quality leave


# What goes wrong


@pytest.mark.parametrize(
    ("in_point", "out_point", "status", "says"),
    [
        (13, 10, 2, "before the in point"),
        (0, 40, 7, "out point 40 is outside"),
        (-1, 10, 7, "in point -1"),
        ("02:00:00:00", "02:00:01:00", 7, "outside the clip"),
        ("1:2", 10, 2, "not a timecode"),
    ],
)
def test_cuts_outside_the_clip(
    in_point: Any, out_point: Any, status: int, says: str, ingest: Callable[..., dict[str, Any]], settings: Settings
) -> None:
    summary = ingest(in_point=in_point, out_point=out_point)
    assert (summary["overall_success"], summary["exit_status"]) == (False, status)
    assert says in summary["errors"][0]
    assert not settings.shot_tree_root.exists()
    assert not settings.temp_dir.exists()


def test_a_missing_source(ingest: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    summary = ingest(tmp_path / "none.mov")
    assert summary["exit_status"] == 3
    assert "none.mov" in summary["errors"][0]


def test_a_short_source(ingest: Callable[..., dict[str, Any]], settings: Settings, clip: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.mov"
    short.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    summary = ingest(short)
    assert not summary["overall_success"]
    assert not (settings.shot_tree_root / "sht100").exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"source_colorspace": "No such space"}, "No such space"),
        ({"target_colorspace": "No such space"}, "No such space"),
        ({"view": "No such view"}, "No such view"),
        ({"display": "No such display"}, "No such display"),
        ({"ocio_config": "/no/such/config.ocio"}, "/no/such/config.ocio"),
        ({"source_fps_": 25}, "runs at 24 frames a second, not at 25"),
    ],
)
def test_colours_and_rates_that_are_not_there(
    more: dict[str, Any], says: str, clip: Path, settings: Settings, ingest: Callable[..., dict[str, Any]]
) -> None:
    if "source_fps_" in more:
        summary = FootageIngestPipeline(settings=settings).ingest_shot("sht", "100", clip, 10, 13, source_fps=25)
    else:
        summary = ingest(**more)
    assert not summary["overall_success"]
    assert says in summary["errors"][0]
    assert not settings.shot_tree_root.exists()


def test_a_contradicting_tag_is_refused_until_someone_decides(
    ingest: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ded_io import preparing

    facts = dataclasses.replace(preparing.look_at(*_looked(ingest)), colorspace="ACEScct")
    monkeypatch.setattr(preparing, "look_at", lambda *arguments: facts)
    summary = ingest(dry_run=True)
    assert summary["exit_status"] == 4
    assert "says that it is ACEScct" in summary["errors"][0]
    assert ingest(dry_run=True, source_colorspace="ACEScct")["overall_success"]


def _looked(ingest: Callable[..., dict[str, Any]]) -> tuple[str, FrameRate, str]:
    from ded_io.preparing import source_identity

    source = Path(ingest.__defaults__[0])  # type: ignore[attr-defined]
    return str(source), FILM, source_identity(source)


class Failing(PipelineStage):
    """Fails once."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def process(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> None:
        self.times += 1
        if self.times == 1:
            raise RuntimeError("as a studio's own stage may")


def test_what_was_made_before_a_failure_is_gone_on_with(settings: Settings, clip: Path) -> None:
    pipeline = FootageIngestPipeline(settings=settings).pipeline()
    pipeline.stages.insert(5, Failing())
    cut = EditorialCutInfo("sht", "100", clip, 10, 13)
    first = pipeline.execute(ShotInfo("film", "sht", "100", cut, settings))
    assert first["errors"] == ["Failing of sht100 failed: RuntimeError: as a studio's own stage may"]
    assert not settings.shot_tree_root.exists()
    (work,) = settings.temp_dir.iterdir()
    times = {path.name: path.stat().st_mtime_ns for path in work.rglob("*.exr")}
    assert len(times) == 20
    (work / "exr" / "sht100.0999.exr").unlink()
    second = pipeline.execute(ShotInfo("film", "sht", "100", cut, settings))
    assert second["overall_success"]
    converted = next(each for each in second["stage_results"] if each["stage_name"] == "OIIOColorTransformStage")
    assert converted["data"]["frames_of_earlier_run"] == 19
    assert not work.exists()


def test_two_runs_of_one_shot_at_once(settings: Settings, clip: Path) -> None:
    pipeline = FootageIngestPipeline(settings=settings).pipeline()
    cut = EditorialCutInfo("sht", "100", clip, 10, 13)
    one, other = (ShotInfo("film", "sht", "100", cut, settings) for _ in range(2))
    for stage in pipeline.stages[:2]:
        assert stage.execute(one).success
    summary = pipeline.execute(other)
    assert summary["exit_status"] == 4
    assert "Another run is making the frames" in summary["errors"][0]


def test_a_full_disk_is_told_before_anything_is_made(
    ingest: Callable[..., dict[str, Any]], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from film_archive.core import files

    monkeypatch.setattr(files, "free_space", lambda folder: 1000)
    summary = ingest()
    assert summary["exit_status"] == 6
    assert "bytes are missing; nothing was written" in summary["errors"][0]


def test_a_run_that_goes_on_needs_room_for_what_is_lacking_only(
    ingest: Callable[..., dict[str, Any]], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that was full: the frames that are there have their place already."""
    from film_archive.core import files

    asked: list[int] = []
    monkeypatch.setattr(files, "require_space", lambda folder, needed, what: asked.append(needed))
    assert ingest(skip_cleanup=True)["overall_success"]
    first = asked[:2]
    assert min(first) > 0
    (work,) = settings.temp_dir.iterdir()
    for name in ("dpx/sht100.1003.dpx", "exr/sht100.1003.exr"):
        (work / name).unlink()
    asked.clear()
    shutil.rmtree(settings.shot_tree_root)
    assert ingest()["overall_success"]
    assert asked[:2] == [needed // 20 for needed in first]


def test_a_look_that_is_none_is_told_before_the_frames_are_made(
    ingest: Callable[..., dict[str, Any]], settings: Settings, tmp_path: Path
) -> None:
    look = tmp_path / "show.cube"
    look.write_text("LUT_3D_SIZE two")
    for dry_run in (True, False):
        summary = ingest(look_file=look, dry_run=dry_run)
        assert (summary["exit_status"], summary["overall_success"]) == (2, False)
        assert "show.cube" in summary["errors"][0]
    assert not settings.temp_dir.exists()


def test_what_a_tool_says_of_its_failure_is_told(ingest: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """As oiiotool says it: first the reason, last its own command line."""
    tool = tmp_path / "oiiotool"
    says = ("oiiotool ERROR: -o : no more room", "Full command line was:", "> oiiotool a.dpx -o b.exr")
    tool.write_text("#!/bin/sh\n" + "".join(f"echo '{line}' >&2\n" for line in says) + "exit 1\n")
    tool.chmod(0o755)
    (error,) = ingest(engine=Engine.TOOLS, oiiotool=str(tool))["errors"]
    assert error == "oiiotool failed with status 1: oiiotool ERROR: -o : no more room"


def test_a_sequence_that_lacks_frames_is_not_placed(settings: Settings, clip: Path) -> None:
    pipeline = FootageIngestPipeline(settings=settings).pipeline()
    shot = ShotInfo("film", "sht", "100", EditorialCutInfo("sht", "100", clip, 10, 13), settings)
    for stage in pipeline.stages[:5]:
        assert stage.execute(shot).success
    assert shot.outputs.exr is not None
    shot.outputs.exr.path(1000).unlink()
    (shot.outputs.exr.path(1001)).write_bytes(b"")
    result = pipeline.stages[5].execute(shot)
    assert result.errors == ["sht100 lacks 2 of its 20 frames (1000-1001); no version was made."]
    assert list(Place.of(shot).folder.parent.parent.glob("**/*")) == []


# The exporter


def test_x_ocn_by_the_exporter(
    ingest: Callable[..., dict[str, Any]], settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from ded_io import preparing

    facts = dataclasses.replace(preparing.look_at(*_looked(ingest)), needs_exporter=True, width=16, height=8)
    monkeypatch.setattr(preparing, "look_at", lambda *arguments: facts)
    monkeypatch.setattr("ded_io.stages.sony_conversion.prepare", preparing.prepare)
    absent = ingest(sony_converter=str(tmp_path / "none"))
    assert absent["exit_status"] == 5
    assert "install Sony RAW Viewer" in absent["errors"][0]
    program = stand_in(tmp_path / "tool", "half")
    failed = ingest(sony_converter=str(program))
    assert "3 whole frames are kept" in failed["errors"][0]
    stand_in(tmp_path / "tool", "wide")
    summary = ingest(sony_converter=str(program))
    assert summary["errors"] == []
    converted = next(each for each in summary["stage_results"] if each["stage_name"] == "SonyRawConversionStage")
    assert converted["data"]["frames_of_earlier_run"] == 3
    assert len(frames_in(container(settings))) == 20


# Batches


def test_a_batch_goes_on_unless_told_to_stop(settings: Settings, clip: Path) -> None:
    shots: list[dict[str, Any]] = [
        {"sequence": "sht", "shot": number, "source_file": str(clip), "in_point": first, "out_point": first + 1}
        for number, first in (("100", 5), ("110", 500), ("120", 8))
    ]
    pipeline = FootageIngestPipeline(settings=dataclasses.replace(settings, shots=2))
    results = pipeline.ingest_batch(shots)
    assert [each["overall_success"] for each in results] == [True, False, True]
    summary = pipeline.get_summary()
    assert (summary["total_shots_processed"], summary["successful_shots"], summary["exit_status"]) == (3, 2, 12)
    stopping = FootageIngestPipeline(settings=settings).ingest_batch(shots, stop_on_error=True, dry_run=True)
    assert [each["overall_success"] for each in stopping] == [True, False, False]
    assert "not begun" in stopping[2]["errors"][0]
    only = FootageIngestPipeline(settings=settings).ingest_batch(shots, only=["120"], dry_run=True)
    assert [each["code"] for each in only] == ["sht120"]
    with pytest.raises(NotFound, match="no shot 130"):
        pipeline.ingest_batch(shots, only=["130"])


def test_a_shot_that_is_none_fails_alone(settings: Settings, clip: Path) -> None:
    whole = {"sequence": "sht", "shot": "1", "source_file": clip, "in_point": 0, "out_point": 0}
    shots: list[Any] = [{"sequence": "sht"}, 3, whole]
    results = FootageIngestPipeline(settings=settings).ingest_batch(shots, dry_run=True)
    assert [each["overall_success"] for each in results] == [False, False, True]
    assert "lacks the key shot" in results[0]["errors"][0]


def test_arguments_that_are_not_known(settings: Settings, clip: Path) -> None:
    with pytest.raises(UsageError, match="takes no in_pont"):
        FootageIngestPipeline(settings=settings).ingest_shot("sht", "100", clip, 0, 1, in_pont=3)


def test_summaries_are_plain_json(ingest: Callable[..., dict[str, Any]]) -> None:
    assert json.loads(json.dumps(ingest(dry_run=True)))["code"] == "sht100"


def test_what_waits_for_kitsu_is_told_last(
    settings: Settings, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The plate stands and the status is 0; that Kitsu has nothing of it yet stands in the last line and in the report."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KITSU_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("KITSU_TOKEN", "x")
    words = ["--source", str(clip), "--sequence", "sht", "--shot", "100", "--in", "10", "--out", "10", "--handles", "0"]
    words += ["--squeeze", "1", "--resolution", "320x180", "--report", "report.json"]
    assert cli.main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("sht100: 1 frames, ")
    assert lines[-1] == "pending: sht100 not yet in Kitsu; `ded-io kitsu sync` registers what waits"
    report = json.loads(Path("report.json").read_bytes())
    assert (report["exit_status"], report["pending_shots"], report["shots"][0]["pending"]) == (0, 1, True)
    assert cli.main([*words, "--quiet"]) == 0
    assert capsys.readouterr() == ("", lines[-1] + "\n")  # nothing else, but this
    assert (tmp_path / "shots" / "sht100" / "pla" / VERSION).is_dir()
    assert cli.main([*words, "--skip-kitsu"]) == 0
    assert "pending" not in capsys.readouterr().out
    assert json.loads(Path("report.json").read_bytes())["shots"][0]["pending"] is False


@pytest.mark.parametrize("engine", list(Engine))
def test_the_proxys_sound_begins_with_its_first_frame(
    ingest: Callable[..., dict[str, Any]], settings: Settings, tmp_path: Path, footage: Path, engine: Engine
) -> None:
    """A take's sound is compared with the proxy's, sample by sample: they lie on each other at no shift but 0."""
    import av
    import numpy as np

    from film_archive.media.av.sound import decode_audio

    silent = cached_clip(dataclasses.replace(CLIP, name="loud"), footage)
    noise = (np.random.default_rng(9).normal(size=40 * 2000) * 4000).astype(np.int16)
    smooth = np.convolve(noise, np.ones(8) / 8, "same").astype(np.int16)  # AAC keeps what lies below 16 kHz
    take = tmp_path / "loud.mov"
    with av.open(str(silent)) as pictures, av.open(str(take), "w") as made:
        video = made.add_stream_from_template(pictures.streams.video[0])
        sound = made.add_stream("pcm_s16le", rate=48_000, layout="mono")
        for packet in pictures.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                made.mux(packet)
        frame = av.AudioFrame.from_ndarray(smooth[None, :], format="s16", layout="mono")
        frame.sample_rate = 48_000
        made.mux(sound.encode(frame))
        made.mux(sound.encode(None))
    if engine is Engine.TOOLS:
        required("oiiotool")
    summary = ingest(take, audio=True, engine=engine, timecode="01:00:00:00", head_handles=2, tail_handles=2)
    assert (summary["errors"], summary["outputs"]["source_first"], summary["outputs"]["frames"]) == ([], 8, 8)
    with FileSource(container(settings) / f"{VERSION}_proxy_sRGB.mp4") as movie:
        heard = np.concatenate([block.samples for block in decode_audio(movie)]).astype(np.float64)[:, 0]
    length = 8 * 2000 - 2048  # without the ends, which a lossy coder blurs
    likeness = {
        shift: float(np.corrcoef(heard[1024 : 1024 + length], smooth[8 * 2000 + 1024 + shift :][:length])[0, 1])
        for shift in range(-1100, 1100)
    }
    assert max(likeness, key=lambda shift: likeness[shift]) == 0
    assert likeness[0] > 0.9
