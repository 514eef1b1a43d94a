"""Files that lie: each gives a result or one of our errors, and nothing is allocated that no bytes back."""

import struct
import tracemalloc

import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported
from film_archive.core.source import ByteSource, FileSource, MemorySource
from film_archive.media.mov import MovFile
from tests.media.mov_building import (
    atom,
    co64,
    elst,
    full,
    movie,
    opened,
    pcm,
    picture_entry,
    sound_entry,
    stsz,
    table,
    timecode,
    timecode_entry,
    video,
)
from tests.media.test_mov_fragments import beginning, empty, fragment, tfdt, tfhd, trex, trun


def tried(data: bytes) -> None:
    """Read all there is to read; only our errors may come out."""
    try:
        file = MovFile.open(MemorySource(data, "clip.mov"))
    except FilmArchiveError:
        return
    for read in (file.facts, file.index):
        try:
            result = read()
        except FilmArchiveError:
            continue
        result.to_json() if read == file.facts else result.to_bytes()


# The list of attacks


def test_a_constant_size_with_a_count_of_billions():
    """20 bytes that claim 4,294,967,280 samples: those that lie in a chunk are there, no others."""
    plan = pcm(200, 60)
    plan.tables[b"stsz"] = stsz(4, 0xFFFFFFF0)
    file = opened(movie(video(), plan))
    assert file.facts().audio[0].samples == 200
    assert any("only 200 of 4294967280" in note for note in file.facts().diagnostics)
    picture = video(6, 2, tables={b"stsz": stsz(10, 0xFFFFFFF0)})
    assert opened(movie(picture)).facts().frames == 6


def test_a_chunk_of_billions_of_samples():
    plan = pcm(200, 60, tables={b"stsc": table(b"stsc", (1, 1 << 30, 1))})
    assert opened(movie(video(), plan)).facts().audio[0].samples is not None
    picture = video(6, 2, tables={b"stsc": table(b"stsc", (1, 1 << 30, 1)), b"stsz": stsz(10, 1 << 30)})
    with pytest.raises(NotSupported, match="1073741824 samples"):
        opened(movie(picture)).index()


def test_a_chunk_past_the_end_of_the_file():
    """The last chunk is not there: its frames are missing and said to be."""
    plan = video(6, 2)
    data = movie(plan)
    broken = video(6, 2)
    offsets = opened(data).movie.tracks[0].tables.stco.tolist()
    broken.tables[b"stco"] = table(b"stco", *offsets[:2], 0x7FFFFFF0)
    file = opened(movie(broken))
    assert file.index().frames == file.facts().frames == 4
    assert any("2 of its 6 frames are missing, frames 0 to 3 are there" in note for note in file.facts().diagnostics)


def test_frames_behind_a_hole_are_not_numbered_wrongly():
    """The middle chunk is not there: frame 4 can't become frame 2, so the clip ends at the hole."""
    offsets = opened(movie(video(6, 2))).movie.tracks[0].tables.stco.tolist()
    broken = video(6, 2, tables={b"stco": table(b"stco", offsets[0], 0x7FFFFFF0, offsets[2])})
    index = opened(movie(broken)).index()
    assert index.frames == 2
    assert len(index.video) == 4


def test_no_frame_is_there():
    broken = video(6, 2, tables={b"stco": table(b"stco", *[0x7FFFFFF0] * 3)})
    with pytest.raises(Damaged, match="before the first of its 6 frames is complete"):
        opened(movie(broken)).index()


def test_samples_inside_the_index():
    data = movie(video(6, 2))
    moov = data.rindex(b"moov") - 4
    broken = video(6, 2, tables={b"stco": table(b"stco", moov + 20, moov + 40, moov + 60)})
    with pytest.raises(Damaged, match="point into its headers"):
        opened(movie(broken)).index()
    for offset in (0, 7):
        broken = video(6, 2, tables={b"stco": table(b"stco", offset, 100, 200)})
        with pytest.raises(Damaged, match="point into its headers"):
            opened(movie(broken)).index()


def test_the_same_bytes_over_and_over():
    twice = video(6, 2, tables={b"stco": table(b"stco", 28, 28, 28)})
    twice.tables |= {b"stsz": stsz(200, 6), b"stsc": table(b"stsc", (1, 2, 1))}
    twice.chunks = [[bytes(400)]]
    file = opened(movie(twice))
    assert file.index().frames == 6
    assert any("some bytes serve several samples" in note for note in file.facts().diagnostics)
    often = video(6, 2, tables={b"stco": co64(*[28] * 50_000), b"stsz": stsz(100_000, 100_000)})
    often.tables |= {b"stts": table(b"stts", (100_000, 1)), b"stsc": table(b"stsc", (1, 2, 1))}
    often.chunks = [[bytes(300_000)]]
    with pytest.raises(Damaged, match="use the same bytes over and over"):
        opened(movie(often)).index()


@pytest.mark.parametrize("count", [1, 2, 5, 0xFFFFFFFF])
def test_times_that_don_t_add_up(count):
    file = opened(movie(video(6, 2, stts=[(count, 1)])))
    assert file.index().frames == 6
    assert file.index().video.times.tolist() == [0, 1, 2, 3, 4, 5]


def test_frames_that_last_no_time():
    file = opened(movie(video(6, 2, stts=[(6, 0)])))
    assert file.facts().frames == 6
    assert file.facts().frame_rate is None
    last = opened(movie(video(6, 2, stts=[(5, 10), (1, 0)], timescale=240)))
    assert last.index().frames == 6
    assert last.index().video.end == 60
    assert last.facts().frame_rate == 24


def test_chunks_without_samples():
    for wrong in ((0, 0, 0), (7, 1, 1), (0xFFFFFFFF, 1, 1)):
        file = opened(movie(video(tables={b"stsz": stsz(0, 0), b"stsc": table(b"stsc", wrong)}), pcm()))
        assert file.index().video is None
        assert file.facts().frames is None


def test_a_timescale_of_nothing():
    with pytest.raises(Damaged, match="timescale of 0"):
        opened(movie(video(timescale=0)))


def test_unknown_durations():
    assert opened(movie(video(stts=[(6, 0x7FFFFFFF // 6)]))).facts().frames == 6


def test_a_moov_of_terabytes_in_an_eight_byte_file():
    with pytest.raises(Damaged, match="inside its moov"):
        opened(struct.pack(">I4sQ", 1, b"moov", 1 << 40))


def test_thousands_of_tracks():
    trak = video(1).trak([8])
    mvhd = full(b"mvhd", struct.pack(">IIII", 0, 0, 600, 0), bytes(80))
    with pytest.raises(Damaged, match="1025 tracks"):
        opened(atom(b"moov", mvhd, *[trak] * 1025))


def test_a_source_that_grows_is_said_to_have_changed(tmp_path):
    from film_archive.core.errors import SourceChanged

    path = tmp_path / "clip.mov"
    path.write_bytes(movie(video()))
    with FileSource(path) as source:
        with path.open("ab") as file:
            file.write(b"more")
        with pytest.raises(SourceChanged, match="changed while it was read"):
            MovFile.open(source)


class Counting(ByteSource):
    """Notes which bytes are read."""

    def __init__(self, data: bytes) -> None:
        self._inner = MemorySource(data, "clip.mov")
        self.name, self.size = self._inner.name, self._inner.size
        self.reads: list[tuple[int, int]] = []

    def read_into(self, offset: int, buffer: memoryview) -> int:
        self.reads.append((offset, len(buffer)))
        return self._inner.read_into(offset, buffer)


def test_no_media_is_read():
    picture = video(600, 10, entries=[picture_entry(b"apch")])
    picture.chunks = [[bytes(2000)] * 10] * 60
    source = Counting(movie(picture, pcm(48000, 4000), timecode([5]), faststart=True))
    file = MovFile.open(source)
    file.index()
    file.facts()
    moov_end = file.movie.moov_place.end
    assert sum(min(length, source.size - offset) for offset, length in source.reads if offset >= moov_end) <= 1000


# Fuzzing: what is broken is broken at random


def samples() -> dict[str, bytes]:
    long_gop = video(12, 5, entries=[picture_entry(b"avc1", 64, 48, atom(b"avcC", b"\1\x64\0\x1f\xff\xe1\0\0\0"))])
    long_gop.tables = {b"stss": table(b"stss", 1, 7), b"ctts": table(b"ctts", (1, 2), (10, 1), (1, 0))}
    long_gop.edits = elst((3, -1), (9, 2), (2, 4))
    meta = full(b"hdlr", bytes(4), b"mdta", bytes(12), b"\0")
    meta += full(b"keys", struct.pack(">I", 1), atom(b"mdta", b"com.apple.quicktime.make"))
    meta += atom(b"ilst", atom(b"\0\0\0\1", atom(b"data", struct.pack(">II", 1, 0), b"ARRI")))
    fragmented = beginning(
        empty(entry=picture_entry(b"avc1")), empty(b"soun", sound_entry(b"sowt", 1, 16), 2, 48000),
        defaults=[trex(1, 1, 10, 4), trex(2, 1, 1, 2)],
    )  # fmt: skip
    for _ in range(3):
        fragmented += fragment(
            lambda at: [
                (tfhd(), trun(2, 0xF00, 10, 4, 0, 5, 10, 4, 65536, 0, offset=at)),
                (tfhd(2), tfdt(0), trun(100, offset=at + 8)),
            ],
            bytes(208),
        )
    return {
        "long gop": movie(
            long_gop, pcm(300, 70, edits=elst((50, 9))),
            timecode([86400, 9], timecode_entry(reel=b"A001"), edits=elst((9, 1))),
            in_moov=(atom(b"meta", meta), atom(b"udta", atom(b"\xa9day", b"\0\4\0\x002024"), bytes(4))), timescale=24,
        ),
        "faststart": movie(video(8, 3, wide_offsets=True, header_version=1), pcm(entry=sound_entry(b"in24", version=1)),
                           faststart=True, header_version=1, wide_mdat=True),
        "fragments": fragmented,
    }  # fmt: skip


SAMPLES = samples()


def test_the_samples_are_sound_before_they_are_broken():
    for data in SAMPLES.values():
        facts = opened(data).facts()
        assert facts.frames
        assert not any("damaged" in note or "missing" in note for note in facts.diagnostics)


breakages = st.lists(
    st.tuples(
        st.sampled_from(["byte", "word", "cut", "drop", "double"]),
        st.floats(0, 1, exclude_max=True),
        st.one_of(st.integers(0, 255), st.sampled_from([0x7F, 0x80, 0xFF, 1, 0])),
    ),
    min_size=1,
    max_size=6,
)


def broken(data: bytes, how: list[tuple[str, float, int]]) -> bytes:
    result = bytearray(data)
    for kind, where, value in how:
        at = int(where * max(1, len(result)))
        if kind == "byte":
            result[at : at + 1] = bytes([value])
        elif kind == "word":
            result[at & ~3 : (at & ~3) + 4] = {0: bytes(4), 1: b"\0\0\0\1"}.get(value, bytes([value]) * 4)
        elif kind == "cut":
            del result[at:]
        elif kind == "drop":
            del result[at : at + value]
        else:
            result[at:at] = result[at : at + value]
    return bytes(result)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(SAMPLES)), breakages)
def test_whatever_is_broken_gives_a_result_or_our_error(name, how):
    tried(broken(SAMPLES[name], how))


@pytest.mark.nightly
@settings(max_examples=30_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(SAMPLES)), breakages)
def test_whatever_is_broken_gives_a_result_or_our_error_at_length(name, how):
    tried(broken(SAMPLES[name], how))


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_cut_at_every_byte(name):
    data = SAMPLES[name]
    for cut in range(0, len(data), 3):
        tried(data[:cut])


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_word_of_the_index_at_its_worst(name):
    """Each 32-bit word of the headers in turn all ones, then zero, then 2³¹: sizes, counts, offsets, times."""
    data = SAMPLES[name]
    for start, end in _headers(data):
        for at in range(start, end - 3, 4):
            for value in (b"\xff\xff\xff\xff", bytes(4), b"\x80\0\0\0"):
                tried(data[:at] + value + data[at + 4 :])


def _headers(data: bytes) -> list[tuple[int, int]]:
    found = []
    for kind in (b"moov", b"moof"):
        at = data.find(kind)
        if at >= 0:
            found.append((at - 4, at - 4 + struct.unpack_from(">I", data, at - 4)[0]))
    return found


def test_a_lying_file_takes_little_memory():
    """A few hundred bytes that claim billions of samples, seconds, edits or fragments."""
    lies = [
        movie(video(6, 2, tables={b"stsz": stsz(1, 0xFFFFFFFF), b"stsc": table(b"stsc", (1, 0x7FFFFFFF, 1))})),
        movie(pcm(6, 2, tables={b"stsz": stsz(1, 0xFFFFFFFF), b"stsc": table(b"stsc", (1, 0x7FFFFFFF, 1))})),
        movie(video(6, 2, tables={b"stts": table(b"stts", (0xFFFFFFFF, 1))})),
        movie(video(6, 2, tables={b"ctts": table(b"ctts", (0xFFFFFFFF, 1))})),
        movie(video(6, 2, edits=elst(*[(0xFFFFFFFE, 0)] * 50))),
        movie(video(6, 2, tables={b"stss": full(b"stss", struct.pack(">I", 0xFFFFFFFF))})),
    ]
    tracemalloc.start()
    try:
        for data in lies:
            tried(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
