"""The index of really encoded files, against what FFmpeg's demuxer (through PyAV) finds in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from film_archive.core.errors import Damaged, FilmArchiveError
from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import FileSource, MemorySource
from film_archive.media.mov import MovFile, is_mov

av = pytest.importorskip("av")

NTSC_FILM, NTSC = Fraction(24000, 1001), Fraction(30000, 1001)


@dataclass(frozen=True)
class Recipe:
    """A tiny file to encode."""

    name: str
    codec: str | None = "prores_ks"
    rate: Fraction = NTSC_FILM
    frames: int = 24
    size: tuple[int, int] = (64, 48)
    pixels: str = "yuv422p10le"
    options: dict[str, str] = field(default_factory=dict)
    muxing: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    sound: tuple[str, ...] = ()
    sound_rate: int = 48000
    layout: str = "stereo"
    sound_delay: int = 0
    times: tuple[int, ...] | None = None
    video_tags: dict[str, str] = field(default_factory=dict)


FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
LONG_GOP = {"bf": "2", "g": "12", "x264-params": "b-adapt=0"}
RECIPES = [
    Recipe("prores_in24.mov", sound=("pcm_s24le",), tags={"timecode": "01:00:00:00"}),
    Recipe("prores_alone.mov", frames=10),
    Recipe("prores_4444.mov", frames=4, options={"profile": "4444"}, pixels="yuv444p10le"),
    Recipe("prores_lpcm96.mov", frames=8, sound=("pcm_s24le",), sound_rate=96000),
    Recipe("prores_multi.mov", frames=12, sound=("pcm_s16le", "pcm_s24le", "pcm_s16be", "pcm_f32le"), layout="mono"),
    Recipe("mjpeg.mov", "mjpeg", Fraction(25), 60, pixels="yuvj420p"),
    Recipe("dnxhr.mov", "dnxhd", Fraction(25), 6, (256, 128), "yuv422p", {"profile": "dnxhr_sq"}, sound=("pcm_s16le",)),
    Recipe("dnxhd.mov", "dnxhd", Fraction(25), 2, (1920, 1080), "yuv422p", {"b": "120M"}),
    Recipe("h264_b.mp4", "libx264", NTSC, 50, pixels="yuv420p", options=LONG_GOP, sound=("aac",),
           tags={"timecode": "01:00:00;02"}),
    Recipe("h264_b.mov", "libx264", NTSC, 50, pixels="yuv420p", options=LONG_GOP, sound=("pcm_s16le", "aac")),
    Recipe("h264_negative.mp4", "libx264", NTSC, 30, pixels="yuv420p", options=LONG_GOP,
           muxing={"movflags": "negative_cts_offsets"}),
    Recipe("h264_faststart.mp4", "libx264", Fraction(24), 50, pixels="yuv420p", options=LONG_GOP, sound=("aac",),
           muxing={"movflags": "faststart"}),
    Recipe("h264_422.mov", "libx264", Fraction(24), 6, pixels="yuv422p10le", options={"bf": "0", "g": "1"}),
    Recipe("delayed_sound.mov", frames=30, sound=("pcm_s16le",), sound_delay=24000),
    Recipe("delayed_aac.mp4", "libx264", Fraction(25), 50, pixels="yuv420p", options=LONG_GOP, sound=("aac",),
           sound_delay=24000),
    Recipe("vfr.mov", "mjpeg", Fraction(24), 8, pixels="yuvj420p", times=(0, 1, 2, 5, 6, 9, 10, 11)),
    Recipe("vfr_b.mp4", "libx264", Fraction(24), 16, pixels="yuv420p", options=LONG_GOP,
           times=(0, 1, 2, 5, 6, 9, 10, 11, 12, 13, 20, 21, 22, 23, 27, 28)),
    Recipe("fragments.mp4", "libx264", NTSC, 50, pixels="yuv420p", options=LONG_GOP, sound=("aac",), muxing=FRAGMENTED,
           tags={"timecode": "01:00:00;02"}),
    Recipe("fragments_no_b.mp4", "libx264", Fraction(24), 48, pixels="yuv420p", options={"bf": "0", "g": "12"},
           muxing={"movflags": "cmaf+frag_keyframe+empty_moov+default_base_moof+skip_sidx"}),
    Recipe("fragments_delayed.mp4", "libx264", NTSC, 50, pixels="yuv420p", options=LONG_GOP, sound=("aac",),
           muxing={"movflags": "frag_keyframe+delay_moov+default_base_moof"}),
    Recipe("fragments_first.mp4", "libx264", NTSC, 50, pixels="yuv420p", options=LONG_GOP, sound=("aac",),
           muxing={"movflags": "frag_keyframe"}),
    Recipe("fragments_pcm.mov", frames=24, sound=("pcm_s24le",), muxing={"movflags": "frag_keyframe+empty_moov",
           "frag_duration": "200000"}),
    Recipe("fragments_separate.mp4", "libx264", NTSC, 50, pixels="yuv420p", options=LONG_GOP, sound=("aac",),
           muxing={"movflags": "frag_keyframe+empty_moov+separate_moof+omit_tfhd_offset+global_sidx"}),
    Recipe("sound_alone.m4a", None, sound=("aac",), frames=24),
    Recipe("sound_alone.mov", None, sound=("pcm_s24le",), frames=24),
]  # fmt: skip
BY_NAME = {recipe.name: recipe for recipe in RECIPES}
_FORMATS = {"pcm_s16le": ("s16", np.int16), "pcm_s16be": ("s16", np.int16), "pcm_s24le": ("s32", np.int32),
            "pcm_f32le": ("flt", np.float32), "aac": ("fltp", np.float32)}  # fmt: skip


def encode(recipe: Recipe, path: str) -> None:
    with av.open(path, "w", options=recipe.muxing) as out:
        out.metadata.update(recipe.tags)
        streams = []
        if recipe.codec is not None:
            stream = out.add_stream(recipe.codec, rate=recipe.rate, options=dict(recipe.options))
            stream.width, stream.height = recipe.size
            stream.pix_fmt = recipe.pixels
            stream.metadata.update(recipe.video_tags)
            streams.append(("picture", stream, None))
        for codec in recipe.sound:
            stream = out.add_stream(codec, rate=recipe.sound_rate, layout=recipe.layout)
            streams.append(("sound", stream, codec))
        times = recipe.times or tuple(range(recipe.frames))
        heard = [0] * len(streams)
        for number, time in enumerate(times):
            for place, (kind, stream, codec) in enumerate(streams):
                if kind == "picture":
                    out.mux(stream.encode(_picture(recipe, number, time)))
                else:
                    until = int(Fraction(time + 1) / recipe.rate * recipe.sound_rate)
                    while heard[place] < until:
                        frame = _sound(recipe, codec, heard[place], min(1024, until - heard[place]))
                        heard[place] += frame.samples
                        out.mux(stream.encode(frame))
        for _, stream, _ in streams:
            out.mux(stream.encode(None))


def _picture(recipe: Recipe, number: int, time: int):
    frame = av.VideoFrame(*recipe.size, recipe.pixels)
    for plane in frame.planes:
        noise = np.random.default_rng(number).integers(0, 3, plane.buffer_size, np.uint8)
        plane.update(noise.tobytes())
    frame.pts, frame.time_base = time, 1 / recipe.rate
    return frame


def _sound(recipe: Recipe, codec: str, start: int, count: int):
    form, number = _FORMATS[codec]
    channels = 2 if recipe.layout == "stereo" else 1
    shape = (channels, count) if form == "fltp" else (1, count * channels)
    frame = av.AudioFrame.from_ndarray(np.zeros(shape, number), format=form, layout=recipe.layout)
    frame.sample_rate, frame.time_base = recipe.sound_rate, Fraction(1, recipe.sound_rate)
    frame.pts = start + recipe.sound_delay
    return frame


@dataclass(frozen=True)
class Demuxed:
    """What FFmpeg finds in a track: position, size, pts, key of each packet, and the track's time base."""

    kind: str
    packets: list[tuple[int, int, int, bool]]
    time_base: Fraction
    rate: Fraction | None
    hidden: list[bool]


def demuxed(path: str) -> list[Demuxed]:
    with av.open(path) as container:
        rows: dict[int, list[tuple[int, int, int, bool]]] = {stream.index: [] for stream in container.streams}
        hidden: dict[int, list[bool]] = {stream.index: [] for stream in container.streams}
        for packet in container.demux():
            if packet.pts is not None and packet.size:
                rows[packet.stream.index].append((packet.pos, packet.size, packet.pts, bool(packet.is_keyframe)))
                hidden[packet.stream.index].append(bool(packet.is_discard))
        return [
            Demuxed(s.type, rows[s.index], s.time_base, getattr(s, "average_rate", None), hidden[s.index])
            for s in container.streams
        ]


@pytest.fixture(scope="session")
def encoded(tmp_path_factory):
    """A function: recipe's name → path, encoded once a session."""
    folder = tmp_path_factory.mktemp("mov")
    made: dict[str, str] = {}

    def path_of(name: str) -> str:
        if name not in made:
            path = str(folder / name)
            encode(BY_NAME[name], path)
            made[name] = path
        return made[name]

    return path_of


def read(path: str) -> tuple[MovFile, FrameIndex]:
    with FileSource(path) as source:
        file = MovFile.open(source)
        file.facts()
        return file, file.index()


def first_shown(oracle: list[Demuxed]) -> Fraction:
    """When FFmpeg shows the first frame, in seconds."""
    for track in oracle:
        if track.kind == "video":
            return min(p[2] for p, gone in zip(track.packets, track.hidden, strict=True) if not gone) * track.time_base
    return Fraction(0)


@pytest.mark.parametrize("name", [recipe.name for recipe in RECIPES if recipe.codec is not None])
def test_every_frame_is_where_and_when_ffmpeg_finds_it(encoded, name):
    _, index = read(encoded(name))
    oracle = demuxed(encoded(name))
    (track,) = [track for track in oracle if track.kind == "video"]
    zero = int(first_shown(oracle) / track.time_base)
    assert index.video is not None
    assert index.video.timescale == 1 / track.time_base
    found = list(zip(index.video.offsets.tolist(), index.video.sizes.tolist(), index.video.times.tolist(),
                     index.keys.tolist(), strict=True))  # fmt: skip
    assert found == [(pos, size, pts - zero, key) for pos, size, pts, key in track.packets]
    assert index.frames == BY_NAME[name].frames
    if BY_NAME[name].times is None:
        assert index.rate == BY_NAME[name].rate
        assert not index.vfr
        assert index.seconds == index.frames / BY_NAME[name].rate


@pytest.mark.parametrize("name", [recipe.name for recipe in RECIPES if recipe.sound])
def test_every_sample_of_sound_is_where_and_when_ffmpeg_finds_it(encoded, name):
    file, index = read(encoded(name))
    oracle = demuxed(encoded(name))
    tracks = [track for track in oracle if track.kind == "audio"]
    zero = first_shown(oracle)
    assert len(tracks) == len(index.audio) == len(BY_NAME[name].sound)
    for track, sound, codec, facts in zip(tracks, index.audio, BY_NAME[name].sound, file.facts().audio, strict=True):
        assert sound.codec == facts.codec == codec
        assert sound.sample_rate == BY_NAME[name].sound_rate
        shift = round(zero / track.time_base)
        table = sound.packets
        found = list(zip(table.offsets.tolist(), table.sizes.tolist(), table.times.tolist(), strict=True))
        wanted = [(pos, size, pts - shift) for pos, size, pts, _ in track.packets]
        if sound.frame_bytes:
            found, wanted = _samples(found, sound.frame_bytes), _samples(wanted, sound.frame_bytes)
            assert facts.samples == len(found)
        assert found == wanted


def _samples(packets, each):
    """(place, time) of every single sample of PCM packets; FFmpeg and we cut them differently."""
    return [(place + n * each, time + n) for place, size, time in packets for n in range(size // each)]


@pytest.mark.parametrize("name", ["h264_b.mp4", "fragments.mp4", "vfr_b.mp4", "fragments_delayed.mp4"])
def test_frames_are_numbered_as_a_decoder_shows_them(encoded, name):
    """Encoded again from its packets alone, frame n is the n-th picture that FFmpeg decodes."""
    _, index = read(encoded(name))
    with av.open(encoded(name)) as container:
        shown = [frame.pts for frame in container.decode(video=0)]
    assert index.video is not None
    times = index.video.times[index.shown] + shown[0]
    assert times.tolist() == shown


@pytest.mark.parametrize("name", [recipe.name for recipe in RECIPES])
def test_the_index_survives_being_stored(encoded, name):
    _, index = read(encoded(name))
    again = FrameIndex.from_bytes(index.to_bytes())
    assert again.frames == index.frames
    if index.video is not None and again.video is not None:
        assert again.video.offsets.tolist() == index.video.offsets.tolist()
        assert again.video.times.tolist() == index.video.times.tolist()


EXPECTED = {
    "prores_in24.mov": {"codec": "prores_422", "profile": "422 HQ", "bit_depth": 10, "scan": "progressive",
                        "container": "mov", "width": 64, "height": 48, "frames": 24, "pixel_aspect": 1},
    "prores_4444.mov": {"codec": "prores_4444", "profile": "4444", "bit_depth": 12},
    "dnxhr.mov": {"codec": "dnxhr", "profile": "DNxHR SQ", "bit_depth": 8, "scan": "progressive"},
    "dnxhd.mov": {"codec": "dnxhd", "profile": "DNxHD 120", "bit_depth": 8, "scan": "progressive", "width": 1920},
    "h264_b.mp4": {"codec": "h264", "profile": "High", "bit_depth": 8, "container": "mp4", "scan": "progressive"},
    "h264_422.mov": {"codec": "h264", "profile": "High 4:2:2 Intra", "bit_depth": 10, "container": "mov"},
    "mjpeg.mov": {"codec": "mjpeg", "bit_depth": 8, "vfr": False},
    "vfr.mov": {"vfr": True, "frames": 8},
    "fragments.mp4": {"frames": 50, "container": "mp4"},
    "sound_alone.m4a": {"codec": "aac", "frames": None, "frame_rate": None},
    "sound_alone.mov": {"codec": "pcm_s24le"},
}  # fmt: skip


@pytest.mark.parametrize("name", list(EXPECTED))
def test_facts(encoded, name):
    facts = read(encoded(name))[0].facts()
    assert {key: getattr(facts, key) for key in EXPECTED[name]} == EXPECTED[name]
    assert facts.decodable


@pytest.mark.parametrize(
    ("rate", "label", "drop"),
    [
        (NTSC_FILM, "23:59:59:23", False),
        (Fraction(24), "01:00:00:00", False),
        (Fraction(25), "10:11:12:13", False),
        (NTSC, "00:01:00;02", True),
        (NTSC, "00:01:00:02", False),
        (Fraction(50), "01:02:03:49", False),
        (Fraction(60000, 1001), "00:01:00;04", True),
        (Fraction(60000, 1001), "00:01:00:04", False),
    ],
)
@pytest.mark.parametrize("muxing", [{}, FRAGMENTED], ids=["plain", "fragments"])
@pytest.mark.parametrize("suffix", ["mov", "mp4"])
def test_start_timecode(tmp_path, rate, label, drop, muxing, suffix):
    path = str(tmp_path / f"clip.{suffix}")
    encode(Recipe("x", "mjpeg", rate, 3, pixels="yuvj420p", tags={"timecode": label}, muxing=muxing), path)
    facts = read(path)[0].facts()
    assert facts.start_timecode is not None
    assert str(facts.start_timecode) == label
    assert facts.start_timecode.drop_frame is drop
    assert facts.start_timecode.rate == rate == facts.frame_rate
    assert facts.start_source == "tmcd track"
    assert facts.diagnostics == ()


def test_reel_from_the_timecode_track(tmp_path):
    path = str(tmp_path / "clip.mov")
    encode(Recipe("x", "mjpeg", Fraction(24), 3, pixels="yuvj420p", tags={"timecode": "01:00:00:00"},
                  video_tags={"reel_name": "A001R1ÄB"}), path)  # fmt: skip
    facts = read(path)[0].facts()
    assert (facts.reel, facts.reel_source) == ("A001R1ÄB", "tmcd track")


@pytest.mark.parametrize("movflags", ["use_metadata_tags", "use_metadata_tags+frag_keyframe+empty_moov"])
def test_keys_of_cameras(tmp_path, movflags):
    path = str(tmp_path / "clip.mov")
    tags = {
        "com.apple.quicktime.creationdate": "2024-05-06T07:08:09+0200",
        "com.apple.quicktime.make": "ARRI",
        "com.apple.quicktime.model": "ALEXA Mini",
        "com.arri.camera.SensorFps": "24000",
        "com.apple.proapps.reel": "060A2B340101010501010F2013000000" + "0" * 32,
        "com.example.ReelName": "B002",
        "creation_time": "2024-05-06T05:08:09Z",
        "timecode": "02:03:04:05",
    }
    encode(Recipe("x", "mjpeg", Fraction(24), 3, pixels="yuvj420p", muxing={"movflags": movflags}, tags=tags), path)
    facts = read(path)[0].facts()
    assert (facts.created, facts.created_source) == ("2024-05-06T07:08:09+02:00", "com.apple.quicktime.creationdate")
    assert facts.camera["make"] == "ARRI"
    assert facts.camera["model"] == "ALEXA Mini"
    assert facts.camera["com.arri.camera.SensorFps"] == "24000"
    assert (facts.reel, facts.reel_source) == ("B002", "com.example.ReelName")
    assert str(facts.start_timecode) == "02:03:04:05"


def test_date_of_the_movie_header(tmp_path):
    path = str(tmp_path / "clip.mov")
    tags = {"creation_time": "2024-05-06T05:08:09Z"}
    encode(Recipe("x", "mjpeg", Fraction(24), 3, pixels="yuvj420p", tags=tags), path)
    facts = read(path)[0].facts()
    assert (facts.created, facts.created_source) == ("2024-05-06T05:08:09Z", "mvhd")


def test_colour_and_interlace_and_pixel_aspect(tmp_path):
    path = str(tmp_path / "clip.mov")
    with av.open(path, "w") as out:
        options = {"profile": "standard", "flags": "+ildct+ilme", "top": "1"}
        stream = out.add_stream("prores_ks", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 720, 576, "yuv422p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = 9, 16, 9
        context.sample_aspect_ratio = Fraction(64, 45)
        for number in range(2):
            frame = av.VideoFrame(720, 576, "yuv422p10le")
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            frame.color_primaries, frame.color_trc, frame.colorspace = 9, 16, 9
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    facts = read(path)[0].facts()
    assert (facts.color.primaries, facts.color.transfer, facts.color.matrix) == ("bt2020", "smpte2084", "bt2020nc")
    assert facts.profile == "422"
    assert facts.scan in ("tff", "bff")


# A file that was cut off


@pytest.mark.parametrize("name", ["h264_faststart.mp4"])
def test_cut_anywhere_only_whole_frames_are_told(encoded, name):
    data = Path(encoded(name)).read_bytes()
    _, whole = read(encoded(name))
    assert whole.video is not None
    offsets, sizes = whole.video.offsets, whole.video.sizes
    first = int(offsets.min())
    for cut in range(first, len(data), max(1, (len(data) - first) // 60)):
        source = MemorySource(data[:cut], "clip.mp4")
        wanted = 0
        while wanted < whole.frames and int((offsets + sizes)[whole.shown[wanted]]) <= cut:
            wanted += 1
        if not wanted:
            with pytest.raises(Damaged, match="truncated"):
                MovFile.open(source).index()
            continue
        file = MovFile.open(source)
        index, facts = file.index(), file.facts()
        assert index.frames == facts.frames == wanted
        assert [index.frame(n).offset for n in range(wanted)] == [whole.frame(n).offset for n in range(wanted)]
        assert index.video is not None
        assert int((index.video.offsets + index.video.sizes).max()) <= cut
        for sound in index.audio:
            if len(sound.packets):
                assert int((sound.packets.offsets + sound.packets.sizes).max()) <= cut
        if wanted < whole.frames:
            missing = f"{whole.frames - wanted} of its {whole.frames} frames are missing"
            assert any(missing in note for note in facts.diagnostics)


@pytest.mark.parametrize("name", ["prores_in24.mov", "h264_b.mp4"])
def test_cut_before_the_index_is_said_to_be_that(encoded, name):
    data = Path(encoded(name)).read_bytes()
    moov = data.rindex(b"moov") - 4
    for cut in (moov, moov - 100, 1000, 60):
        with pytest.raises(Damaged, match=r"truncated|not finished"):
            MovFile.open(MemorySource(data[:cut], "clip.mov"))
    for cut in (moov + 8, moov + 100, len(data) - 1):
        with pytest.raises(Damaged, match="inside its moov"):
            MovFile.open(MemorySource(data[:cut], "clip.mov"))


@pytest.mark.parametrize("name", ["fragments.mp4", "fragments_no_b.mp4", "fragments_pcm.mov"])
def test_a_recording_cut_off_keeps_its_whole_fragments(encoded, name):
    data = Path(encoded(name)).read_bytes()
    _, whole = read(encoded(name))
    starts = [n for n in range(len(data)) if data[n + 4 : n + 8] == b"moof"]
    ends = [*starts[1:], len(data)]
    assert len(starts) >= 2
    for cut in range(starts[0], len(data), max(1, (len(data) - starts[0]) // 50)):
        index = MovFile.open(MemorySource(data[:cut], "clip.mp4")).index()
        complete = sum(1 for end in ends if end <= cut)
        limit = starts[complete] if complete < len(starts) else len(data)
        assert whole.video is not None
        wanted = int((whole.video.offsets < limit).sum())
        assert (0 if index.video is None else len(index.video)) in (wanted, _with_trailing_boxes(whole, cut))


def _with_trailing_boxes(whole: FrameIndex, cut: int) -> int:
    """A last fragment whose samples are all there counts, even where boxes behind it (mfra) are cut."""
    assert whole.video is not None
    return int((whole.video.offsets + whole.video.sizes <= cut).sum())


@pytest.mark.parametrize("name", ["prores_in24.mov", "h264_b.mp4", "fragments.mp4", "sound_alone.m4a"])
def test_recognised_by_content(encoded, name):
    assert is_mov(Path(encoded(name)).read_bytes()[:16])


def test_no_error_is_anything_but_ours_when_the_source_is_a_part(encoded):
    """A file that lies inside another (an archive's member) reads the same."""
    data = Path(encoded("prores_in24.mov")).read_bytes()
    inside = MemorySource(b"PK" + bytes(4094) + data + b"tail").slice(4096, len(data))
    plain = MovFile.open(MemorySource(data)).index()
    index = MovFile.open(inside).index()
    assert index.to_bytes() == plain.to_bytes()
    with pytest.raises(FilmArchiveError):
        MovFile.open(MemorySource(b"PK" + bytes(4094)))
