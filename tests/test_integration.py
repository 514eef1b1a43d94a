"""The main job, end to end: a card into an archive with proxies, looked at, checked, cut by timecode, unpacked."""

from __future__ import annotations

import asyncio
import filecmp
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import opentimelineio
import pytest

from film_archive.archive.reader import open_archive
from film_archive.cli.main import application
from film_archive.cli.running import run_app
from film_archive.core.models import MediaFile, ProxyResolution, TimecodeRange, VideoCodec
from film_archive.core.timecode import FrameRange
from film_archive.media.probe import probe
from film_archive.proxy.generator import ProxyGenerator
from film_archive.testing import media
from film_archive.testing.media import ClipSpec, cached_clip
from film_archive.testing.oddities import ODDITIES
from film_archive.timecode.extractor import TimecodeExtractor, parse_edl_timecodes
from film_archive.workflows.demo import run_demo
from film_archive.workflows.production import add_to_archive
from tests.demo import small_pictures
from tests.reading import assert_heard_alike, assert_is_cut_of, codes_of

CLIPS = {
    "A001/film_rate.mov": ODDITIES["film_rate"],  # ProRes, 23.976, over midnight, stereo
    "A001/sixteen_mono.mov": ODDITIES["sixteen_mono"],
    "B002/long_gop.mp4": ODDITIES["long_gop"],  # H.264 with B-frames, 29.97 drop-frame over a minute, AAC
    "B002/open_gop.mp4": ODDITIES["open_gop"],
    "C003/dnxhr_mxf.mxf": ODDITIES["dnxhr_mxf"],
    "C003/dnxhr_ntsc_mxf.mxf": ODDITIES["dnxhr_ntsc_mxf"],
}
Command = Callable[..., Any]


@pytest.fixture(scope="session")
def card(tmp_path_factory: pytest.TempPathFactory, footage: Path) -> Path:
    """A card with three cameras' clips, what lies beside them, and an empty folder."""
    folder = tmp_path_factory.mktemp("shoot") / "card"
    for name, spec in CLIPS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(cached_clip(spec, footage).read_bytes())
    (folder / "A001" / "notes.txt").write_text("gate checked\n")
    (folder / "A001" / "EMPTY").mkdir()
    (folder / "zero.bin").write_bytes(b"")
    return folder


@pytest.fixture(scope="session")
def archive(card: Path) -> Path:
    """The card in an archive, made by the command line, with thumbnails."""
    target = card.parent / "day01.zip"
    assert run_app(application(), "film-archive", ["create", str(target), str(card), "--proxies", "thumbnail", "--json"]) == 0
    return target


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a verb and returns its JSON; fails where the exit status is another than expected."""

    def run(*arguments: Any, status: int = 0) -> Any:
        capsys.readouterr()
        assert run_app(application(), "film-archive", [*map(str, arguments), "--json"]) == status
        return json.loads(capsys.readouterr().out)

    return run


def spans(spec: ClipSpec) -> list[tuple[int, int, int]]:
    """(in, out, handles) as frames: in the midst, at each end, over both."""
    count = spec.frames
    return [(count // 3, count // 2, 2), (0, 3, 4), (count - 3, count, 4), (1, count - 1, 100)]


def got(spec: ClipSpec, first: int, end: int, handles: int) -> FrameRange:
    return FrameRange(max(0, first - handles), min(spec.frames, end + handles))


def test_what_the_archive_says_of_the_card(archive: Path, command: Command) -> None:
    members = {member["path"]: member for member in command("ls", archive)["members"]}
    for name, spec in CLIPS.items():
        member = members[f"card/{name}"]
        media = member["media"]
        assert (media["frames"], media["start_timecode"]) == (spec.frames, str(spec.start))
        assert (media["width"], media["height"], media["reel"]) == (spec.width, spec.height, spec.reel)
        assert [proxy["size"] for proxy in member["proxies"]] == ["thumbnail"]
    assert members["card/A001/notes.txt"]["media"] is None
    assert members["card/zero.bin"]["size"] == 0


def test_every_byte_is_checked(archive: Path, command: Command, tmp_path: Path) -> None:
    assert command("check", archive)["problems"] == []
    data = bytearray(archive.read_bytes())
    with open_archive(archive) as opened:
        member = opened.member("card/B002/long_gop.mp4")
    assert member.offset is not None
    data[member.offset + member.size // 2] ^= 1
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(data)
    problems = command("check", damaged, status=11)["problems"]
    assert [problem["path"] for problem in problems] == ["card/B002/long_gop.mp4"]


@pytest.mark.parametrize("name", CLIPS)
def test_thumbnails_show_each_frame_in_its_place(name: str, archive: Path, tmp_path: Path) -> None:
    spec, generator = CLIPS[name], ProxyGenerator(temp_dir=tmp_path)
    proxy = generator.extract_proxy_from_archive(archive, f"card/{name}", ProxyResolution.THUMBNAIL)
    assert codes_of(proxy) == [spec.code(number) for number in range(spec.frames)]
    assert probe(proxy).start_timecode == spec.start


@pytest.mark.parametrize("name", CLIPS)
def test_cut_out_of_the_archive_by_timecode(
    name: str, archive: Path, card: Path, command: Command, tmp_path: Path
) -> None:
    spec = CLIPS[name]
    assert spec.start is not None
    for number, (first, end, handles) in enumerate(spans(spec)):
        output, frames = tmp_path / f"{number}.mov", got(spec, first, end, handles)
        said = command(
            "extract", f"{archive}::card/{name}", "--in", spec.start + first, "--out", spec.start + end,
            "--handles", handles, "-o", output,
        )  # fmt: skip
        assert (said["first_frame"], said["frames"]) == (frames.first, frames.count)
        assert (said["head_handle"], said["tail_handle"]) == (first - frames.first, frames.end - end)
        assert said["start_timecode"] == str(spec.start + frames.first)
        assert_is_cut_of(output, spec, card / name, frames)
        assert_heard_alike(output, spec, card / name, frames)


@pytest.mark.parametrize("name", CLIPS)
def test_the_extractor_takes_a_member(name: str, archive: Path, card: Path, tmp_path: Path) -> None:
    spec = CLIPS[name]
    assert spec.start is not None
    wanted = TimecodeRange(start=spec.start + 4, end=spec.start + 8, handles=1)
    with open_archive(archive) as opened, opened.source(f"card/{name}") as source:
        media = MediaFile(file_path=Path(name), size=source.size, codec=VideoCodec.named(spec.codec))
        for number, data in enumerate((source, source.open())):
            cut = asyncio.run(TimecodeExtractor().extract_segment(data, media, wanted, tmp_path / f"{number}.mov"))
            assert_is_cut_of(cut, spec, card / name, FrameRange(3, 9))


def test_a_list_pulls_its_frames(archive: Path, card: Path, tmp_path: Path) -> None:
    name = "B002/long_gop.mp4"  # from 10:58:59;20
    spec = CLIPS[name]
    text = (
        "TITLE: SCENE 12\nFCM: DROP FRAME\n"
        "001  A001R1AB V  C  10:58:59;25 10:59:00;05 01:00:00;00 01:00:00;08\n* FROM CLIP NAME: LONG_GOP\n"
        "002  A001R1AB V  C  10:59:01;02 10:59:01;10 01:00:00;08 01:00:00;16\n"
    )
    with open_archive(archive) as opened, opened.source(f"card/{name}") as source:
        media = MediaFile(file_path=Path(name), size=source.size, codec=VideoCodec.H264)
        extractor = TimecodeExtractor(tmp_path)
        ranges = parse_edl_timecodes(text, 29.97)
        cuts = asyncio.run(extractor.extract_multiple_segments(source, media, ranges))
    for cut, frames in zip(cuts, [FrameRange(5, 13), FrameRange(40, 48)], strict=True):
        assert_is_cut_of(cut, spec, card / name, frames)


def test_errors_by_their_exit_status(archive: Path, command: Command, tmp_path: Path) -> None:
    output = tmp_path / "cut.mov"

    def cut(member: str, first: str, end: str, status: int) -> str:
        asked = ("--in", first, "--out", end, "-o", output)
        return str(command("extract", f"{archive}::card/{member}", *asked, status=status))

    clip = "C003/dnxhr_mxf.mxf"
    assert "runs from 10:00:00:00 to 10:00:00:23" in cut(clip, "11:00:00:00", "11:00:00:05", 7)
    cut(clip, "10:00:00:05", "10:00:00:05", 2)
    cut(clip, "10:00:00:25", "10:00:01:05", 2)
    cut("gone.mov", "10:00:00:00", "10:00:00:05", 3)
    cut("A001/notes.txt", "10:00:00:00", "10:00:00:05", 5)
    assert not output.exists()
    output.write_bytes(b"mine")
    cut(clip, "10:00:00:05", "10:00:00:10", 4)
    assert output.read_bytes() == b"mine"


def test_unpacked_it_is_the_card_again(archive: Path, card: Path, command: Command, tmp_path: Path) -> None:
    command("unpack", archive, tmp_path / "back")
    assert_same_tree(card, tmp_path / "back" / "card")


def test_adding_leaves_what_is_there(
    archive: Path, card: Path, command: Command, footage: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "day01.zip"
    copy.write_bytes(archive.read_bytes())
    more = tmp_path / "D004" / "ntsc.mov"
    more.parent.mkdir()
    spec = ODDITIES["ntsc_non_drop"]
    more.write_bytes(cached_clip(spec, footage).read_bytes())
    add_to_archive(copy, [more.parent], proxies=())
    assert command("check", copy)["problems"] == []
    assert spec.start is not None
    command(
        "extract", f"{copy}::D004/ntsc.mov", "--in", spec.start + 2, "--out", spec.start + 9, "-o", tmp_path / "cut.mov"
    )
    assert_is_cut_of(tmp_path / "cut.mov", spec, more, FrameRange(2, 9))
    command("unpack", copy, tmp_path / "back")
    assert_same_tree(card, tmp_path / "back" / "card")


@pytest.mark.parametrize("pictures", [small_pictures, pytest.param(nullcontext, id="full HD", marks=pytest.mark.nightly)])
def test_the_demo_does_what_it_says(tmp_path: Path, pictures: Callable[[], AbstractContextManager[None]]) -> None:
    """`.ci/run` runs the command, in full HD."""
    said: list[str] = []
    with pictures():
        demo = run_demo(tmp_path / "demo", said.append)
        specs = {spec.name: spec for spec in media.demo_clips()}
    assert [step.step for step in demo.steps] == [
        *("shoot", "probe", "edit", "create", "check", "bundle", "extract"),
    ]
    assert sorted(cut.stem for cut in demo.cuts) == sorted(specs)
    for cut in demo.cuts:
        spec = specs[cut.stem]
        base = spec.rate.nominal
        frames = FrameRange(base - 8, 2 * base + 8)  # a second from a second on, with handles of 8
        assert_is_cut_of(cut, spec, tmp_path / "demo" / "card" / spec.file_name, frames)
    with open_archive(demo.archive) as opened:
        proxies = {member.path: [proxy.size for proxy in member.proxies] for member in opened.originals()}
    assert proxies == {f"media/{spec.file_name}": ["thumbnail", "preview"] for spec in specs.values()}
    timeline = opentimelineio.adapters.read_from_file(str(demo.archive), "otioz")
    assert [clip.media_reference.target_url for clip in timeline.find_clips()] == sorted(proxies)
    for clip in timeline.find_clips():  # the second second of each, counted by its timecode
        spec = specs[clip.name]
        first = spec.code(spec.rate.nominal).timecode_frames
        assert (clip.source_range.start_time.value, clip.source_range.duration.value) == (first, spec.rate.nominal)
        assert clip.source_range.start_time.rate == float(spec.rate)
    assert any('read_from_file("day01.zip", "otioz")' in line for line in said)


def assert_same_tree(one: Path, other: Path) -> None:
    """The same files with the same bytes, times and permissions, and the same folders."""
    names = sorted(str(path.relative_to(one)) for path in one.rglob("*"))
    assert names == sorted(str(path.relative_to(other)) for path in other.rglob("*"))
    files = [name for name in names if (one / name).is_file()]
    assert filecmp.cmpfiles(one, other, files, shallow=False)[0] == files
    for name in names:
        before, after = (one / name).stat(), (other / name).stat()
        assert (before.st_mode, before.st_mtime_ns) == (after.st_mode, after.st_mtime_ns)
