"""Sample tables: every kind of table there is, against tables expanded by hand."""

import struct

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.core.errors import Damaged, NotSupported
from film_archive.media.mov.atoms import Atom, Notes
from film_archive.media.mov.samples import expand, expand_pcm
from film_archive.media.mov.tables import TimeRuns, parse_tables
from tests.media.mov_building import atom, co64, full, movie, opened, pcm, picture_entry, stsz, table, video


def parsed(*parts: bytes, notes: Notes | None = None):
    data = atom(b"stbl", *parts)
    return parse_tables(Atom(b"stbl", 0, 8, memoryview(data), "clip.mov"), Notes() if notes is None else notes)


@st.composite
def layouts(draw):
    """(chunk sizes in samples, sizes, deltas, composition offsets, chunk offsets) of a track."""
    per_chunk = draw(st.lists(st.integers(1, 5), min_size=1, max_size=8))
    count = sum(per_chunk)
    column = lambda numbers: draw(st.lists(numbers, min_size=count, max_size=count))  # noqa: E731
    offsets = draw(st.lists(st.integers(8, 1 << 40), min_size=len(per_chunk), max_size=len(per_chunk)))
    return per_chunk, column(st.integers(0, 999)), column(st.integers(0, 50)), column(st.integers(-40, 40)), offsets


def runs(values):
    """Run-length rows (count, value)."""
    rows = []
    for value in values:
        if rows and rows[-1][1] == value:
            rows[-1][0] += 1
        else:
            rows.append([1, value])
    return [tuple(row) for row in rows]


@given(layouts())
def test_expanding_equals_a_loop_over_all_samples(layout):
    per_chunk, sizes, deltas, shifts, offsets = layout
    count = len(sizes)
    rows, first = [], 1
    for samples, _ in ((n, None) for n in per_chunk):
        if not rows or rows[-1][1] != samples:
            rows.append((first, samples, 1))
        first += 1
    tables = parsed(
        table(b"stts", *runs(deltas)), table(b"ctts", *runs(shifts)), table(b"stsc", *rows), stsz(0, count, sizes),
        co64(*offsets),
    )  # fmt: skip
    wanted_offsets, wanted_times, clock, sample = [], [], 0, 0
    for chunk, samples in enumerate(per_chunk):
        place = offsets[chunk]
        for _ in range(samples):
            wanted_offsets.append(place)
            wanted_times.append(clock + shifts[sample])
            place += sizes[sample]
            clock += deltas[sample]
            sample += 1
    expanded = expand(tables, "clip.mov")
    assert expanded.offsets.tolist() == wanted_offsets
    assert expanded.times.tolist() == wanted_times
    assert expanded.sizes.tolist() == sizes
    assert expanded.decode_end == clock
    assert expanded.keys.all()


@given(st.lists(st.integers(0, 15), min_size=1, max_size=20), st.sampled_from([4, 8, 16]))
def test_compact_sizes(sizes, bits):
    if bits == 4:
        padded = [*sizes, 0]
        packed = bytes(padded[n] << 4 | padded[n + 1] for n in range(0, len(sizes), 2))
    else:
        packed = struct.pack(f">{len(sizes)}{'B' if bits == 8 else 'H'}", *(size * (15 if bits == 8 else 1000) for size in sizes))
        sizes = [size * (15 if bits == 8 else 1000) for size in sizes]
    tables = parsed(
        table(b"stts", (len(sizes), 1)), table(b"stsc", (1, len(sizes), 1)), table(b"stco", 100),
        full(b"stz2", struct.pack(">II", bits, len(sizes)), packed),
    )  # fmt: skip
    assert tables.stsz.tolist() == sizes


def test_offsets_of_64_bits_and_one_size_for_all():
    tables = parsed(table(b"stts", (4, 10)), table(b"stsc", (1, 2, 1)), stsz(7, 4), co64(1 << 33, (1 << 64) - 1))
    expanded = expand(tables, "clip.mov")
    assert expanded.offsets[:2].tolist() == [1 << 33, (1 << 33) + 7]
    assert expanded.offsets[2] > 1 << 60  # past every end, and not negative
    assert expanded.sizes.tolist() == [7, 7, 7, 7]


@pytest.mark.parametrize(
    ("extra", "keys"),
    [
        ([], [1, 1, 1, 1]),
        ([table(b"stss", 1, 3)], [1, 0, 1, 0]),
        ([table(b"stss")], [0, 0, 0, 0]),
        ([table(b"stss", 1), table(b"stps", 3)], [1, 0, 0, 0]),
        ([table(b"stss"), table(b"stps", 3)], [0, 0, 1, 0]),
        ([table(b"stss", 0, 2, 9)], [0, 1, 0, 0]),
    ],
)
def test_sync_samples(extra, keys):
    tables = parsed(table(b"stts", (4, 1)), table(b"stsc", (1, 4, 1)), stsz(0, 4, [1, 1, 1, 1]), table(b"stco", 100), *extra)
    assert expand(tables, "clip.mov").keys.tolist() == [bool(key) for key in keys]


def test_a_delta_may_step_back_and_a_short_composition_table_ends_in_zeros():
    tables = parsed(
        table(b"stts", (2, 10), (1, -5), (1, 10)), table(b"ctts", (1, 3), version=1), table(b"stsc", (1, 4, 1)),
        stsz(0, 4, [1] * 4), table(b"stco", 100),
    )  # fmt: skip
    assert expand(tables, "clip.mov").times.tolist() == [3, 10, 20, 15]


def test_pcm_is_never_expanded_to_samples():
    count = 4_000_000_000
    tables = parsed(table(b"stts", (count, 1)), table(b"stsc", (1, count // 2, 1)), stsz(1, count), table(b"stco", 100, 9))
    chunks = expand_pcm(tables)
    assert chunks.frames.tolist() == [count // 2, count // 2]
    assert chunks.ticks.tolist() == [0, count // 2]
    assert chunks.end == count


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(-5, 90)), min_size=1, max_size=6))
def test_times_of_runs_equal_those_of_a_loop(rows):
    clock, times = 0, []
    for count, delta in rows:
        for _ in range(count):
            times.append(clock)
            clock += delta
    found = TimeRuns.of(np.array(rows, np.int64)).at(np.arange(len(times)))
    assert found.tolist() == times


def test_a_table_that_counts_too_few_samples_is_carried_on_and_noted():
    notes = Notes()
    tables = parsed(
        table(b"stts", (2, 10)), table(b"stsc", (1, 4, 1)), stsz(0, 4, [1] * 4), table(b"stco", 100), notes=notes
    )
    assert expand(tables, "clip.mov").times.tolist() == [0, 10, 20, 30]
    assert any("the time table counts 2 samples" in note for note in notes)


@pytest.mark.parametrize(
    ("chunk_rows", "there", "note"),
    [(((1, 3, 1),), 4, "promise more samples"), (((1, 1, 1),), 2, "only 2 of 4"), (((1, 2, 1), (9, 5, 1)), 4, "chunk 9")],
)
def test_chunks_that_don_t_fit_the_count(chunk_rows, there, note):
    notes = Notes()
    tables = parsed(
        table(b"stts", (4, 1)), table(b"stsc", *chunk_rows), stsz(0, 4, [1] * 4), table(b"stco", 100, 200), notes=notes
    )
    assert len(expand(tables, "clip.mov")) == there == tables.samples_there
    assert any(note in text for text in notes)


GOOD = {
    b"stts": table(b"stts", (4, 1)),
    b"stsc": table(b"stsc", (1, 2, 1)),
    b"stsz": stsz(0, 4, [1] * 4),
    b"stco": table(b"stco", 100, 200),
}


@pytest.mark.parametrize(
    "lie",
    [
        {b"stsz": full(b"stsz", struct.pack(">II", 0, 5), bytes(16))},
        {b"stsz": full(b"stsz", struct.pack(">II", 0, 0xFFFFFFFF), bytes(16))},
        {b"stsz": full(b"stsz", bytes(4))},
        {b"stsz": full(b"stz2", struct.pack(">II", 5, 4), bytes(8))},
        {b"stsz": full(b"stz2", struct.pack(">II", 16, 4), bytes(6))},
        {b"stco": full(b"stco", struct.pack(">III", 3, 100, 200))},
        {b"stco": full(b"co64", struct.pack(">IQ", 0xFFFFFFFF, 100))},
        {b"stco": table(b"stco")},
        {b"stsc": table(b"stsc", (0, 2, 1))},
        {b"stsc": table(b"stsc", (2, 2, 1))},
        {b"stsc": table(b"stsc", (1, 2, 1), (1, 2, 1))},
        {b"stsc": table(b"stsc", (1, 0, 1))},
        {b"stsc": table(b"stsc", (1, 2, 0))},
        {b"stsc": table(b"stsc")},
        {b"stsc": full(b"stsc", struct.pack(">I", 1 << 30), bytes(12))},
        {b"stts": table(b"stts")},
        {b"stts": full(b"stts", struct.pack(">I", 2), bytes(8))},
        {b"stts": table(b"stts", *[(0xFFFFFFFF, 0x7FFFFFFF)] * 4)},
        {b"ctts": full(b"ctts", struct.pack(">I", 2), bytes(8))},
        {b"stss": full(b"stss", struct.pack(">I", 2), bytes(4))},
    ],
)
def test_tables_that_lie_are_damage(lie):
    with pytest.raises(Damaged, match=r"^clip.mov is damaged: its \w+ at byte \d+ .*; .*\.$"):
        parsed(*(GOOD | lie).values())


def test_more_samples_than_any_film_are_refused_before_they_are_allocated():
    tables = parsed(table(b"stts", (1 << 31, 1)), table(b"stsc", (1, 1 << 31, 1)), stsz(1, 1 << 31), table(b"stco", 100))
    with pytest.raises(NotSupported, match="2147483648 samples"):
        expand(tables, "clip.mov")


def test_a_description_that_isn_t_there_is_damage():
    plan = video(tables={b"stsc": table(b"stsc", (1, 2, 2))})
    with pytest.raises(Damaged, match="uses description 2 of 1"):
        opened(movie(plan))


def test_several_descriptions_are_noted():
    plan = video(frames=4, entries=[picture_entry(), picture_entry(b"png ")])
    plan.tables[b"stsc"] = table(b"stsc", (1, 2, 1), (2, 2, 2))
    file = opened(movie(plan))
    assert file.facts().codec == "mjpeg"
    assert any("changes its description" in note for note in file.facts().diagnostics)
    assert [bytes(entry.raw[4:8]) for entry in file.movie.tracks[0].descriptions] == [b"jpeg", b"png "]


def test_the_first_of_two_equal_tables_is_used():
    plan = video(frames=4)
    file = opened(movie(plan, in_moov=()))
    assert file.index().frames == 4
    doubled = video(frames=4, tables={b"xxxx": table(b"stts", (4, 9))})
    facts = opened(movie(doubled)).facts()
    assert facts.frame_rate == 24
    assert any("2 stts atoms" in note for note in facts.diagnostics)


@pytest.mark.parametrize(("size", "bytes_a_sample"), [(4, 4), (1, 4)])
def test_pcm_sizes_may_be_the_sample_s_or_one(size, bytes_a_sample):
    plan = pcm(200, 60)
    plan.sample_size = size
    index = opened(movie(video(), plan)).index()
    (sound,) = index.audio
    assert sound.frame_bytes == bytes_a_sample
    assert sound.packets.sizes.tolist() == [240, 240, 240, 80]
    assert sound.packets.times.tolist() == [0, 60, 120, 180]


def test_pcm_sizes_that_fit_nothing_are_refused_and_the_facts_still_tell_the_rest():
    plan = pcm(200, 60)
    plan.sample_size = 2
    file = opened(movie(video(), plan))
    with pytest.raises(NotSupported, match="samples of 2 bytes where pcm_s16le with 2 channels takes 4"):
        file.index()
    facts = file.facts()
    assert facts.frames == 6
    assert facts.audio[0].samples is None
    assert any("can't be indexed" in note for note in facts.diagnostics)


def test_pcm_in_packets_of_many_samples():
    plan = pcm(4, 2, size=4)
    plan.chunks = [[bytes(400), bytes(400)], [bytes(400), bytes(200)]]
    plan.stts, plan.sample_size = [(4, 100)], 0
    (sound,) = opened(movie(plan)).index().audio
    assert sound.packets.sizes.tolist() == [400, 400, 400, 200]
    assert sound.packets.times.tolist() == [0, 100, 200, 300]
    assert sound.frame_bytes == 4
    assert opened(movie(plan)).facts().audio[0].samples == 350


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(1, 9), st.booleans(), st.booleans())
def test_the_same_media_in_any_chunks(per_picture, per_sound, wide, faststart):
    """However a file is laid out, its index leads to the same bytes."""
    picture, sound = video(12, per_picture, wide_offsets=wide), pcm(90, per_sound)
    data = movie(picture, sound, faststart=faststart, wide_mdat=wide)
    index = opened(data).index()
    frames = [data[frame.offset : frame.offset + frame.size] for frame in map(index.frame, range(12))]
    assert frames == [bytes([n + 1]) * (10 + 3 * (n % 5)) for n in range(12)]
    packets = index.audio[0].packets
    heard = b"".join(data[o : o + s] for o, s in zip(packets.offsets.tolist(), packets.sizes.tolist(), strict=True))
    assert heard == b"".join(struct.pack(">I", n) for n in range(90))
