"""Facts and frame index of MXF files that FFmpeg wrote; its demuxer's packets are the oracle for every byte."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import FileSource, MemorySource
from film_archive.core.timecode import FrameRate
from film_archive.media.mxf import MxfFile, is_mxf
from tests.media.mxf_encoding import Recipe, demux, encode

NTSC = Fraction(30000, 1001)
RECIPES = [
    Recipe("dnxhr_hq", "dnxhd", options={"profile": "dnxhr_hq"}),
    Recipe("dnxhr_film", "dnxhd", options={"profile": "dnxhr_lb"}, rate=Fraction(24000, 1001)),
    Recipe("dnxhd", "dnxhd", size=(1920, 1080), bit_rate=120_000_000, frames=4),
    Recipe(
        "dnxhr_ntsc",
        "dnxhd",
        options={"profile": "dnxhr_sq"},
        rate=NTSC,
        frames=12,
        sound=("pcm_s24le", "pcm_s16le"),
        metadata={"timecode": "00:59:59;28"},
    ),
    Recipe("prores", "prores_ks", "yuv422p10le", options={"profile": "3"}),
    Recipe("prores_4444", "prores_ks", "yuva444p10le", options={"profile": "4"}, sound=()),
    Recipe("prores_long", "prores_ks", "yuv422p10le", options={"profile": "0"}, size=(64, 48), frames=620),
    Recipe(
        "avc_intra",
        "libx264",
        "yuv422p10le",
        options={"x264-params": "keyint=1:bframes=0:log=-1", "profile": "high422"},
    ),
    Recipe("jpeg2000", "jpeg2000", "yuv422p10le"),
    Recipe("mpeg2", "mpeg2video", "yuv420p", gop=12, frames=40),
    Recipe("ffv1", "ffv1", "yuv422p10le"),
    Recipe("dv", "dvvideo", "yuv420p", size=(720, 576)),
    Recipe("atom_dnxhr", "dnxhd", options={"profile": "dnxhr_hq"}, container="mxf_opatom", sound=()),
    Recipe("atom_dnxhd", "dnxhd", size=(1920, 1080), bit_rate=120_000_000, frames=4, container="mxf_opatom", sound=()),
    Recipe("atom_sound", None, container="mxf_opatom", frames=50),
]
EXPECTED = {
    "dnxhr_hq": ("dnxhr", "DNxHR HQ", 8),
    "dnxhr_film": ("dnxhr", "DNxHR LB", 8),
    "dnxhd": ("dnxhd", "DNxHD 120", 8),
    "dnxhr_ntsc": ("dnxhr", "DNxHR SQ", 8),
    "prores": ("prores_422", "422 HQ", 10),
    "prores_4444": ("prores_4444", "4444", 12),
    "prores_long": ("prores_422", "422 Proxy", 10),
    "avc_intra": ("h264", "High 4:2:2 Intra", 10),
    "jpeg2000": ("jpeg2000", None, 10),
    "mpeg2": ("mpeg2", "Main@Main", 8),
    "ffv1": ("ffv1", None, 10),
    "dv": ("dv", "DV25", 8),
    "atom_dnxhr": ("dnxhr", "DNxHR HQ", 8),
    "atom_dnxhd": ("dnxhd", "DNxHD 120", 8),
    "atom_sound": ("pcm_s24le", None, None),
}


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every recipe encoded, once a session."""
    folder = tmp_path_factory.mktemp("mxf")
    return {recipe.name: encode(recipe, folder / f"{recipe.name}.mxf") for recipe in RECIPES}


def payloads(path: Path, index: FrameIndex) -> list[bytes]:
    assert index.video is not None
    with FileSource(path) as source:
        return [
            source.read_at(offset, size)
            for offset, size in zip(index.video.offsets.tolist(), index.video.sizes.tolist(), strict=True)
        ]


def sound_bytes(path: Path, index: FrameIndex) -> list[bytes]:
    with FileSource(path) as source:
        return [
            b"".join(
                source.read_at(offset, size)
                for offset, size in zip(track.packets.offsets.tolist(), track.packets.sizes.tolist(), strict=True)
            )
            for track in index.audio
        ]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_frame_and_sound_byte_is_where_the_demuxer_finds_it(media: dict[str, Path], recipe: Recipe) -> None:
    path = media[recipe.name]
    index = MxfFile.open(FileSource(path)).index()
    oracle = demux(path)
    assert sound_bytes(path, index) == oracle.sounds
    if recipe.codec is None:
        assert index.video is None
        return
    assert payloads(path, index) == oracle.pictures
    assert index.video is not None
    assert index.rate == FrameRate.of(recipe.rate)
    assert index.frames == recipe.frames
    assert index.video.timescale == recipe.rate.numerator
    assert (index.video.times // recipe.rate.denominator).tolist() == oracle.times
    assert index.video.end == recipe.frames * recipe.rate.denominator
    assert index.keys.tolist() == oracle.keys
    assert index.vfr is False
    assert index.diagnostics == ()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_facts_say_what_was_encoded(media: dict[str, Path], recipe: Recipe) -> None:
    facts = MxfFile.open(FileSource(media[recipe.name])).facts()
    assert facts.container == "mxf"
    assert (facts.codec, facts.profile, facts.bit_depth) == EXPECTED[recipe.name]
    assert facts.decodable
    assert facts.note is None
    assert facts.diagnostics == ()
    assert str(facts.start_timecode) == recipe.metadata["timecode"]
    assert facts.reel == recipe.metadata.get("reel_name")
    assert facts.start_source == ("source package" if facts.reel else "material package")
    assert facts.reel_source == ("source package" if facts.reel else None)
    assert [track.codec for track in facts.audio] == list(recipe.sound)
    assert all((track.channels, track.sample_rate) == (1, 48000) for track in facts.audio)
    assert {track.samples for track in facts.audio} <= {int(recipe.frames * 48000 / recipe.rate)}
    assert facts.camera["operational_pattern"] == ("OP-Atom" if recipe.container == "mxf_opatom" else "OP1a")
    assert "Muxer" in facts.camera["writer"]
    if recipe.codec is not None:
        assert facts.frames == recipe.frames
        assert (facts.width, facts.height) == recipe.size
        assert facts.frame_rate == FrameRate.of(recipe.rate)
        assert facts.scan == ("bff" if recipe.codec == "dvvideo" else "progressive")
    else:
        assert (facts.frames, facts.frame_rate, facts.width) == (None, None, None)


def test_times_of_sound_are_its_samples(media: dict[str, Path]) -> None:
    index = MxfFile.open(FileSource(media["dnxhr_ntsc"])).index()
    assert [track.frame_bytes for track in index.audio] == [3, 2]
    for track in index.audio:
        packets = track.packets
        samples = packets.sizes // track.frame_bytes
        assert set(samples.tolist()) == {1601, 1602}
        assert packets.timescale == 48000
        assert packets.times.tolist() == (np.cumsum(samples) - samples).tolist()
        assert packets.end == samples.sum()


def test_long_gop_is_shown_in_order_and_decodes_from_its_keys(media: dict[str, Path]) -> None:
    index = MxfFile.open(FileSource(media["mpeg2"])).index()
    assert index.video is not None
    assert not index.intra
    assert index.keys[0]
    order = [index.frame(number).position for number in range(index.frames)]
    assert sorted(order) == list(range(40))
    assert order != sorted(order)
    assert index.keyframe_before(39).position <= index.frame(39).position


def test_many_partitions_each_with_the_index_of_the_one_before(media: dict[str, Path]) -> None:
    file = MxfFile.open(FileSource(media["prores_long"]))
    bodies = [section.partition for section in file.partitions.sections if section.partition.kind == "body"]
    assert file.partitions.found_by == "random index pack"
    assert len(bodies) >= 3
    assert len(file.segments) >= 3
    assert sum(section.essence[0] < section.essence[1] for section in file.partitions.sections) >= 3


def test_edit_units_hold_picture_sound_and_system_item(media: dict[str, Path]) -> None:
    path = media["prores"]
    file = MxfFile.open(FileSource(path))
    units, index = file.edit_units(), file.index()
    assert units is not None
    assert index.video is not None
    assert len(units.offsets) == 8
    ends = units.offsets + units.sizes
    for packets in (index.video, index.audio[0].packets):
        assert (packets.offsets > units.offsets).all()
        assert (packets.offsets + packets.sizes <= ends).all()
    assert (ends[:-1] == units.offsets[1:]).all()
    with FileSource(path) as source:
        assert source.read_at(int(units.offsets[0]), 12).hex().endswith("0d010301")


def test_clip_wrapped_files_have_no_edit_units(media: dict[str, Path]) -> None:
    assert MxfFile.open(FileSource(media["atom_dnxhr"])).edit_units() is None


def test_structure_for_a_cutter(media: dict[str, Path]) -> None:
    file = MxfFile.open(FileSource(media["prores"]))
    picture, (sound,) = file.picture, file.sounds
    assert picture is not None
    assert (picture.kind, picture.body_sid, picture.index_sid) == ("picture", 1, 2)
    assert picture.track.number == 0x15011700
    assert sound.track.number >> 24 == 0x16
    assert picture.descriptor is not None
    assert picture.descriptor.values.number(0x3203) == 256
    assert file.metadata.material is not None
    assert {package.role for package in file.metadata.packages} == {"material", "file", "physical"}
    assert file.partitions.header.containers
    assert file.pattern == "OP1a"


def test_creation_date(tmp_path: Path) -> None:
    recipe = Recipe(
        "dated", "prores_ks", "yuv422p10le", metadata={"creation_time": "2024-09-12T08:30:15.000000Z"}, frames=2
    )
    facts = MxfFile.open(FileSource(encode(recipe, tmp_path / "dated.mxf"))).facts()
    assert facts.created == "2024-09-12T08:30:15Z"
    assert facts.created_source == "package creation date"
    assert facts.reel is None


def test_a_run_in_moves_everything(media: dict[str, Path], tmp_path: Path) -> None:
    for name in ("prores_long", "dnxhr_hq", "atom_dnxhr"):
        before = bytes(range(1, 251)) * 2 + bytes(200)
        path = tmp_path / f"{name}.mxf"
        path.write_bytes(before + media[name].read_bytes())
        assert is_mxf(path.read_bytes()[:1000])
        plain = MxfFile.open(FileSource(media[name]))
        moved = MxfFile.open(FileSource(path))
        assert moved.run_in == len(before) == 700
        assert moved.facts() == plain.facts()
        first, second = plain.index(), moved.index()
        assert first.video is not None
        assert second.video is not None
        assert (second.video.offsets - first.video.offsets == 700).all()
        assert payloads(path, second) == payloads(media[name], first)
        units, moved_units = plain.edit_units(), moved.edit_units()
        if units is not None and moved_units is not None:
            assert (moved_units.offsets - units.offsets == 700).all()


def test_is_mxf() -> None:
    assert not is_mxf(b"")
    assert not is_mxf(b"\0\0\0\x14ftypqt  " * 100)
    header = bytes.fromhex("060e2b34020501010d010201010201 00".replace(" ", ""))
    assert is_mxf(header)
    assert is_mxf(bytes(65_535) + header)
    assert not is_mxf(bytes(65_537) + header)
    assert not is_mxf(bytes.fromhex("060e2b34020501010d01020101050100"))


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67", "bt2020-10", "linear"])
def test_colour_tags_are_those_that_the_demuxer_reads(tmp_path: Path, transfer: str) -> None:
    tags = {"color_primaries": "bt2020", "color_trc": transfer, "colorspace": "bt2020nc", "color_range": "tv"}
    intra = {"x264-params": "keyint=1:log=-1", "profile": "high422"}
    recipe = Recipe("tagged", "libx264", "yuv422p10le", options={**intra, **tags}, frames=1, sound=())
    path = encode(recipe, tmp_path / "tagged.mxf")
    color = MxfFile.open(FileSource(path)).facts().color
    assert (color.primaries, color.transfer, color.matrix, color.range) == ("bt2020", transfer, "bt2020nc", "limited")
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        numbers = {"smpte2084": 16, "arib-std-b67": 18, "bt2020-10": 14, "linear": 8}
        assert (context.color_primaries, context.color_trc, context.colorspace) == (9, numbers[transfer], 9)


def test_d10_pictures(tmp_path: Path) -> None:
    """IMX: PyAV's FFmpeg can't be told the rate control that D-10 asks for, so the program makes it."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("needs the ffmpeg program to write D-10")
    path = tmp_path / "d10.mxf"
    source = ["-f", "lavfi", "-i", "testsrc=size=720x608:rate=25", "-f", "lavfi", "-i", "sine=r=48000", "-t", "0.2"]
    sound = ["-c:a", "pcm_s16le", "-ac", "2"]
    rates = ["-minrate", "50000k", "-maxrate", "50000k", "-b:v", "50000k", "-bufsize", "2000000", "-c:v", "mpeg2video"]
    coding = ["-flags", "+ildct+low_delay", "-dc", "10", "-non_linear_quant", "1", "-intra_vlc", "1", "-ps", "1"]
    quality = ["-qmin", "1", "-qmax", "3", "-top", "1", "-rc_init_occupancy", "2000000", "-g", "0", "-bf", "0"]
    quality += ["-rc_buf_aggressivity", "0.25", "-vf", "setfield=tff", "-pix_fmt", "yuv422p"]
    made = subprocess.run(
        [program, "-v", "error", *source, *rates, *coding, *quality, *sound, "-f", "mxf_d10", str(path)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"this ffmpeg does not write D-10: {made.stderr.decode()[-200:]}")
    file = MxfFile.open(FileSource(path))
    index, facts = file.index(), file.facts()
    assert payloads(path, index) == demux(path).pictures
    assert (facts.codec, facts.profile, facts.frames, facts.scan) == ("mpeg2", "4:2:2@Main", 5, "tff")
    assert index.intra
    # sound is AES3 words, not plain PCM
    assert (index.audio[0].frame_bytes, facts.audio[0].samples, len(index.audio[0].packets)) == (0, None, 5)


def test_an_index_survives_storing(media: dict[str, Path]) -> None:
    index = MxfFile.open(FileSource(media["prores_long"])).index()
    again = FrameIndex.from_bytes(index.to_bytes())
    assert index.video is not None
    assert again.video is not None
    assert np.array_equal(again.video.offsets, index.video.offsets)
    assert np.array_equal(again.video.sizes, index.video.sizes)
    assert np.array_equal(again.audio[0].packets.offsets, index.audio[0].packets.offsets)


def test_works_on_memory(media: dict[str, Path]) -> None:
    data = media["jpeg2000"].read_bytes()
    assert MxfFile.open(MemorySource(data)).facts() == MxfFile.open(FileSource(media["jpeg2000"])).facts()
