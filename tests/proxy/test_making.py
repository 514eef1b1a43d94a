"""Making proxies of every kind of clip: each frame in its place, in every size; and of what is broken."""

from __future__ import annotations

import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported
from film_archive.core.facts import AudioFacts
from film_archive.core.ladder import fit, parse_sizes
from film_archive.core.source import FileSource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.av import overlays, proxy_sound
from film_archive.media.av.decoding import decode_frames
from film_archive.media.av.fragments import fragment_video
from film_archive.media.av.frames import converted, frame_of, luma_of, rgb_of
from film_archive.media.av.overlays import POSITIONS, BurnIn, Treatment
from film_archive.media.av.settings import video_encoder
from film_archive.media.clips import find_clips
from film_archive.media.grading import Grade
from film_archive.media.probe import index, probe, probe_clip
from film_archive.media.sequence import ImageSequence
from film_archive.proxy.making import Proxy, can_have_proxies, make, make_of_images, shortcomings
from film_archive.testing.media import ClipSpec, cached_clip, frame_picture
from film_archive.testing.oddities import ODDITIES
from film_archive.testing.stills import SequenceSpec, cached_sequence
from tests.reading import codes_of, codes_without_index, samples_of

SIZES = parse_sizes("thumbnail,160x90@300k")
needs_ffprobe = pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")


def proxies_of(path: Path, folder: Path, rungs: Any = SIZES, **more: Any) -> list[Proxy]:
    with FileSource(path) as source:
        return make(source, probe(source), index(source), rungs, folder, preset="ultrafast", **more)


def _as_probe(path: Path) -> dict[str, Any]:
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


# The zoo

_DAILY = (
    "film_rate", "drop_frame_59", "vfr", "odd_size", "anamorphic", "interlaced_h264", "prores_4444_alpha", "prores_mxf",
    "dnxhr_ntsc_mxf", "xavc_intra_mxf", "mpeg2_long_gop_mxf", "hevc_10", "open_gop", "transport_stream",
    "anamorphic_133", "portrait", "rate_120", "sixteen_mono", "no_audio",
)  # fmt: skip
ZOO = [
    pytest.param(name, marks=() if name in _DAILY else pytest.mark.nightly)
    for name in ODDITIES
]


def test_the_zoo_has_what_there_is() -> None:
    """Rates × codecs × shapes, in the daily part too."""
    for names, least in ((tuple(ODDITIES), 40), (_DAILY, 18)):
        zoo = [ODDITIES[name] for name in names]
        assert len(zoo) >= least
        assert {spec.container for spec in zoo} >= {"mov", "mp4", "mxf", "ts"}
        codecs = {(spec.codec, spec.profile) for spec in zoo}
        assert codecs >= {("prores_4444", None), ("dnxhr", "DNxHR SQ"), ("h264", "High 4:2:2 Intra"), ("h265", "Main 10")}
        assert {spec.pixel_aspect for spec in zoo} >= {Fraction(2), Fraction(4, 3)}
        assert {FrameRate(24_000, 1001), FrameRate(25, 1), FrameRate(120, 1)} <= {spec.rate for spec in zoo}
        assert {sum(track.channels for track in spec.audio) for spec in zoo} >= {0, 16}
        assert any(spec.alpha for spec in zoo)
        assert any(spec.height > spec.width for spec in zoo)
        assert any(spec.height % 2 and spec.width % 2 for spec in zoo)
        assert any(spec.holds != (1,) for spec in zoo)
        assert any(spec.scan != "progressive" for spec in zoo)


@pytest.mark.parametrize("name", ZOO)
def test_every_frame_is_in_its_place_in_every_size(name: str, footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES[name]
    proxies = proxies_of(cached_clip(spec, footage), tmp_path)
    expected = [spec.code(number) for number in range(spec.frames)]
    keys = []
    for proxy in proxies:
        if min(proxy.width, proxy.height) >= 88:
            assert codes_of(proxy.path) == expected
            assert codes_without_index(proxy.path) == expected
        table = index(proxy.path)
        keys.append([number for number in range(table.frames) if table.frame(number).key])
        facts = probe(proxy.path)
        assert (facts.frames, facts.start_timecode, facts.reel) == (spec.frames, spec.start, spec.reel)
        assert (facts.width, facts.height, facts.pixel_aspect or 1) == (proxy.width, proxy.height, 1)
        shape = Fraction(spec.width, spec.height) * spec.pixel_aspect
        assert abs(Fraction(proxy.width, proxy.height) / shape - 1) < Fraction(3, min(proxy.width, proxy.height))
        assert facts.vfr == (spec.holds != (1,))
        assert proxy.proof.frames == spec.frames
        assert proxy.proof.last == spec.timecode(spec.frames - 1)
    assert keys == [list(range(0, spec.frames, 12))] * len(proxies)


@needs_ffprobe
@pytest.mark.parametrize("name", ["film_rate", "vfr", "sixteen_mono", "no_audio"])
def test_ffprobe_agrees(name: str, footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES[name]
    (proxy, _) = proxies_of(cached_clip(spec, footage), tmp_path)
    found = _as_probe(proxy.path)
    video = found["streams"][0]
    assert int(video["nb_read_frames"]) == spec.frames
    assert (video["codec_name"], video["pix_fmt"], video["has_b_frames"]) == ("h264", "yuv420p", 0)
    assert {video[key] for key in ("color_space", "color_transfer", "color_primaries")} == {"bt709"}
    if spec.start is not None:
        assert found["format"]["tags"]["timecode"] == str(spec.start)
    assert len(found["streams"]) == 1 + bool(spec.audio)


def test_frames_are_shown_when_the_originals_are(footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES["vfr"]
    clip = cached_clip(spec, footage)
    (proxy, _) = proxies_of(clip, tmp_path)
    tables = [index(path) for path in (clip, proxy.path)]
    shown = []
    for table in tables:
        assert table.video is not None
        shown.append([int(time) / table.video.timescale for time in (*table.video.times[table.shown], table.video.end)])
    assert shown[0] == shown[1]
    assert proxy.proof.variable


# Sound


@pytest.mark.parametrize(
    ("name", "channels"), [("film_rate", 2), ("sixteen_mono", 2), ("one_of_sixteen", 2), ("no_audio", 0), ("sound_96k", 2)]
)
def test_sound_lasts_as_long_as_the_pictures(name: str, channels: int, footage: Path, tmp_path: Path) -> None:
    (proxy, _) = proxies_of(cached_clip(ODDITIES[name], footage), tmp_path)
    table = index(proxy.path)
    assert [track.channels for track in table.audio] == [channels] * bool(channels)
    for track in table.audio:
        frames = len(track.packets)
        assert frames == proxy.proof.sound_frames == -(-proxy.proof.seconds * track.sample_rate // 1024)


def test_sound_that_can_not_be_decoded_is_silent_and_told(footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = proxy_sound.decode_audio

    def breaking(source: Any, **more: Any) -> Any:
        runs = decode(source, **more)
        yield next(runs)
        raise Damaged("the sound is broken here.")

    monkeypatch.setattr(proxy_sound, "decode_audio", breaking)
    (proxy, _) = proxies_of(cached_clip(ODDITIES["film_rate"], footage), tmp_path)
    assert proxy.sound_damage == "the sound is broken here."
    assert proxy.proof.sound_frames == len(index(proxy.path).audio[0].packets) == 47


# Image sequences


def _sequence(files: tuple[Path, ...]) -> ImageSequence:
    (clip,) = find_clips([str(path) for path in files]).clips
    assert clip.sequence is not None
    return clip.sequence


def images(spec: SequenceSpec, footage: Path, folder: Path, **more: Any) -> list[Proxy]:
    files = cached_sequence(spec, footage)
    sequence = _sequence(files)
    facts = probe_clip(find_clips([str(path) for path in files]).clips[0], rate="24")

    def open_frame(number: int) -> FileSource | None:
        path = sequence.frame(number)
        return None if path is None else FileSource(path)

    return make_of_images(spec.name, facts, open_frame, SIZES, folder, preset="ultrafast", **more)


@pytest.mark.parametrize("shape", [(320, 180), (211, 119), (180, 320)], ids=["wide", "odd", "portrait"])
@pytest.mark.parametrize("form", ["dpx", "exr", "tiff", "jpeg"])
def test_images_are_frames(form: str, shape: tuple[int, int], footage: Path, tmp_path: Path) -> None:
    start = Timecode.from_string("10:00:00:00", 24)
    width, height = shape
    spec = SequenceSpec(name="plate", format=form, frames=14, start=start, reel="A001", width=width, height=height)
    proxies = images(spec, footage, tmp_path, workers=2)
    labelled = form in ("dpx", "exr")
    for proxy in proxies:
        if min(proxy.width, proxy.height) >= 88:
            codes = codes_of(proxy.path)
            assert [code.number for code in codes if code is not None] == list(range(14))
        assert probe(proxy.path).start_timecode == (start if labelled else None)
        assert (proxy.missing, proxy.corrupt, proxy.frames) == ((), (), 14)
    keys = [[number for number in range(14) if index(proxy.path).frame(number).key] for proxy in proxies]
    assert keys == [[0, 12]] * 2


def test_holes_are_held_and_counted(footage: Path, tmp_path: Path) -> None:
    spec = SequenceSpec(name="holes", format="dpx", frames=16, missing=(3, 4, 12))
    (proxy, _) = images(spec, footage, tmp_path)
    numbers = [code.number for code in codes_of(proxy.path) if code is not None]
    assert numbers == [0, 1, 2, 2, 2, 5, 6, 7, 8, 9, 10, 11, 11, 13, 14, 15]
    assert (proxy.missing, proxy.corrupt, proxy.frames) == ((3, 4, 12), (), 16)


def test_a_broken_image_is_held_and_told(footage: Path, tmp_path: Path) -> None:
    spec = SequenceSpec(name="broken", format="exr", frames=6)
    files = [Path(shutil.copy(path, tmp_path)) for path in cached_sequence(spec, footage)]
    files[2].write_bytes(files[2].read_bytes()[:900])
    sequence = _sequence(tuple(files))
    facts = probe_clip(find_clips([str(path) for path in files]).clips[0])

    def open_frame(number: int) -> FileSource | None:
        return FileSource(sequence.path(sequence.first + number))

    (proxy, _) = make_of_images("broken", facts, open_frame, SIZES, tmp_path / "made")
    assert (proxy.corrupt, proxy.missing) == ((2,), ())


def test_a_view_changes_the_colours_and_needs_to_know_them(footage: Path, tmp_path: Path) -> None:
    pytest.importorskip("PyOpenColorIO")
    spec = SequenceSpec(name="graded", format="exr", frames=3)
    (plain, _) = images(spec, footage, tmp_path / "plain")
    grade = Grade(view="ACES 1.0 - SDR Video", space="ACEScg")
    (viewed, _) = images(spec, footage, tmp_path / "viewed", treatment=Treatment(grade))
    assert plain.path.read_bytes() != viewed.path.read_bytes()
    assert grade.record == {"view": {"view": "ACES 1.0 - SDR Video", "space": "ACEScg", "config": grade.config}}
    with pytest.raises(FilmArchiveError, match="colour space"):
        images(spec, footage, tmp_path / "unknown", treatment=Treatment(Grade(view="ACES 1.0 - SDR Video")))
    with pytest.raises(FilmArchiveError, match="no view"):
        images(spec, footage, tmp_path / "none", treatment=Treatment(Grade(view="Nothing", space="ACEScg")))


def test_one_image_is_no_clip(footage: Path) -> None:
    path = cached_sequence(SequenceSpec(name="one", format="dpx", frames=1), footage)[0]
    assert not can_have_proxies(probe(path))


# For the edit


_EDIT_DAILY = ("film_rate", "drop_frame_59", "sixteen_mono", "one_of_sixteen", "sound_16_bit", "vfr")


@pytest.mark.parametrize("codec", ["prores_proxy", "dnxhr_lb"])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in _EDIT_DAILY else pytest.mark.nightly) for name in ODDITIES]
)
def test_proxies_for_the_edit_are_the_original_small(name: str, codec: str, footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES[name]
    clip = cached_clip(spec, footage)
    shown = fit(spec.width, spec.height, (1920, 1080), spec.pixel_aspect)
    if codec == "dnxhr_lb" and (shown[0] < 256 or shown[1] < 120):
        with pytest.raises(NotSupported, match="smallest is 256×120"):
            proxies_of(clip, tmp_path, parse_sizes("editorial"), codec=codec)
        return
    (proxy,) = proxies_of(clip, tmp_path, parse_sizes("editorial"), codec=codec)
    facts, original = probe(proxy.path), probe(clip)
    assert (facts.container, facts.codec) == ("mov", {"prores_proxy": "prores_422", "dnxhr_lb": "dnxhr"}[codec])
    assert codes_of(proxy.path) == [spec.code(number) for number in range(spec.frames)]
    assert (facts.start_timecode, facts.reel) == (spec.start, spec.reel)
    if spec.start is not None:
        assert facts.start_source == "tmcd track"
    layout = [(track.channels, track.sample_rate) for track in original.audio]
    assert [(track.channels, track.sample_rate) for track in facts.audio] == layout
    for track, sound in enumerate(spec.audio):
        if sound.codec.startswith("pcm"):
            heard, whole = samples_of(proxy.path, track), samples_of(clip, track)
            if whole.dtype == np.float32:  # of which 24 bits are kept
                assert np.abs(heard / 2.0**31 - whole[: len(heard)]).max() <= 2.0**-23
            else:
                assert np.array_equal(heard, whole[: len(heard)])
            assert abs(len(whole) - len(heard)) <= 1


# What is done to the pictures


def _likeness(picture: Any, position: str, text: str) -> float:
    """Which part of the pixels of a line of burn-in are as its letters, in its place."""
    height, width = picture.shape
    mask = overlays._mask(text, *overlays._scale(text, width, height))
    top, left = overlays._place(position, mask.shape, width, height)
    shown = picture[top : top + mask.shape[0], left : left + mask.shape[1]]
    return float(np.mean((shown > 128) == (mask[: shown.shape[0], : shown.shape[1]] > 128)))


@pytest.mark.parametrize("position", POSITIONS)
def test_burn_in_is_right_at_every_frame(position: str, footage: Path, tmp_path: Path) -> None:
    spec = ClipSpec(name="burnt", frames=26, width=640, height=360, start=Timecode.from_string("09:59:59:20", 24))
    line = BurnIn(position, "{timecode} {frame}")
    rungs = parse_sizes("640x360@4M")
    treatment = Treatment(burn_in=(line,), first_number=1001)
    (proxy,) = proxies_of(cached_clip(spec, footage), tmp_path, rungs, treatment=treatment)
    with FileSource(proxy.path) as source:
        frames = list(decode_frames(source, index=index(source)))
    for decoded in frames:
        assert decoded.frame is not None
        picture = luma_of(decoded.frame)
        right = f"{spec.timecode(decoded.number)} {1001 + decoded.number}"
        wrong = f"{spec.timecode(decoded.number + 1)} {1002 + decoded.number}"
        assert _likeness(picture, position, right) > max(0.97, _likeness(picture, position, wrong))
    assert proxy.treatment["burn_in"] == [{"position": position, "text": "{timecode} {frame}"}]
    assert codes_of(proxy.path) == [spec.code(number) for number in range(spec.frames)]


@pytest.mark.parametrize("sizes", ["48x26", "64x36", "96x54", "160x90", "320x180"])
def test_burn_in_of_any_size_is_not_taken_for_another_picture(sizes: str, footage: Path, tmp_path: Path) -> None:
    """In tiny pictures the letters cover most of it."""
    spec = ClipSpec(name="burnt small", frames=14, start=Timecode.from_string("09:59:59:20", 24))
    lines = tuple(BurnIn(position, "{timecode} {frame}") for position in POSITIONS)
    (proxy,) = proxies_of(cached_clip(spec, footage), tmp_path, parse_sizes(sizes), treatment=Treatment(burn_in=lines))
    assert proxy.frames == 14


def test_burn_in_that_can_not_be(footage: Path, tmp_path: Path) -> None:
    for position, text, why in (("middle", "x", "no place"), ("top left", "{reel}", "has no"), ("top left", "", "letters")):
        with pytest.raises(FilmArchiveError, match=why):
            BurnIn(position, text)
    clip = cached_clip(ODDITIES["no_timecode"], footage)
    with pytest.raises(FilmArchiveError, match="no start timecode"):
        proxies_of(clip, tmp_path, treatment=Treatment(burn_in=(BurnIn("top left", "{timecode}"),)))


def test_a_lut_and_a_cdl_are_applied_and_recorded(footage: Path, tmp_path: Path) -> None:
    pytest.importorskip("PyOpenColorIO")
    cube = tmp_path / "negative.cube"
    entries = [f"{1 - r} {1 - g} {1 - b}" for b in (0, 1) for g in (0, 1) for r in (0, 1)]
    cube.write_text("LUT_3D_SIZE 2\n" + "\n".join(entries) + "\n")
    clip = cached_clip(ODDITIES["film_rate"], footage)
    (plain, _) = proxies_of(clip, tmp_path / "plain")
    (turned, _) = proxies_of(clip, tmp_path / "turned", treatment=Treatment(Grade(lut=cube)))
    pictures = []
    for proxy in (plain, turned):
        with FileSource(proxy.path) as source:
            (first,) = list(decode_frames(source, count=1, index=index(source)))
            assert first.frame is not None
            pictures.append(rgb_of(first.frame).astype(int))
    assert np.abs(pictures[0] + pictures[1] - 255).mean() < 8
    assert turned.treatment["lut"]["file"] == "negative.cube"
    assert len(turned.treatment["lut"]["xxh128"]) == 32


# What is broken

LONG_GOP = ODDITIES["long_gop"]
PRORES = ClipSpec(
    name="cut", frames=40, start=Timecode.from_string("10:00:00:00", 24), muxer_options=(("moov_size", "65536"),)
)


@pytest.mark.parametrize("name", ["prores", "fragmented", "prores_mxf", "xavc_intra_mxf", "mpeg2_long_gop_mxf"])
def test_a_clip_that_ends_in_mid_frame_is_shown_up_to_there(name: str, footage: Path, tmp_path: Path) -> None:
    spec = PRORES if name == "prores" else ODDITIES[name]
    path = tmp_path / f"short.{spec.container}"
    data = cached_clip(spec, footage).read_bytes()
    cut = spec.frames * 3 // 4
    frame = index(cached_clip(spec, footage)).frame(cut)
    path.write_bytes(data[: frame.offset + frame.size // 3])
    (proxy, _) = proxies_of(path, tmp_path / "made")
    assert cut // 2 < proxy.frames == index(path).frames <= cut, "whole fragments, whole frames"
    assert [None if code is None else code.number for code in codes_of(proxy.path)] == list(range(proxy.frames))
    assert (proxy.cut_short, proxy.corrupt) == (True, ())
    assert "cut short" in shortcomings(proxy)[0]
    (whole, _) = proxies_of(cached_clip(spec, footage), tmp_path / "whole")
    assert not whole.cut_short


def test_damage_is_the_same_for_any_number_of_workers(footage: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.mp4"
    data = bytearray(cached_clip(LONG_GOP, footage).read_bytes())
    table = index(cached_clip(LONG_GOP, footage))
    for number in (7, 20, 43):
        frame = table.frame(number)
        data[frame.offset + frame.size // 2 : frame.offset + frame.size] = np.random.default_rng(number).bytes(
            frame.size - frame.size // 2
        )
    path.write_bytes(data)
    made = [proxies_of(path, tmp_path / str(workers), workers=workers)[0] for workers in (1, 2, 4)]
    assert len({proxy.path.read_bytes() for proxy in made}) == 1
    assert len({proxy.corrupt for proxy in made}) == 1


@pytest.mark.parametrize("spec", [PRORES, LONG_GOP], ids=lambda spec: spec.name)
def test_one_corrupt_frame_keeps_its_place(spec: ClipSpec, footage: Path, tmp_path: Path) -> None:
    path = tmp_path / f"bad.{spec.container}"
    data = bytearray(cached_clip(spec, footage).read_bytes())
    table = index(cached_clip(spec, footage))
    frame = table.frame(20)
    data[frame.offset : frame.offset + frame.size] = np.random.default_rng(1).bytes(frame.size)
    path.write_bytes(data)
    (proxy, _) = proxies_of(path, tmp_path / "made")
    assert proxy.frames == spec.frames
    assert 20 in proxy.corrupt
    good = [number for number in range(spec.frames) if number not in proxy.corrupt]
    codes = codes_of(proxy.path)
    assert [codes[number] for number in good] == [spec.code(number) for number in good]
    assert len(good) > spec.frames // 2


def test_a_stream_that_changes_its_size(footage: Path, tmp_path: Path) -> None:
    path = tmp_path / "sizes.ts"
    with av.open(str(path), "w", format="mpegts") as output:
        streams = output.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        assert isinstance(streams, VideoStream)
        streams.width, streams.height, streams.pix_fmt = 320, 180, "yuv420p"
        for part, (width, height) in enumerate(((320, 180), (640, 360))):
            settings = fragment_video(width, height, FrameRate(24, 1), 500_000, preset="ultrafast")
            encoder = video_encoder(settings, in_band=True)
            for number in [*range(24), None]:
                frame = None
                if number is not None:
                    frame = converted(frame_of(frame_picture(number, None, width, height)), pixel_format="yuv420p")
                    frame.pts, frame.time_base = part * 24 + number, settings.tick
                for packet in encoder.encode(frame):
                    packet.stream, packet.time_base = streams, settings.tick
                    output.mux(packet)
    with FileSource(path) as source:
        facts, table = probe(source), index(source)
    (proxy, _) = proxies_of(path, tmp_path / "made")
    assert (proxy.width, proxy.height, proxy.frames) == (320, 180, 48) == (facts.width, facts.height, table.frames)
    numbers = [code.number for code in codes_of(proxy.path) if code is not None]
    assert numbers == [*range(24), *range(24)]


def test_what_can_not_be_decoded_is_named(footage: Path, tmp_path: Path) -> None:
    clip = cached_clip(PRORES, footage)
    with FileSource(clip) as source:
        facts, table = probe(source), index(source)
        import dataclasses

        for change in ({"decodable": False}, {"frames": 0}, {"width": 0}):
            with pytest.raises(NotSupported, match="no proxies were made"):
                make(source, dataclasses.replace(facts, **change), table, SIZES, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_nothing_of_it_can_be_decoded(footage: Path, tmp_path: Path) -> None:
    path = tmp_path / "all.mov"
    data = bytearray(cached_clip(PRORES, footage).read_bytes())
    table = index(cached_clip(PRORES, footage))
    for number in range(table.frames):
        frame = table.frame(number)
        data[frame.offset : frame.offset + frame.size] = bytes(frame.size)
    path.write_bytes(data)
    with pytest.raises(Damaged):
        proxies_of(path, tmp_path / "made")
    assert not list((tmp_path / "made").glob("*.mp4"))


@pytest.mark.parametrize(
    ("tracks", "wanted", "channels"),
    [
        ((1,), None, ((0, 0),)),
        ((2,), None, ((0, 0), (0, 1))),
        ((1, 1, 1), None, ((0, 0), (1, 0))),
        ((6,), None, tuple((0, channel) for channel in range(6))),
        ((16,), None, ((0, 0), (0, 1))),
        ((1,) * 16, (9, 10), ((8, 0), (9, 0))),
        ((2, 2), (3,), ((1, 0),)),
    ],
)
def test_which_channels_are_heard(tracks: Any, wanted: Any, channels: Any) -> None:
    from film_archive.media.av.proxy_sound import mix_of

    audio = [AudioFacts(codec="pcm_s24le", channels=n, sample_rate=48_000, layout="5.1" if n == 6 else None) for n in tracks]
    mix = mix_of(audio, wanted)
    assert mix is not None
    assert mix.channels == channels


