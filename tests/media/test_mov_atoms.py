"""Atoms: recognising a file, walking it, and what is refused on the way."""

import struct

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.errors import Damaged, NotMedia, NotSupported
from film_archive.core.source import MemorySource
from film_archive.media.mov import MovFile, is_mov
from film_archive.media.mov.atoms import Atom, Notes, only
from tests.media.mov_building import atom, full, movie, opened, pcm, timecode, video


def in_memory(data: bytes, kind: bytes = b"moov") -> Atom:
    return Atom(kind, 0, 8, memoryview(data), "clip.mov")


@pytest.mark.parametrize(
    "head",
    [
        atom(b"ftyp", b"qt  ", bytes(4)),
        atom(b"ftyp", b"isom", bytes(4)),
        b"\0\0\0\x18ftypmp42\0\0\0\0",
        atom(b"wide") + b"\0\1\0\0mdat",
        b"\0\0\0\1mdat" + bytes(8),
        b"\0\0\0\0mdat",
        b"\0\0\x12\x34moov",
        atom(b"free", bytes(8)) + b"\0\0\x10\0moov",
        atom(b"skip", bytes(20)) + atom(b"ftyp", b"qt  ", bytes(4)),
        atom(b"free", bytes(5000))[:64],
        b"\0\0\0\x14pnot" + bytes(12),
    ],
)
def test_quicktime_and_mp4_are_recognised_by_their_first_bytes(head):
    assert is_mov(head)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\0\0\0\x14fty",
        b"RIFF\x24\0\0\0WAVE",
        b"\x06\x0e\x2b\x34\x02\x05\x01\x01",
        b"PK\x03\x04\x14\0\0\0moov",
        b"\0\0\0\x04moov" + bytes(8),
        b"\0\0\0\0moov" + bytes(8),
        b"\0\0\0\x0cjP  \r\n\x87\n",
        b"moov mdat free wide",
        atom(b"ftyp", b"heic", bytes(4)),
        atom(b"ftyp", b"avif", bytes(4)),
        atom(b"free") + b"no movie at all",
        b"\x00\x00\x00\x1cftyp"[:7],
    ],
)
def test_others_are_not(head):
    assert not is_mov(head)
    with pytest.raises(NotMedia, match=r"clip\.mov is not a QuickTime or MP4 file"):
        MovFile.open(MemorySource(head, "clip.mov"))


@given(st.binary(max_size=64))
def test_recognising_never_fails(head):
    assert is_mov(head) in (True, False)


def test_thousands_of_free_atoms_are_walked_without_recursion():
    assert is_mov(atom(b"free") * 100_000 + atom(b"ftyp", b"qt  ", bytes(4)))


def test_children_of_either_size_and_terminators():
    data = atom(b"moov", atom(b"aaaa", b"1"), atom(b"bbbb", b"22", wide=True), b"\0\0\0\0")
    names = [(child.kind, bytes(child.body), child.start) for child in in_memory(data).children()]
    assert names == [(b"aaaa", b"1", 8), (b"bbbb", b"22", 17)]
    ended = atom(b"udta", atom(b"aaaa"), bytes(8), b"leftovers")
    assert [child.kind for child in in_memory(ended).children()] == [b"aaaa"]


@pytest.mark.parametrize("size", [0, 2, 4, 7, 9, 17, 0x7FFFFFFF])
def test_impossible_child_sizes(size):
    data = atom(b"moov", atom(b"aaaa"), struct.pack(">I4s", size, b"bbbb"))
    with pytest.raises(Damaged, match="its moov at byte 0 holds a bbbb of an impossible size"):
        in_memory(data).children()
    assert [child.kind for child in in_memory(data).children(lenient=True)] == [b"aaaa"]


def test_an_impossible_wide_size():
    for size in (0, 15, 1 << 63, (1 << 64) - 1):
        with pytest.raises(Damaged, match="impossible size"):
            in_memory(atom(b"moov", struct.pack(">I4sQ", 1, b"bbbb", size))).children()


def test_too_many_children():
    with pytest.raises(Damaged, match="more than 100000 atoms"):
        in_memory(atom(b"moov", atom(b"free") * 100_001)).children()


def test_of_several_atoms_of_a_kind_the_first():
    notes = Notes()
    children = in_memory(atom(b"moov", full(b"mvhd", b"1"), full(b"mvhd", b"2"))).children()
    chosen = only(children, b"mvhd", notes)
    assert chosen is not None
    assert bytes(chosen.body)[4:] == b"1"
    assert notes == ["there are 2 mvhd atoms in one place; the first is used"]
    assert only(children, b"free", notes) is None


def test_reading_past_an_atom_s_end():
    with pytest.raises(Damaged, match="too short"):
        in_memory(atom(b"moov", b"123")).unpack("I")


# The top level


@pytest.mark.parametrize("brand", [b"qt  ", None, b"isom", b"mp42"])
@pytest.mark.parametrize("faststart", [False, True])
@pytest.mark.parametrize("wide", [False, True])
def test_any_order_at_the_top(brand, faststart, wide):
    extra = atom(b"free", bytes(9)) + atom(b"uuid", bytes(30)) + b"" if wide else atom(b"wide")
    file = opened(movie(video(), brand=brand, faststart=faststart, wide_mdat=wide, before_mdat=extra))
    facts = file.facts()
    assert facts.container == ("mov" if brand in (None, b"qt  ") else "mp4")
    assert facts.frames == 6
    assert facts.diagnostics == ()
    assert file.index().frame(0).size == 10


def test_media_that_runs_to_the_end_of_the_file():
    data = movie(video(), faststart=True, open_mdat=True)
    assert opened(data).index().frames == 6
    swallowed = movie(video(), open_mdat=True)
    with pytest.raises(Damaged, match="has no index"):
        opened(swallowed)


def test_headers_of_version_1():
    file = opened(movie(video(header_version=1), header_version=1, created=3_800_000_000))
    assert file.facts().created == "2024-05-31T11:33:20Z"
    assert file.movie.tracks[0].id == 1
    assert file.movie.tracks[0].display_size == (64, 48)
    assert file.index().frames == 6


def test_garbage_behind_the_last_atom_is_noted():
    for tail in (b"garbage!garbage!", bytes(16), b"\0\0\0\x05abcd1234"):
        file = opened(movie(video()) + tail)
        assert file.index().frames == 6
        assert any("is not an atom" in note for note in file.facts().diagnostics)
    assert opened(movie(video()) + b"\0\0\0").facts().diagnostics == ()


def test_garbage_before_the_index_is_damage():
    data = movie(video())
    moov = data.rindex(b"moov") - 4
    with pytest.raises(Damaged, match=f"what lies at byte {moov} is not an atom"):
        opened(data[:moov] + b"\0\0\0\3junk" + data[moov:])


def test_two_indexes():
    data = movie(video())
    moov = data[data.rindex(b"moov") - 4 :]
    assert any("more than one index" in note for note in opened(data + moov).facts().diagnostics)


@pytest.mark.parametrize(
    ("inside", "error", "words"),
    [
        (atom(b"cmov", bytes(20)), NotSupported, "compressed index"),
        (atom(b"rmra", atom(b"rmda")), NotSupported, "reference movie"),
        (full(b"mvhd", bytes(96)), Damaged, "timescale of 0"),
        (b"", Damaged, "no movie header"),
        (full(b"mvhd", struct.pack(">IIII", 0, 0, 600, 0), bytes(80)), Damaged, "no tracks"),
        (full(b"mvhd", b"12"), Damaged, "too short"),
    ],
)
def test_indexes_that_are_not_read(inside, error, words):
    with pytest.raises(error, match=words):
        opened(atom(b"ftyp", b"qt  ", bytes(4)) + atom(b"moov", inside))


def test_a_segment_without_its_beginning():
    with pytest.raises(Damaged, match="media segment without its beginning"):
        opened(atom(b"styp", b"msdh", bytes(4)) + atom(b"moof", bytes(8)) + atom(b"mdat", bytes(8)))


def test_an_index_larger_than_any_film_s(tmp_path):
    from film_archive.core.source import FileSource

    path = tmp_path / "clip.mov"
    with path.open("wb") as file:
        file.write(struct.pack(">I4s", 300 << 20, b"moov"))
        file.truncate(300 << 20)
    with FileSource(path) as source, pytest.raises(Damaged, match="more than any film needs"):
        MovFile.open(source)


def test_a_file_of_nothing_but_small_atoms():
    with pytest.raises(Damaged, match="cut into more than"):
        opened(atom(b"ftyp", b"qt  ", bytes(4)) + atom(b"free") * 100_001)


def test_media_in_another_file():
    with pytest.raises(NotSupported, match="keeps its media in another file"):
        opened(movie(video(dref=full(b"alis", bytes(20), flags=0))))


def test_which_picture_track_is_the_film():
    poster = video(1, 1, id=1)
    film, longer_but_off = video(6, id=2), video(9, id=3, enabled=False)
    file = opened(movie(poster, film, longer_but_off))
    assert file.picture_track is file.movie.tracks[1]
    facts = file.facts()
    assert facts.frames == 6
    assert any("2 more picture tracks; track 2 is taken" in note for note in facts.diagnostics)
    only_off = opened(movie(video(4, enabled=False), pcm(enabled=False)))
    assert only_off.facts().frames == 4
    assert any("sound track 2 is disabled" in note for note in only_off.facts().diagnostics)


def test_sound_alone_and_timecode_alone():
    facts = opened(movie(pcm())).facts()
    assert (facts.codec, facts.frames, facts.audio[0].samples) == ("pcm_s16le", None, 200)
    facts = opened(movie(timecode([86400]))).facts()
    assert (facts.codec, facts.frames, str(facts.start_timecode)) == (None, None, "01:00:00:00")
    index = opened(movie(timecode([86400]))).index()
    assert index.video is None
    assert index.audio == ()


def test_a_broken_track_that_nobody_needs():
    data = movie(video(), timecode([5]))
    broken = data.replace(b"mhlrtmcd", b"mhlrtext").replace(b"stsz", b"stss", 2).replace(b"stss", b"stsz", 1)
    facts = opened(broken).facts()
    assert facts.frames == 6
    assert any("text track 3" in note for note in facts.diagnostics)


def test_equal_track_numbers():
    file = opened(movie(video(id=7), pcm(id=7), pcm(id=7, per_chunk=50)))
    assert any("same number" in note for note in file.facts().diagnostics)
    assert [len(sound.packets) for sound in file.index().audio] == [4, 4]


def test_what_cutting_needs_is_there():
    udta = atom(b"udta", atom(b"\xa9nam", b"\0\4\0\0name"))
    track = opened(movie(video(in_trak=[udta]))).movie.tracks[0]
    assert [atom.kind for atom in track.atom.children()] == [b"tkhd", b"mdia", b"udta"]
    assert track.atom.children()[2].data == udta
    assert track.tables.stsc.tolist() == [[1, 2, 1], [2, 2, 1], [3, 2, 1]]
    assert track.tables.stts.tolist() == [[6, 1]]
    assert track.descriptions[0].raw.startswith(b"\0\0\0\x56jpeg")
    assert track.timescale == 24
    assert track.atom.start == opened(movie(video(in_trak=[udta]))).movie.moov.start + 8 + 108
