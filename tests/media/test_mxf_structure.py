"""MXF structures of cameras, Avid and others that FFmpeg does not write; their builder knows every position."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.core.errors import NotSupported
from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import MemorySource
from film_archive.media.mxf import MxfFile
from film_archive.media.mxf.container import Chunk, Container
from film_archive.media.mxf.elements import Content
from film_archive.media.mxf.index_tables import join, parse_segment
from film_archive.media.mxf.klv import KlvReader, normal
from film_archive.media.mxf.units import read_units
from tests.media.mxf_building import (
    DATA_KEY,
    OP1A,
    OP_ATOM,
    PICTURE_KEY,
    SOUND_KEY,
    SYSTEM_KEY,
    UL,
    Entry,
    Packages,
    Part,
    Timecode,
    TrackMade,
    Units,
    assemble,
    frame_wrap,
    index_segment,
    klv,
    picture_track,
    prores_frame,
    sound_track,
    umid,
)

MONO_16 = 1920 * 2


def simple_units(
    count: int, *, sound: bool = True, sizes: Sequence[int] = (200, 260, 230)
) -> list[list[tuple[bytes, bytes]]]:
    return [
        [
            (SYSTEM_KEY, bytes(57)),
            (PICTURE_KEY, prores_frame(number, sizes[number % len(sizes)])),
            *([(SOUND_KEY, bytes((number % 256,)) * MONO_16)] if sound else []),
        ]
        for number in range(count)
    ]


def entries_of(units: Units, base: int = 0) -> list[Entry]:
    return [Entry(base + start) for start in units.starts]


def opened(data: bytes) -> MxfFile:
    return MxfFile.open(MemorySource(data, "clip.mxf"))


def pictures(data: bytes, index: FrameIndex) -> list[bytes]:
    assert index.video is not None
    numbers = [index.frame(number) for number in range(index.frames)]
    return [data[frame.offset : frame.offset + frame.size] for frame in numbers]


def simple_file(
    units: Units,
    *,
    index: bytes = b"",
    packages: Packages | None = None,
    pattern: bytes = OP1A,
    status: int = 4,
    body_sid: int = 1,
    **rest: object,
) -> bytes:
    packages = packages or Packages([picture_track(), sound_track()])
    parts = [
        Part(2, packages.header(), status=status),
        Part(3, essence=units.data, body_sid=body_sid),
        Part(4, index=index, index_sid=2 if index else 0),
    ]
    return assemble(parts, pattern=pattern, **rest)  # type: ignore[arg-type]


def expected(made: list[list[tuple[bytes, bytes]]], key: bytes) -> list[bytes]:
    return [payload for unit in made for one, payload in unit if one == key]


def test_without_index_every_triplet_is_visited() -> None:
    made = simple_units(7)
    data = simple_file(frame_wrap(made))
    index = opened(data).index()
    assert pictures(data, index) == expected(made, PICTURE_KEY)
    assert [len(track.packets) for track in index.audio] == [7]


@pytest.mark.parametrize("pad", [1, 64, 512])
def test_entries_and_slices_lead_to_elements(pad: int) -> None:
    made = simple_units(9)
    units = frame_wrap(made, pad)
    system = units.payloads[PICTURE_KEY][0][0] - 20 - units.starts[0]
    sounds = [place - 20 for place, _ in units.payloads[SOUND_KEY]]
    rows = [Entry(start, slices=(sound - start,)) for start, sound in zip(units.starts, sounds, strict=True)]
    segment = index_segment(duration=9, entries=rows, deltas=[(0, 0), (0, system), (1, 0)])
    data = simple_file(units, index=segment)
    file = opened(data)
    index = file.index()
    assert index.diagnostics == ()
    assert file.streams[1].content is not None
    assert file.streams[1].content.indexed == 9
    assert pictures(data, index) == expected(made, PICTURE_KEY)
    assert index.audio[0].packets.times.tolist() == [number * 1920 for number in range(9)]


@given(
    st.lists(
        st.tuples(st.integers(64, 700), st.lists(st.integers(0, 90), min_size=0, max_size=3)), min_size=1, max_size=12
    ),
    st.sampled_from([1, 32, 512]),
    st.booleans(),
    st.sampled_from(["entries", "none", "some", "shifted"]),
    st.integers(1, 5),
)
@settings(max_examples=150, deadline=None)
def test_any_content_packages_are_found_by_any_index(
    shape: list[tuple[int, list[int]]], pad: int, system: bool, kind: str, per_partition: int
) -> None:
    """Whatever the sizes, fillers, partitions and index: the same payloads as the builder wrote."""
    sounds = len(shape[0][1])
    keys = [SOUND_KEY[:15] + bytes((number,)) for number in range(sounds)]
    made = []
    for number, (size, lengths) in enumerate(shape):
        unit = [(SYSTEM_KEY, bytes(57))] if system else []
        unit.append((PICTURE_KEY, prores_frame(number, size)))
        unit += [
            (key, bytes((number,)) * 2 * (lengths[place] if place < len(lengths) else 5))
            for place, key in enumerate(keys)
        ]
        made.append(unit)
    tracks: list[TrackMade] = [picture_track()]
    tracks += [sound_track(number=0x16010300 + place) for place in range(sounds)]
    parts = [Part(2, Packages(tracks).header())]
    stream, rows = 0, []
    for first in range(0, len(made), per_partition):
        units = frame_wrap(made[first : first + per_partition], pad)
        rows += [Entry(stream + start + (40 if kind == "shifted" else 0)) for start in units.starts]
        parts.append(Part(3, essence=units.data, body_sid=1, body_offset=stream))
        stream += len(units.data)
    if kind == "some":
        rows = rows[: len(rows) // 2]
    segment = index_segment(duration=len(rows), entries=rows) if rows and kind != "none" else b""
    data = assemble([*parts, Part(4, index=segment, index_sid=2)])
    index = opened(data).index()
    assert pictures(data, index) == expected(made, PICTURE_KEY)
    for track, key in zip(index.audio, keys, strict=True):
        spans = zip(track.packets.offsets.tolist(), track.packets.sizes.tolist(), strict=True)
        assert [data[offset : offset + size] for offset, size in spans] == expected(made, key)


@pytest.mark.parametrize("stated", ["0 everywhere", "with a gap"])
def test_body_offsets_that_are_wrong_are_counted_instead(stated: str) -> None:
    made = simple_units(6)
    first, second = frame_wrap(made[:3]), frame_wrap(made[3:])
    rows = entries_of(first) + entries_of(second, len(first.data))
    segment = index_segment(duration=6, entries=rows)
    data = assemble(
        [
            Part(2, Packages([picture_track(), sound_track()]).header()),
            Part(3, essence=first.data, body_sid=1),
            Part(3, essence=second.data, body_sid=1, body_offset=0 if stated[0] == "0" else len(first.data) + 5000),
            Part(4, index=segment, index_sid=2),
        ]
    )
    file = opened(data)
    assert pictures(data, file.index()) == expected(made, PICTURE_KEY)
    assert file.streams[1].content is not None
    assert file.streams[1].content.indexed == 6


def test_a_partition_that_the_random_index_leaves_out() -> None:
    made = simple_units(9)
    thirds = [frame_wrap(made[first : first + 3]) for first in (0, 3, 6)]
    parts, rows, stream = [Part(2, Packages([picture_track(), sound_track()]).header())], [], 0
    for units in thirds:
        parts.append(Part(3, essence=units.data, body_sid=1, body_offset=stream))
        rows += entries_of(units, stream)
        stream += len(units.data)
    parts.append(Part(4, index=index_segment(duration=9, entries=rows), index_sid=2))
    data = assemble(parts, unlisted=2)
    file = opened(data)
    assert file.partitions.found_by == "random index pack"
    assert len(file.partitions.sections) == 5
    assert pictures(data, file.index()) == expected(made, PICTURE_KEY)
    assert file.index().diagnostics == ()


class Counting(MemorySource):
    """Counts reads."""

    reads = 0

    def read_into(self, offset: int, buffer: memoryview) -> int:
        self.reads += 1
        return super().read_into(offset, buffer)


def test_an_index_with_slices_takes_one_read_an_element() -> None:
    made = simple_units(400)
    units = frame_wrap(made, 64)
    sounds = [place - 20 for place, _ in units.payloads[SOUND_KEY]]
    rows = [Entry(start, slices=(sound - start,)) for start, sound in zip(units.starts, sounds, strict=True)]
    system = units.payloads[PICTURE_KEY][0][0] - 20 - units.starts[0]
    segment = index_segment(duration=400, entries=rows, deltas=[(0, 0), (0, system), (1, 0)])
    source = Counting(simple_file(units, index=segment), "clip.mxf")
    file = MxfFile.open(source)
    opening = source.reads
    index = file.index()
    assert index.frames == 400
    assert opening < 60
    assert source.reads - opening < 2 * 400 + 100


def test_equal_units_of_a_codec_of_one_size_take_next_to_no_reads() -> None:
    header = bytes.fromhex("0000028003") + bytes(35) + struct.pack(">I", 1272) + bytes(600)
    made = [[(PICTURE_KEY, header + bytes((number % 251,)) * 100)] for number in range(400)]
    units = frame_wrap(made, unit_bytes=1024)
    items = {0x3004: bytes.fromhex(UL + "0401010a0d01030102110100"), 0x3201: bytes(16)}
    packages = Packages([picture_track(items=items)])
    data = simple_file(units, index=index_segment(unit_bytes=1024), packages=packages)
    source = Counting(data, "clip.mxf")
    index = MxfFile.open(source).index()
    assert pictures(data, index) == expected(made, PICTURE_KEY)
    assert source.reads < 150


def test_equal_units_and_open_ended_index() -> None:
    made = simple_units(8)
    units = frame_wrap(made, unit_bytes=4600)
    data = simple_file(units, index=index_segment(unit_bytes=4600))
    file = opened(data)
    index = file.index()
    assert pictures(data, index) == expected(made, PICTURE_KEY)
    assert file.streams[1].content is not None
    assert file.streams[1].content.indexed == 8
    assert index.diagnostics == ()


def test_two_sizes_of_equal_units() -> None:
    """AVC-Intra with parameter sets in its first frame only has a first edit unit of its own size."""
    made = simple_units(5, sizes=(260, 200, 200, 200, 200))
    first, rest = frame_wrap(made[:1], unit_bytes=5000), frame_wrap(made[1:], unit_bytes=4500)
    units = Units(first.data + rest.data, [], {})
    segments = index_segment(duration=1, unit_bytes=5000) + index_segment(start=1, duration=4, unit_bytes=4500)
    data = simple_file(units, index=segments)
    file = opened(data)
    assert pictures(data, file.index()) == expected(made, PICTURE_KEY)
    assert file.streams[1].content is not None
    assert file.streams[1].content.indexed == 5


def fixed_content(count: int, bad: int | None, fixed: bool) -> tuple[Content, Content]:
    made = [
        [(PICTURE_KEY, prores_frame(number, 200)), (SOUND_KEY, bytes(MONO_16 if number != bad else MONO_16 - 2))]
        for number in range(count)
    ]
    units = frame_wrap(made, unit_bytes=4600)
    source = MemorySource(units.data)
    segment = parse_segment(index_segment(unit_bytes=4600)[20:])
    table = join([segment], len(units.data))
    container = Container(1, [Chunk(0, 0, len(units.data))])
    lead, other = normal(PICTURE_KEY), normal(SOUND_KEY)
    plain = read_units(KlvReader(source), container, table, lead, [other])
    quick = read_units(KlvReader(source), container, table, lead, [other], [lead, other] if fixed else [])
    return plain, quick


@given(st.integers(1, 400), st.sampled_from(["none", "first", "last"]))
@settings(max_examples=25, deadline=None)
def test_proving_on_some_units_gives_what_reading_all_gives(count: int, where: str) -> None:
    bad = {"none": None, "first": 0, "last": count - 1}[where]
    plain, quick = fixed_content(count, bad, fixed=True)
    for key, elements in plain.elements.items():
        assert elements.units.tolist() == quick.elements[key].units.tolist()
        assert elements.offsets.tolist() == quick.elements[key].offsets.tolist()
        assert elements.sizes.tolist() == quick.elements[key].sizes.tolist()


def test_many_mono_tracks_behind_variable_pictures_are_proved_on_some_units() -> None:
    keys = [SOUND_KEY[:15] + bytes((number,)) for number in range(4)]
    made = [
        [(PICTURE_KEY, prores_frame(number, 200 + number % 50)), *((key, bytes(MONO_16)) for key in keys)]
        for number in range(200)
    ]
    units = frame_wrap(made, pad=64)
    sounds = [place - 20 for place, _ in units.payloads[keys[0]]]
    step = units.payloads[keys[1]][0][0] - units.payloads[keys[0]][0][0]
    rows = [Entry(start, slices=(sound - start,)) for start, sound in zip(units.starts, sounds, strict=True)]
    deltas = [(0, 0), *((1, step * number) for number in range(4))]
    data = simple_file(
        units,
        index=index_segment(duration=200, entries=rows, deltas=deltas),
        packages=Packages([picture_track(), *(sound_track(number=0x16010300 + place) for place in range(4))]),
    )
    index = opened(data).index()
    assert pictures(data, index) == expected(made, PICTURE_KEY)
    for track, key in zip(index.audio, keys, strict=True):
        assert list(zip(track.packets.offsets.tolist(), track.packets.sizes.tolist(), strict=True)) == [
            (place + data.index(units.data[:64]), size) for place, size in units.payloads[key]
        ]


def test_data_before_the_picture() -> None:
    """Ancillary data stands first in some cameras' files, and its elements change size."""
    made = [[(DATA_KEY, bytes(30 + 11 * (number % 4))), *unit] for number, unit in enumerate(simple_units(6))]
    units = frame_wrap(made)
    tracks = [
        TrackMade("data", 0x17010201, 0x5C, {0x3001: struct.pack(">ii", 25, 1)}),
        picture_track(),
        sound_track(),
    ]
    data = simple_file(units, index=index_segment(duration=6, entries=entries_of(units)), packages=Packages(tracks))
    file = opened(data)
    assert file.picture is not None
    assert file.picture.track.track_id == 2
    assert pictures(data, file.index()) == expected(made, PICTURE_KEY)
    assert file.facts().codec == "prores_422"


def test_track_numbers_that_do_not_match_the_elements() -> None:
    made = simple_units(4)
    packages = Packages([picture_track(number=0x15010800), sound_track()])
    data = simple_file(frame_wrap(made), packages=packages)
    file = opened(data)
    assert pictures(data, file.index()) == expected(made, PICTURE_KEY)
    assert any("numbered 15010800" in note for note in file.facts().diagnostics)


def test_a_damaged_head_in_the_middle_loses_no_frame() -> None:
    made = simple_units(60)
    units = frame_wrap(made)
    broken = bytearray(units.data)
    place = units.payloads[PICTURE_KEY][30][0]
    broken[place - 20] ^= 0xFF
    data = simple_file(replace_data(units, bytes(broken)), index=index_segment(duration=60, entries=entries_of(units)))
    index = opened(data).index()
    assert index.frames == 60
    assert pictures(data, index)[:30] == expected(made, PICTURE_KEY)[:30]
    assert pictures(data, index)[31:] == expected(made, PICTURE_KEY)[31:]
    assert index.frame(30).offset == index.frame(29).offset + units.starts[30] - units.starts[29]
    assert any("1 frame(s) are damaged (30)" in note for note in index.diagnostics)


def replace_data(units: Units, data: bytes) -> Units:
    return replace(units, data=data)


def test_damage_without_index_ends_the_frames_there() -> None:
    made = simple_units(20)
    units = frame_wrap(made)
    broken = bytearray(units.data)
    broken[units.payloads[PICTURE_KEY][12][0] - 20] ^= 0xFF
    index = opened(simple_file(replace_data(units, bytes(broken)))).index()
    assert index.frames == 12
    assert any("as far as it is sound" in note for note in index.diagnostics)


def test_an_edit_unit_without_sound_keeps_the_time_of_what_follows() -> None:
    made = simple_units(10)
    made[4] = made[4][:2]
    units = frame_wrap(made)
    index = opened(simple_file(units, index=index_segment(duration=10, entries=entries_of(units)))).index()
    assert index.audio[0].packets.times.tolist() == [number * 1920 for number in range(10) if number != 4]
    assert any("1 edit unit(s) lack" in note for note in index.diagnostics)


def test_fields_apart_are_refused_as_frames_but_counted() -> None:
    made = [[(PICTURE_KEY, prores_frame(number)), (PICTURE_KEY, prores_frame(number + 50))] for number in range(4)]
    made = [[(SYSTEM_KEY, bytes(57)), *unit] for unit in made]
    packages = Packages([picture_track()])
    for index in (b"", index_segment(duration=4, entries=entries_of(frame_wrap(made)))):
        file = opened(simple_file(frame_wrap(made), index=index, packages=packages))
        with pytest.raises(NotSupported, match="two fields of a frame apart"):
            file.index()
        assert file.facts().frames == 4


# Pre-charge and what is shown


@pytest.mark.parametrize(("start", "origin"), [(3, 0), (0, 3), (1, 2)])
def test_pre_charge_lies_before_frame_0(start: int, origin: int) -> None:
    made = simple_units(12)
    units = frame_wrap(made)
    tracks = [
        picture_track(start=start, origin=origin, duration=7),
        sound_track(start=start, origin=origin, duration=7),
    ]
    packages = Packages(tracks, file_timecode=Timecode(100))
    data = simple_file(units, index=index_segment(duration=12, entries=entries_of(units)), packages=packages)
    file = opened(data)
    index = file.index()
    assert index.frames == 7
    assert pictures(data, index) == expected(made, PICTURE_KEY)[3:10]
    assert index.audio[0].packets.times[3] == 0
    assert index.audio[0].packets.end == 7 * 1920
    facts = file.facts()
    assert facts.frames == 7
    assert facts.audio[0].samples == 7 * 1920
    assert any("Behind the 7 edit units" in note for note in facts.diagnostics)
    assert str(facts.start_timecode) == "00:00:04:03"


def test_durations_of_an_open_file_do_not_count() -> None:
    made = simple_units(6)
    packages = Packages([picture_track(duration=2), sound_track(duration=2)])
    assert opened(simple_file(frame_wrap(made), packages=packages)).facts().frames == 2
    assert opened(simple_file(frame_wrap(made), packages=packages, status=1)).facts().frames == 6


def test_a_duration_that_is_not_there_is_told() -> None:
    packages = Packages([picture_track(duration=50), sound_track(duration=50)])
    facts = opened(simple_file(frame_wrap(simple_units(6)), packages=packages)).facts()
    assert facts.frames == 6
    assert any("should have 50 edit units; 6 of them" in note for note in facts.diagnostics)


def test_the_footer_knows_better_than_an_open_header() -> None:
    made = simple_units(6)
    stale = Packages([picture_track(duration=2), sound_track()], material_timecode=Timecode(0))
    final = Packages([picture_track(duration=6), sound_track()], material_timecode=Timecode(90_000))
    data = assemble(
        [
            Part(2, stale.header(), status=1),
            Part(3, essence=frame_wrap(made).data, body_sid=1),
            Part(4, final.header()),
        ]
    )
    facts = opened(data).facts()
    assert str(facts.start_timecode) == "01:00:00:00"
    assert facts.frames == 6


# Timecode and reel


def timecode_facts(**packages: object) -> tuple[str, str | None, str | None, tuple[str, ...]]:
    made = Packages([picture_track()], **packages)  # type: ignore[arg-type]
    facts = opened(simple_file(frame_wrap(simple_units(2, sound=False)), packages=made)).facts()
    return str(facts.start_timecode), facts.start_source, facts.reel, facts.diagnostics


def test_avid_writes_a_tape_from_0_and_puts_the_start_into_the_clip() -> None:
    label, source, reel, notes = timecode_facts(
        material_timecode=Timecode(0),
        file_timecode=Timecode(0),
        physical_timecode=Timecode(0),
        physical_start=90_013,
        reel="A002",
    )
    assert (label, source, reel) == ("01:00:00:13", "source package", "A002")
    assert any("01:00:00:13 in the source package, 00:00:00:00 in the material package" in note for note in notes)


def test_without_physical_source_the_material_package_counts() -> None:
    label, source, reel, _ = timecode_facts(material_timecode=Timecode(50), file_timecode=Timecode(75))
    assert (label, source, reel) == ("00:00:02:00", "material package", None)


def test_the_file_package_is_the_last_resort() -> None:
    assert timecode_facts(file_timecode=Timecode(75))[:2] == ("00:00:03:00", "file package")
    assert timecode_facts()[:2] == ("None", None)


def test_agreeing_packages_say_nothing() -> None:
    notes = timecode_facts(
        material_timecode=Timecode(75), file_timecode=Timecode(75), physical_timecode=Timecode(75), reel="R"
    )[3]
    assert notes == ()


@pytest.mark.parametrize(
    ("rate", "timecode", "label", "counting"),
    [
        ((30000, 1001), Timecode(107_892, 30, True), "01:00:00;00", (30000, 1001)),
        ((30000, 1001), Timecode(108_000, 30), "01:00:00:00", (30000, 1001)),
        ((60000, 1001), Timecode(107_892, 30, True), "01:00:00;00", (30000, 1001)),
        ((50, 1), Timecode(90_000, 25), "01:00:00:00", (25, 1)),
        ((50, 1), Timecode(180_000, 50), "01:00:00:00", (50, 1)),
        ((24000, 1001), Timecode(86_400, 24), "01:00:00:00", (24000, 1001)),
        ((25, 1), Timecode(-25, 25), "23:59:59:00", (25, 1)),
        ((25, 1), Timecode(2**62, 25), None, (25, 1)),
    ],
)
def test_labels_are_counted_at_their_base(
    rate: tuple[int, int], timecode: Timecode, label: str | None, counting: tuple[int, int]
) -> None:
    packages = Packages([picture_track(edit_rate=rate)], material_timecode=timecode)
    facts = opened(simple_file(frame_wrap(simple_units(2, sound=False)), packages=packages)).facts()
    assert facts.start_timecode is not None
    assert label is None or str(facts.start_timecode) == label
    assert facts.start_timecode.rate == Fraction(*counting)


def test_timecode_tracks_of_several_pieces_are_left_out() -> None:
    pieces = Timecode(90_000, pieces=2)
    label, source, _, notes = timecode_facts(material_timecode=pieces, file_timecode=Timecode(75))
    assert (label, source) == ("00:00:03:00", "file package")
    assert any("several pieces" in note for note in notes)


def test_drop_frame_where_there_is_none() -> None:
    label, _, _, notes = timecode_facts(material_timecode=Timecode(90_000, 25, True))
    assert label == "01:00:00:00"
    assert any("drop-frame at 25" in note for note in notes)


def test_sound_at_its_own_edit_rate_finds_the_same_source_timecode() -> None:
    """The chain is followed in samples, the label counted in frames."""
    sound = sound_track(edit_rate=(48000, 1), number=0x16010400)
    packages = Packages([sound], physical_timecode=Timecode(0, 25), physical_start=48000 * 3600, reel="S1")
    key = SOUND_KEY[:14] + b"\x04\0"
    essence = Units(klv(key, bytes(96_000), 9), [], {})
    facts = opened(simple_file(essence, index=index_segment(unit_bytes=2), packages=packages, pattern=OP_ATOM)).facts()
    assert (str(facts.start_timecode), facts.reel) == ("01:00:00:00", "S1")
    assert facts.start_timecode is not None
    assert facts.start_timecode.rate == 25


@pytest.mark.parametrize("base", [0, 65_535])
def test_impossible_bases_are_left_out(base: int) -> None:
    label, _, _, notes = timecode_facts(material_timecode=Timecode(0, base))
    assert label == "None"
    assert any("not possible" in note for note in notes)


# Avid's indexes, clip wrapping


def clip_file(
    payload: bytes, index: bytes, *, pattern: bytes = OP_ATOM, length: int | None = None, **rest: object
) -> bytes:
    element = klv(PICTURE_KEY, payload, 9)
    if length is not None:
        element = PICTURE_KEY + b"\x88" + length.to_bytes(8, "big") + payload
    packages = Packages([picture_track()])
    return simple_file(Units(element, [], {}), index=index, packages=packages, pattern=pattern, **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize("pattern", [OP1A, OP_ATOM])
def test_clip_wrapped_equal_frames(pattern: bytes) -> None:
    frames = [prores_frame(number, 300) for number in range(11)]
    data = clip_file(b"".join(frames), index_segment(unit_bytes=300), pattern=pattern)
    file = opened(data)
    assert file.streams[1].wrapping == "clip"
    assert pictures(data, file.index()) == frames
    assert file.edit_units() is None


@pytest.mark.parametrize("extra", [True, False])
@pytest.mark.parametrize("count", [1, 2, 9])
def test_clip_wrapped_entries_with_avids_extra_one(extra: bool, count: int) -> None:
    frames = [prores_frame(number, 300 + 10 * (number % 5)) for number in range(count)]
    offsets = np.cumsum([0, *(len(frame) for frame in frames)]).tolist()
    rows = [Entry(offset) for offset in (offsets if extra else offsets[:-1])]
    data = clip_file(b"".join(frames), index_segment(duration=count, entries=rows))
    assert pictures(data, opened(data).index()) == frames


@pytest.mark.parametrize("stated", ["pairs", "entries less one"])
def test_avids_paired_entries(stated: str) -> None:
    frames = [prores_frame(number, 300 + 10 * (number % 5)) for number in range(8)]
    offsets = np.cumsum([0, *(len(frame) for frame in frames)]).tolist()
    rows = [Entry(offset) for offset in offsets[:-1] for _ in range(2)] + [Entry(offsets[-1])]
    data = clip_file(b"".join(frames), index_segment(duration=8 if stated == "pairs" else 16, entries=rows))
    index = opened(data).index()
    assert pictures(data, index) == frames
    assert index.diagnostics == ()


def test_more_entries_than_a_local_length_can_say() -> None:
    frames = [prores_frame(number, 64 + number % 3) for number in range(7000)]
    offsets = np.cumsum([0, *(len(frame) for frame in frames)]).tolist()
    data = clip_file(b"".join(frames), index_segment(duration=7000, entries=[Entry(offset) for offset in offsets]))
    assert pictures(data, opened(data).index()) == frames


@pytest.mark.parametrize("length", [0, 2**61])
def test_a_clip_that_is_still_written(length: int) -> None:
    frames = [prores_frame(number, 300) for number in range(11)]
    element = PICTURE_KEY + b"\x88" + length.to_bytes(8, "big") + b"".join(frames) + frames[0][:100]
    parts = [
        Part(2, Packages([picture_track()]).header(), status=1),
        Part(3, essence=element, body_sid=1, status=1, index=index_segment(unit_bytes=300), index_sid=2),
    ]
    data = assemble(parts, pattern=OP_ATOM, random_index=False)
    file = opened(data)
    assert pictures(data, file.index()) == frames
    facts = file.facts()
    assert any("not closed by its writer" in note for note in facts.diagnostics)
    assert any("in the middle of its essence" in note for note in facts.diagnostics)


def test_a_clip_of_prores_without_index_is_read_by_its_frames() -> None:
    frames = [prores_frame(number, 300 + number) for number in range(6)]
    data = clip_file(b"".join(frames), b"")
    file = opened(data)
    assert pictures(data, file.index()) == frames
    assert any("by their own headers" in note for note in file.facts().diagnostics)


def test_first_frame_offset() -> None:
    frames = [prores_frame(number, 300) for number in range(5)]
    label = bytes.fromhex("a024006094eb75cbce2aca4e51ab11d3")
    packages = Packages([picture_track()], primer={0x8123: label}, extra_items={0x8123: struct.pack(">i", 40)})
    element = klv(PICTURE_KEY, bytes(40) + b"".join(frames), 9)
    data = simple_file(Units(element, [], {}), index=index_segment(unit_bytes=300), packages=packages, pattern=OP_ATOM)
    assert pictures(data, opened(data).index()) == frames


def test_clip_wrapped_sound_comes_in_seconds() -> None:
    payload = bytes(number % 251 for number in range(48000 * 2 * 2 + 500))
    packages = Packages([sound_track(edit_rate=(48000, 1), number=0x16010400)])
    key = SOUND_KEY[:14] + b"\x04\0"
    data = simple_file(
        Units(klv(key, payload, 9), [], {}), index=index_segment(unit_bytes=2), packages=packages, pattern=OP_ATOM
    )
    index = opened(data).index()
    packets = index.audio[0].packets
    assert packets.times.tolist() == [0, 48000, 96000]
    assert packets.end == len(payload) // 2
    start = data.index(payload[:400])
    assert packets.offsets.tolist() == [start, start + 96000, start + 192_000]


# Long GOP


def gop_units(pictures: Sequence[tuple[str, int]]) -> list[list[tuple[bytes, bytes]]]:
    """MPEG-2 pictures of a type and a temporal reference, a group of pictures before each I."""
    key = PICTURE_KEY[:14] + b"\x05\0"
    frames = []
    for number, (kind, reference) in enumerate(pictures):
        code = {"I": 1, "P": 2, "B": 3}[kind]
        group = bytes.fromhex("000001b3") + bytes((0x10, 0x00, 0x90)) + bytes(5) + bytes.fromhex("000001b800080000")
        picture = bytes.fromhex("00000100") + struct.pack(">H", reference << 6 | code << 3)
        frames.append((group if kind == "I" else b"") + picture + bytes((number + 2,)) * 90)
    return [[(key, frame)] for frame in frames]


OPEN_GOPS = [("I", 0), ("P", 3), ("B", 1), ("B", 2), ("I", 2), ("B", 0), ("B", 1)]
"""Stored I0 P3 B1 B2, then I6 B4 B5."""


def mpeg2_track() -> TrackMade:
    container = bytes.fromhex(UL + "040101020d01030102046001")
    coding = bytes.fromhex(UL + "040101030401020201040300")
    return picture_track(number=0x15010500, descriptor_kind=0x51, items={0x3004: container, 0x3201: coding})


def test_temporal_offsets_give_the_display_order() -> None:
    # display position d is stored at d + offset
    made = gop_units(OPEN_GOPS)
    units = frame_wrap(made)
    offsets = [0, 1, 1, -2, 1, 1, -2]
    flags = [0x40, 0x22, 0x33, 0x33, 0x00, 0x33, 0x33]
    keys = [0, -1, -2, -3, 0, -1, -2]
    rows = [
        Entry(start, temporal, key, flag)
        for start, temporal, key, flag in zip(units.starts, offsets, keys, flags, strict=True)
    ]
    data = simple_file(units, index=index_segment(duration=7, entries=rows), packages=Packages([mpeg2_track()]))
    index = opened(data).index()
    assert index.shown.tolist() == [0, 2, 3, 1, 5, 6, 4]
    assert index.keys.tolist() == [True, False, False, False, True, False, False]


@pytest.mark.parametrize("frames", range(1, 8))
def test_mpeg2_without_index_orders_itself(frames: int) -> None:
    made = gop_units(OPEN_GOPS)[:frames]
    index = opened(simple_file(frame_wrap(made), packages=Packages([mpeg2_track()]))).index()
    # I6 can't be shown while 4 or 5 is missing: it would get their number
    whole = [0, 2, 3, 1, 5, 6, 4]
    assert index.shown.tolist() == {1: [0], 2: [0], 3: [0, 2], 4: [0, 2, 3, 1], 5: [0, 2, 3, 1], 6: whole[:5]}.get(
        frames, whole
    )
    assert index.keys.tolist() == [True, False, False, False, True, False, False][:frames]


def test_mpeg2_that_contradicts_itself_is_left_to_a_decoder() -> None:
    made = gop_units([("I", 0), ("P", 1), ("P", 1)])
    with pytest.raises(NotSupported, match="read by a decoder"):
        opened(simple_file(frame_wrap(made), packages=Packages([mpeg2_track()]))).index()


def test_a_hole_in_display_order_ends_what_is_shown() -> None:
    made = gop_units(OPEN_GOPS)
    units = frame_wrap(made)
    offsets = [0, 1, 1, -2, 1, 1, -2]
    rows = [Entry(start, temporal, 0, 0x33) for start, temporal in zip(units.starts, offsets, strict=True)]
    parts = [
        Part(
            2, Packages([mpeg2_track()]).header(), index=index_segment(duration=7, entries=rows), index_sid=2, status=1
        ),
        Part(3, essence=units.data[: units.starts[6]], body_sid=1),
    ]
    index = opened(assemble(parts, random_index=False)).index()
    # stored are 0 3 1 2 6 4, so 5 is missing and 6 can't be called 5
    assert index.shown.tolist() == [0, 2, 3, 1, 5]


def test_long_gop_h264_without_order_is_left_to_a_decoder() -> None:
    container = bytes.fromhex(UL + "0401010a0d01030102106001")
    key = PICTURE_KEY[:14] + b"\x05\0"
    idr, inter = bytes.fromhex("0000000165b80400"), bytes.fromhex("00000001419a0400")
    made = [[(key, (idr if number % 4 == 0 else inter) + bytes((1,)) * 90)] for number in range(8)]
    packages = Packages([picture_track(number=0x15010500, items={0x3004: container, 0x3201: bytes(16)})])
    file = opened(simple_file(frame_wrap(made), packages=packages))
    with pytest.raises(NotSupported, match="read by a decoder"):
        file.index()
    facts = file.facts()
    assert (facts.codec, facts.frames, facts.decodable) == ("h264", 8, True)
    only_intra = [[(key, idr + bytes((number,)) * 90)] for number in range(8)]
    assert opened(simple_file(frame_wrap(only_intra), packages=packages)).index().intra


def h264_units(count: int, **options: str) -> tuple[list[list[tuple[bytes, bytes]]], list[int]]:
    """Really encoded pictures as units, in stored order, and the number at which each is shown."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"preset": "fast", "x264-params": "log=none:scenecut=0:" + options.pop("params"), **options}
    packets = []
    for number in range(count):
        picture = np.full((48, 64, 3), number * 7 % 256, np.uint8)
        picture[:, number % 60 : number % 60 + 4] = 255 - picture[:, :4]
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, 25)
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    key = PICTURE_KEY[:14] + b"\x05\0"
    return [[(key, bytes(packet))] for packet in packets], [int(packet.pts or 0) for packet in packets]


def avc_file(units: list[list[tuple[bytes, bytes]]]) -> MxfFile:
    container = bytes.fromhex(UL + "0401010a0d01030102106001")
    packages = Packages([picture_track(number=0x15010500, items={0x3004: container, 0x3201: bytes(16)})])
    return opened(simple_file(frame_wrap(units), packages=packages))


@pytest.mark.parametrize(
    "params",
    [
        "keyint=12:bframes=2:b-adapt=0",
        "keyint=9:bframes=3:open-gop=1:b-pyramid=normal",
        "keyint=300:bframes=3:b-pyramid=strict",
        "keyint=10:bframes=0",
        "keyint=12:bframes=2:interlaced=1",
    ],
)
def test_long_gop_h264_without_index_orders_itself(params: str) -> None:
    units, numbers = h264_units(70, params=params)
    index = avc_file(units).index()
    assert index.shown.tolist() == np.argsort(numbers).tolist()
    assert index.keys[0]
    assert index.keys.sum() == sum(packet.is_keyframe or number == 0 for number, packet in enumerate(keys_of(units)))


def keys_of(units: list[list[tuple[bytes, bytes]]]) -> list[av.Packet]:
    data = b"".join(frame for unit in units for _, frame in unit)
    with av.open(io.BytesIO(data), format="h264") as stream:
        return [packet for packet in stream.demux(video=0) if packet.size]


@pytest.mark.parametrize("length", range(1, 30))
def test_h264_that_is_cut_off_gets_no_wrong_numbers(length: int) -> None:
    units, numbers = h264_units(30, params="keyint=12:bframes=3:b-adapt=0")
    if length in (2, 3):  # pictures that are shown later, and nothing to tell how much later
        with pytest.raises(NotSupported, match="read by a decoder"):
            avc_file(units[:length]).index()
        return
    index = avc_file(units[:length]).index()
    shown = index.shown.tolist()
    assert [numbers[stored] for stored in shown] == list(range(len(shown)))


# Several streams, sound alone, private triplets


def test_sound_in_a_stream_of_its_own() -> None:
    """Frame-wrapped pictures in one stream, clip-wrapped sound in another, each with its own index."""
    made = simple_units(6, sound=False)
    units = frame_wrap(made)
    sound = bytes(number % 251 for number in range(6 * MONO_16))
    key = SOUND_KEY[:14] + b"\x04\0"
    tracks = [picture_track(duration=6), sound_track(number=0x16010400, body_sid=2, duration=5)]
    pictures_index = index_segment(duration=6, entries=entries_of(units))
    sound_index = index_segment(unit_bytes=MONO_16, body_sid=2, index_sid=4)
    data = assemble(
        [
            Part(2, Packages(tracks).header()),
            Part(3, essence=klv(key, sound, 9), body_sid=2),
            Part(3, essence=units.data, body_sid=1),
            Part(4, index=pictures_index + sound_index, index_sid=2),
        ]
    )
    file = opened(data)
    index = file.index()
    assert {sid: stream.wrapping for sid, stream in file.streams.items()} == {1: "frame", 2: "clip"}
    assert pictures(data, index) == expected(made, PICTURE_KEY)
    packets = index.audio[0].packets
    assert data[int(packets.offsets[0]) :][: len(sound)] == sound
    assert packets.end == 5 * 1920
    assert any("Behind the 5 edit units of sound" in note for note in file.facts().diagnostics)


def test_sound_alone_frame_wrapped() -> None:
    made = [[(SYSTEM_KEY, bytes(57)), (SOUND_KEY, bytes((number,)) * MONO_16)] for number in range(6)]
    units = frame_wrap(made)
    data = simple_file(
        units,
        index=index_segment(duration=6, entries=entries_of(units)),
        packages=Packages([sound_track()], material_timecode=Timecode(90_000)),
    )
    file = opened(data)
    index, facts = file.index(), file.facts()
    assert index.video is None
    assert len(index.audio[0].packets) == 6
    assert (facts.codec, facts.frames, facts.frame_rate, facts.decodable) == ("pcm_s16le", None, None, True)
    assert str(facts.start_timecode) == "01:00:00:00"
    assert facts.seconds == Fraction(6, 25)
    units_found = file.edit_units()
    assert units_found is not None
    assert len(units_found.offsets) == 6


@pytest.mark.parametrize("indexed", [True, False])
def test_private_triplets_before_and_among_the_essence(indexed: bool) -> None:
    dark = klv(bytes.fromhex(UL + "020501010e06000000000000"), bytes(77))
    made = simple_units(5)
    units = frame_wrap(made)
    pieces, starts = [], []
    for start, end in zip(units.starts, [*units.starts[1:], len(units.data)], strict=True):
        starts.append(sum(map(len, pieces)))
        pieces.append(units.data[start:end] + dark)
    rows = [Entry(start) for start in starts]
    data = assemble(
        [
            Part(2, Packages([picture_track(), sound_track()]).header()),
            Part(3, essence=dark + b"".join(pieces), body_sid=1),
            Part(4, index=index_segment(duration=5, entries=rows) if indexed else b"", index_sid=2),
        ]
    )
    file = opened(data)
    assert pictures(data, file.index()) == expected(made, PICTURE_KEY)
    assert file.streams[1].content is not None
    assert file.streams[1].content.indexed == (5 if indexed else 0)


# Who is refused


def test_encrypted_essence_is_refused() -> None:
    label = bytes.fromhex(UL + "040101070d010301020b0100")
    parts = [
        Part(2, Packages([picture_track()]).header(), containers=(label,)),
        Part(3, essence=frame_wrap(simple_units(2)).data, body_sid=1),
        Part(4),
    ]
    with pytest.raises(NotSupported, match="encrypted"):
        opened(assemble(parts))
    triplet = bytes.fromhex(UL + "020401070d010301027e0100")
    units = Units(klv(triplet, bytes(100)) * 3, [], {})
    with pytest.raises(NotSupported, match="encrypted"):
        opened(simple_file(units, packages=Packages([picture_track()]))).index()
    with pytest.raises(NotSupported, match="encrypted"):
        opened(simple_file(units, packages=Packages([sound_track()]))).facts()


def test_essence_in_other_files_is_refused() -> None:
    packages = Packages([picture_track(), sound_track()], source_umid=umid(99))
    with pytest.raises(NotSupported, match="in other files"):
        opened(assemble([Part(2, packages.header()), Part(4)]))


def test_a_header_alone_has_no_frames() -> None:
    facts = opened(assemble([Part(2, Packages([picture_track(), sound_track()]).header()), Part(4)])).facts()
    assert (facts.frames, facts.decodable, facts.codec) == (0, False, "prores_422")
    assert facts.note is not None
    assert "no complete frame" in facts.note
