"""MXF files that are cut off, broken or hostile: complete frames as far as they go, or one of our errors, soon."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from film_archive.core.errors import Damaged, FilmArchiveError
from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import FileSource, MemorySource
from film_archive.media.mxf import MxfFile
from film_archive.media.mxf.index_tables import parse_segment
from film_archive.media.mxf.klv import KlvReader, is_index
from film_archive.media.mxf.partitions import find_partitions
from tests.media.mxf_building import (
    FILLER_KEY,
    PICTURE_KEY,
    UL,
    Entry,
    Packages,
    Part,
    Sets,
    array,
    assemble,
    frame_wrap,
    index_segment,
    klv,
    picture_track,
    prores_frame,
    sound_track,
)
from tests.media.mxf_encoding import Recipe, demux, encode

RECIPES = {
    "vbe": Recipe("vbe", "prores_ks", "yuv422p10le", options={"profile": "0"}, size=(64, 48), frames=300),
    "cbe": Recipe("cbe", "dnxhd", options={"profile": "dnxhr_lb"}, frames=12),
    "atom": Recipe("atom", "dnxhd", options={"profile": "dnxhr_lb"}, frames=12, container="mxf_opatom", sound=()),
    "gop": Recipe("gop", "mpeg2video", "yuv420p", size=(64, 48), gop=12, frames=30),
    "small": Recipe("small", "prores_ks", "yuv422p10le", options={"profile": "0"}, size=(64, 48), frames=4),
}


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("mxf")
    return {name: encode(recipe, folder / f"{name}.mxf") for name, recipe in RECIPES.items()}


@pytest.fixture(scope="session")
def oracles(media: dict[str, Path]) -> dict[str, list[bytes]]:
    return {name: demux(path).pictures for name, path in media.items()}


def read(data: bytes) -> tuple[MxfFile, FrameIndex]:
    file = MxfFile.open(MemorySource(data, "clip.mxf"))
    return file, file.index()


def stored_pictures(data: bytes, index: FrameIndex) -> list[bytes]:
    assert index.video is not None
    spans = zip(index.video.offsets.tolist(), index.video.sizes.tolist(), strict=True)
    return [data[offset : offset + size] for offset, size in spans]


def without_index(data: bytes) -> bytes:
    """The same file with its index segments turned into filler."""
    reader = KlvReader(MemorySource(data))
    broken = bytearray(data)
    for section in find_partitions(reader).sections:
        for one in reader.walk(*section.index):
            if is_index(one.key):
                broken[one.offset : one.offset + 16] = FILLER_KEY
    return bytes(broken)


def without_footer(data: bytes) -> bytes:
    footer = find_partitions(KlvReader(MemorySource(data))).sections[-1].partition
    assert footer.kind == "footer"
    return data[: footer.offset]


def without_random_index(data: bytes) -> bytes:
    return data[: -int.from_bytes(data[-4:], "big")]


def with_zeros_behind(data: bytes) -> bytes:
    return data + bytes(512)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "no random index pack": without_random_index,
    "zeros behind": with_zeros_behind,
    "no index": without_index,
    "no footer": without_footer,
    "neither": lambda data: without_footer(without_index(data)),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["vbe", "cbe", "atom", "gop"])
def test_all_frames_are_found_without_what_helps(
    media: dict[str, Path], oracles: dict[str, list[bytes]], name: str, damage: str
) -> None:
    data = media[name].read_bytes()
    plain, _ = read(data)
    broken = DAMAGES[damage](data)
    file, index = read(broken)
    assert stored_pictures(broken, index) == oracles[name]
    assert index.frames == RECIPES[name].frames
    assert index.shown.tolist() == plain.index().shown.tolist()
    assert index.keys.tolist() == plain.index().keys.tolist()
    assert [track.packets.end for track in index.audio] == [track.packets.end for track in plain.index().audio]
    if "footer" in damage or damage == "neither":
        assert any("cut short" in note for note in file.facts().diagnostics)


@pytest.mark.parametrize("name", ["vbe", "cbe", "atom", "gop"])
def test_cut_anywhere_only_complete_frames_remain(
    media: dict[str, Path], oracles: dict[str, list[bytes]], name: str
) -> None:
    data = media[name].read_bytes()
    whole = read(data)[1]
    assert whole.video is not None
    ends = (whole.video.offsets + whole.video.sizes).tolist()
    step = max(1, len(data) // 60)
    for length in [*range(1000, len(data), step), ends[5] - 1, ends[5], ends[5] + 1, ends[-1], len(data) - 1]:
        cut = data[:length]
        try:
            file, index = read(cut)
        except Damaged:
            assert length < ends[0]
            continue
        complete = sum(end <= length for end in ends)
        # nothing tells where the last frame of a cut clip ends, but frames of equal size do
        assert stored_pictures(cut, index) == oracles[name][:complete]
        assert index.frames <= complete
        if name != "gop":
            assert index.frames == complete
        facts = file.facts()
        assert facts.frames == index.frames
        for track in index.audio:
            assert (track.packets.offsets + track.packets.sizes <= length).all()
        if length < ends[-1]:
            assert any("cut short" in note or "in the middle" in note for note in facts.diagnostics)


def test_a_growing_file_is_read_as_far_as_it_is(media: dict[str, Path], oracles: dict[str, list[bytes]]) -> None:
    """Open and incomplete, no footer yet: the index of the finished partitions is used, the rest visited."""
    data = bytearray(without_footer(media["vbe"].read_bytes()))
    reader = KlvReader(MemorySource(bytes(data)))
    for section in find_partitions(reader).sections:
        place = section.partition.offset
        data[place + 14] = 1
        data[place + 44 : place + 52] = bytes(8)
    file, index = read(bytes(data))
    assert stored_pictures(bytes(data), index) == oracles["vbe"]
    assert file.streams[1].content is not None
    assert 200 < file.streams[1].content.indexed < 300
    notes = file.facts().diagnostics
    assert any("not closed by its writer" in note for note in notes)
    assert any("that the index table does not list" in note for note in notes)


def test_a_file_is_what_it_was_when_opened(media: dict[str, Path], tmp_path: Path) -> None:
    data = media["vbe"].read_bytes()
    path = tmp_path / "growing.mxf"
    path.write_bytes(data[:-300_000])
    with FileSource(path) as source:
        with path.open("ab") as growing:
            growing.write(data[-300_000:])
        index = MxfFile.open(source).index()
    assert index.frames < 300
    with FileSource(path) as source:
        assert MxfFile.open(source).index().frames == 300


def short(data: bytes) -> None:
    """Whatever comes: a result or one of our errors."""
    try:
        file = MxfFile.open(MemorySource(data, "clip.mxf"))
        facts = file.facts()
        facts.to_json()
        index = file.index()
    except FilmArchiveError:
        return
    for packets in [index.video, *(track.packets for track in index.audio)]:
        if packets is not None:
            assert (packets.offsets >= 0).all()
            assert (packets.sizes >= 0).all()
            assert (packets.offsets + packets.sizes <= len(data)).all()
    assert facts.frames is None or facts.frames == index.frames


@given(st.data())
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_flipped_bytes_give_a_result_or_our_error(media: dict[str, Path], data: st.DataObject) -> None:
    whole = media[data.draw(st.sampled_from(["small", "atom", "gop"]))].read_bytes()
    broken = bytearray(whole)
    places = st.one_of(
        st.integers(0, 8192), st.integers(max(0, len(whole) - 4096), len(whole) - 1), st.integers(0, len(whole) - 1)
    )
    for place in data.draw(st.lists(places, min_size=1, max_size=6)):
        broken[min(place, len(whole) - 1)] = data.draw(
            st.one_of(st.sampled_from([0, 1, 0x7F, 0x80, 0x88, 0xFF]), st.integers(0, 255))
        )
    short(bytes(broken[: data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole))))]))


@given(st.integers(0, 6000), st.binary(min_size=1, max_size=40))
@settings(max_examples=150, deadline=None)
def test_metadata_overwritten_with_anything(place: int, noise: bytes) -> None:
    data = bytearray(plain_file())
    data[place : place + len(noise)] = noise
    short(bytes(data))


def plain_file() -> bytes:
    units = frame_wrap([[(PICTURE_KEY, prores_frame(number))] for number in range(5)])
    segment = index_segment(duration=5, entries=[Entry(start) for start in units.starts], deltas=[(0, 0)])
    packages = Packages([picture_track(), sound_track()], reel="A")
    return assemble(
        [Part(2, packages.header()), Part(3, essence=units.data, body_sid=1), Part(4, index=segment, index_sid=2)]
    )


@given(st.binary(max_size=600))
@settings(max_examples=150, deadline=None)
def test_segments_of_noise(noise: bytes) -> None:
    for start in (b"", struct.pack(">HHI", 0x3F05, 4, 7), bytes.fromhex("3f0a0008"), bytes.fromhex("3f09000e")):
        with contextlib.suppress(Damaged):
            segment = parse_segment(start + noise)
            assert segment.entries is None or len(segment.entries) <= len(noise)


@pytest.mark.parametrize(
    ("count", "size"), [(0xFFFFFFFF, 11), (0xFFFFFFFF, 0), (5, 10), (5, 0), (1, 0xFFFFFFFF), (0x10000000, 15)]
)
def test_arrays_larger_than_their_segment(count: int, size: int) -> None:
    value = struct.pack(">HH", 0x3F0A, 8 + 60) + struct.pack(">II", count, size) + bytes(60)
    with pytest.raises(Damaged):
        parse_segment(value)


def test_units_of_one_byte_are_not_counted_out() -> None:
    units = frame_wrap([[(PICTURE_KEY, prores_frame(number))] for number in range(5)])
    for unit_bytes in (1, 16, 0xFFFFFFFF):
        parts = [
            Part(2, Packages([picture_track()]).header()),
            Part(3, essence=units.data, body_sid=1),
            Part(4, index=index_segment(unit_bytes=unit_bytes, duration=2**62), index_sid=2),
        ]
        assert read(assemble(parts))[1].frames == 5


@pytest.mark.parametrize("previous", [0, 10**12, None])
def test_partition_chains_that_lie(previous: int | None) -> None:
    units = frame_wrap([[(PICTURE_KEY, prores_frame(number))] for number in range(5)])
    parts = [
        Part(2, Packages([picture_track()]).header()),
        Part(3, essence=units.data, body_sid=1, previous=previous),
        Part(4, previous=previous),
    ]
    for random_index in (True, False):
        file, index = read(assemble(parts, random_index=random_index))
        assert index.frames == 5 or not random_index
        assert file.partitions.sections[0].partition.offset == 0


def test_a_chain_that_runs_in_a_circle() -> None:
    data = bytearray(assemble([Part(2, Packages([picture_track()]).header()), Part(4)], random_index=False))
    footer = int.from_bytes(data[44:52], "big")
    data[footer + 36 : footer + 44] = footer.to_bytes(8, "big")
    assert MxfFile.open(MemorySource(bytes(data))).partitions.found_by == "walk"


def test_counts_larger_than_the_partition() -> None:
    data = bytearray(plain_file())
    data[52:60] = (2**60).to_bytes(8, "big")
    data[60:68] = (2**60).to_bytes(8, "big")
    assert read(bytes(data))[1].frames == 5


def test_random_index_packs_that_lie() -> None:
    data = plain_file()
    length = int.from_bytes(data[-4:], "big")
    for place in (-4, -length + 20 + 12 + 4, -length + 20 + 24 + 11):
        broken = bytearray(data)
        broken[place] ^= 0x55
        file, index = read(bytes(broken))
        assert index.frames == 5
        assert file.partitions.found_by in ("footer", "walk")


def test_sets_that_refer_to_themselves() -> None:
    sets = Sets()
    uid = (0xA000).to_bytes(16, "big")
    # a package whose tracks, sequence, components and descriptor are all itself
    sets.add(
        0x36,
        {
            0x4401: bytes(32),
            0x4403: array([uid] * 4000),
            0x4803: uid,
            0x1001: array([uid] * 4000),
            0x4701: uid,
            0x3F01: array([uid]),
        },
    )
    for number in range(1, 200):
        sets.add(0x36, {0x4401: bytes(32), 0x4403: array([(0xA000 + number % 7).to_bytes(16, "big")] * 4000)})
    header = klv(bytes.fromhex(UL + "020501010d01020101050100"), struct.pack(">II", 0, 18)) + b"".join(sets.made)
    short(assemble([Part(2, header), Part(4)]))


def test_a_package_that_comes_from_itself() -> None:
    packages = Packages(
        [picture_track()], source_umid=bytes.fromhex("060a2b340101010501010d0013000000") + (1).to_bytes(16, "big")
    )
    short(assemble([Part(2, packages.header()), Part(4)]))


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"not an MXF file" * 100, bytes(70_000), plain_file()[:20], plain_file()[:140]]
)
def test_what_is_no_mxf_is_damaged(data: bytes) -> None:
    with pytest.raises(Damaged):
        MxfFile.open(MemorySource(data, "clip.mxf"))


def test_header_metadata_without_packages() -> None:
    sets = Sets()
    sets.add(0x2F, {})
    with pytest.raises(Damaged, match="no header metadata"):
        MxfFile.open(MemorySource(assemble([Part(2, b"".join(sets.made)), Part(4)])))


@pytest.mark.parametrize("rate", [(0, 1), (1, 0), (-25, 1), (2**31 - 1, 1)])
def test_impossible_rates(rate: tuple[int, int]) -> None:
    track = picture_track(edit_rate=rate)
    track.descriptor[0x3001] = struct.pack(">ii", *rate)
    short(assemble([Part(2, Packages([track]).header()), Part(4)]))
