"""Movie fragments built by hand: every way in which a fragment may say, or leave unsaid, where its samples are."""

import struct

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.core.errors import Damaged, NotSupported
from film_archive.media.cutting.opening import open_clip
from tests.media.mov_building import (
    TrackPlan,
    atom,
    elst,
    full,
    movie,
    opened,
    picture_entry,
    sound_entry,
    timecode_entry,
)

NON_SYNC = 0x10000


def trex(track=1, description=1, duration=10, size=0, flags=0):
    return full(b"trex", struct.pack(">5I", track, description, duration, size, flags))


def empty(handler=b"vide", entry=None, id=1, timescale=240, **changes):
    return TrackPlan(handler, [entry or picture_entry()], [], [], timescale=timescale, id=id, **changes)


def beginning(*tracks, defaults=None):
    """ftyp and moov of a fragmented file, without media."""
    mvex = atom(b"mvex", *(defaults or [trex(track.id) for track in tracks]))
    data = movie(*tracks, in_moov=(mvex,), timescale=1000, brand=b"iso5")
    return data.replace(b"\0\0\0\x08mdat", b"")


def tfhd(track=1, flags=0x20000, *fields, layout=""):
    return full(b"tfhd", struct.pack(">I" + layout, track, *fields), flags=flags)


def tfdt(time, version=1):
    return full(b"tfdt", struct.pack(">Q" if version else ">I", time), version=version)


def trun(count, flags=0, *fields, version=0, offset=None, first=None):
    head = struct.pack(">I", count)
    if offset is not None:
        flags |= 1
        head += struct.pack(">i", offset)
    if first is not None:
        flags |= 4
        head += struct.pack(">I", first)
    return full(b"trun", head, struct.pack(f">{len(fields)}I", *(field & 0xFFFFFFFF for field in fields)), flags=flags,
                version=version)  # fmt: skip


def moof(*trafs):
    return atom(b"moof", full(b"mfhd", struct.pack(">I", 1)), *(atom(b"traf", *traf) for traf in trafs))


def fragment(build, payload):
    """moof and mdat; `build(offset)` makes the trafs, given where the media begins behind the moof's start."""
    size = len(moof(*build(0)))
    return moof(*build(size + 8)) + atom(b"mdat", payload)


def rows(index):
    return list(zip(index.video.offsets.tolist(), index.video.sizes.tolist(), index.video.times.tolist(),
                    index.keys.tolist(), strict=True))  # fmt: skip


AVC = picture_entry(b"avc1")


def test_all_columns_of_a_run():
    start = beginning(empty(entry=AVC))
    columns = [10, 5, 0, 10, 20, 6, NON_SYNC, -5, 10, 7, NON_SYNC, 0]
    data = start + fragment(lambda at: [(tfhd(), tfdt(100), trun(3, 0xF00, *columns, version=1, offset=at))], bytes(18))
    index = opened(data).index()
    media = len(data) - 18
    # times 110, 105, 130: shown from 105 on
    assert rows(index) == [(media, 5, 5, True), (media + 5, 6, 0, False), (media + 11, 7, 25, False)]
    assert index.video.end == 40  # all last 40 ticks together


def test_what_is_left_out_comes_from_the_header_then_from_the_defaults():
    start = beginning(empty(entry=AVC), defaults=[trex(1, 1, 10, 4, NON_SYNC)])
    from_trex = fragment(lambda at: [(tfhd(), tfdt(0), trun(3, offset=at))], bytes(12))
    from_tfhd = fragment(
        lambda at: [(tfhd(1, 0x20038, 20, 6, 0, layout="III"), tfdt(30), trun(2, offset=at))], bytes(12)
    )
    data = start + from_trex + from_tfhd
    index = opened(data).index()
    assert index.video.sizes.tolist() == [4, 4, 4, 6, 6]
    assert index.video.times.tolist() == [0, 10, 20, 30, 50]
    assert index.keys.tolist() == [False, False, False, True, True]
    assert index.video.end == 70


def test_the_first_sample_s_own_flags():
    start = beginning(empty(entry=AVC), defaults=[trex(1, 1, 10, 4, NON_SYNC)])
    data = start + fragment(lambda at: [(tfhd(), trun(3, offset=at, first=0x2000000))], bytes(12))
    assert opened(data).index().keys.tolist() == [True, False, False]


def test_a_description_by_its_number():
    plan = empty(entry=AVC)
    plan.entries.append(picture_entry(b"hvc1"))
    data = beginning(plan, defaults=[trex(1, 2, 10, 4)])
    data += fragment(lambda at: [(tfhd(), trun(3, offset=at))], bytes(12))
    assert opened(data).facts().codec == "h265"
    wrong = beginning(empty(entry=AVC), defaults=[trex(1, 9, 10, 4)])
    wrong += fragment(lambda at: [(tfhd(), trun(3, offset=at))], bytes(12))
    with pytest.raises(Damaged, match="no description"):
        opened(wrong).facts()


@pytest.mark.parametrize("version", [0, 1])
def test_without_a_time_runs_follow_each_other(version):
    start = beginning(empty(), defaults=[trex(1, 1, 10, 4)])
    data = start + fragment(lambda at: [(tfhd(), trun(2, offset=at))], bytes(8))
    data += fragment(lambda at: [(tfhd(), trun(2, offset=at))], bytes(8))
    data += fragment(lambda at: [(tfhd(), tfdt(100, version), trun(1, offset=at))], bytes(4))
    assert opened(data).index().video.times.tolist() == [0, 10, 20, 30, 100]


def test_runs_without_an_offset_follow_the_run_before():
    start = beginning(empty(), defaults=[trex(1, 1, 10, 4)])
    data = start + fragment(lambda at: [(tfhd(), trun(2, offset=at), trun(1), trun(2, 0x200, 5, 6))], bytes(23))
    index = opened(data).index()
    media = len(data) - 23
    assert index.video.offsets.tolist() == [media, media + 4, media + 8, media + 12, media + 17]


def test_the_base_of_an_old_fragment():
    """Without a base of its own or default-base-is-moof, a second track starts where the first one's media ends."""
    sound = empty(b"soun", sound_entry(b"sowt", 1, 16), 2, 48000)
    start = beginning(empty(), sound, defaults=[trex(1, 1, 10, 4), trex(2, 1, 1, 2)])

    def build(at):
        return [(tfhd(1, 0), trun(2, offset=at)), (tfhd(2, 0), trun(100, offset=0))]

    data = start + fragment(build, bytes(208))
    index = opened(data).index()
    media = len(data) - 208
    assert index.video.offsets.tolist() == [media, media + 4]
    assert index.audio[0].packets.offsets.tolist() == [media + 8]
    assert index.audio[0].packets.sizes.tolist() == [200]


def test_a_base_of_its_own():
    start = beginning(empty(), defaults=[trex(1, 1, 10, 4)])
    here = len(start)
    data = start + moof((tfhd(1, 1, here + 100, layout="Q"), trun(2, offset=-8))) + bytes(0)
    data += atom(b"mdat", bytes(200))
    assert opened(data).index().video.offsets.tolist() == [here + 92, here + 96]


def test_pcm_stays_in_runs():
    sound = empty(b"soun", sound_entry(b"sowt", 2, 16), 1, 48000)
    start = beginning(sound, defaults=[trex(1, 1, 1, 4)])
    data = start + fragment(lambda at: [(tfhd(), tfdt(0), trun(1000, offset=at), trun(500))], bytes(6000))
    (track,) = opened(data).index().audio
    assert track.packets.sizes.tolist() == [4000, 2000]
    assert track.packets.times.tolist() == [0, 1000]
    assert opened(data).facts().audio[0].samples == 1500


def test_timecode_in_a_fragment():
    picture, track = empty(), empty(b"tmcd", timecode_entry(), 2, 24)
    start = beginning(picture, track, defaults=[trex(1, 1, 10, 4), trex(2, 1, 24, 4)])

    def build(at):
        return [(tfhd(1), trun(2, offset=at)), (tfhd(2), trun(1, offset=at + 8))]

    data = start + fragment(build, bytes(8) + struct.pack(">I", 86400))
    assert str(opened(data).facts().start_timecode) == "01:00:00:00"


def test_an_edit_list_of_no_duration_means_the_rest():
    start = beginning(empty(edits=elst((0, 20)), entry=AVC), defaults=[trex(1, 1, 10, 4)])
    data = start + fragment(lambda at: [(tfhd(), trun(5, offset=at))], bytes(20))
    index = opened(data).index()
    assert index.frames == 3
    assert index.video.times.tolist() == [-20, -10, 0, 10, 20]


def test_samples_in_the_index_and_in_fragments():
    plan = TrackPlan(b"vide", [picture_entry()], [[b"aaaa", b"bb"]], [(2, 10)], timescale=240)
    start = movie(plan, in_moov=(atom(b"mvex", trex(1, 1, 10, 3)),), timescale=240)
    data = start + fragment(lambda at: [(tfhd(), trun(2, offset=at))], bytes(6))
    index = opened(data).index()
    assert index.video.sizes.tolist() == [4, 2, 3, 3]
    assert index.video.times.tolist() == [0, 10, 20, 30]


def test_fragments_of_a_track_that_is_not_there():
    start = beginning(empty(), defaults=[trex(1, 1, 10, 4)])
    data = start + fragment(lambda at: [(tfhd(), trun(1, offset=at)), (tfhd(9), trun(1, offset=at))], bytes(4))
    facts = opened(data).facts()
    assert facts.frames == 1
    assert any("track 9 that the file doesn't have" in note for note in facts.diagnostics)


def test_a_beginning_without_fragments():
    facts = opened(beginning(empty())).facts()
    assert (facts.frames, facts.decodable, facts.cut_short) == (0, False, False)
    assert "ends before its first fragment" in facts.note
    assert "init segment" in facts.note


def test_a_first_fragment_that_is_cut_short_is_told_with_the_bytes_that_are_missing():
    start = beginning(empty(), defaults=[trex(1, 1, 10, 4)])
    whole = fragment(lambda at: [(tfhd(), trun(3, offset=at))], bytes(12))
    head = whole.index(b"mdat") - 4
    for length, missing in ((len(whole) - 1, 1), (len(whole) - 12, 12), (head, 8 + 12), (20, head - 20), (9, head - 9)):
        file = opened(start + whole[:length])
        facts = file.facts()
        assert (facts.frames, facts.decodable, facts.cut_short) == (0, False, True), length
        assert f"no fragment is complete: at least {missing} bytes are missing" in facts.note, length
        assert not any("no picture" in note for note in facts.diagnostics)
        with pytest.raises(Damaged, match="no fragment is complete"):
            open_clip(file.source)
    facts = opened(start + whole + whole[:-1]).facts()
    assert (facts.frames, facts.cut_short, facts.note) == (3, True, None)


def test_the_last_fragment_without_all_of_its_media():
    start = beginning(empty(), defaults=[trex(1, 1, 10, 4)])
    good = fragment(lambda at: [(tfhd(), trun(3, offset=at))], bytes(12))
    file = opened(start + good + good[:-1])
    assert file.index().frames == 3
    assert any("the media of fragment 2 ends at byte" in note for note in file.facts().diagnostics)
    file = opened(start + good + good[:20])
    assert file.index().frames == 3
    assert any("the file ends inside its fragment 2" in note for note in file.facts().diagnostics)


@pytest.mark.parametrize(
    "traf",
    [
        (trun(1),),
        (full(b"tfhd", b""),),
        (tfhd(1, 0x20001),),
        (tfhd(), trun(5, 0x200, 1, 2)),
        (tfhd(), full(b"trun", struct.pack(">I", 0xFFFFFFFF), flags=0xF00)),
        (tfhd(), full(b"trun")),
        (tfhd(), trun(1, offset=-1_000_000)),
        (tfhd(), tfdt(1 << 61), trun(1, offset=0)),
        (tfhd(), trun(0xFFFFFFFF, offset=0, first=0)),
        (tfhd(1, 0x20008, 0xFFFFFFFF, layout="I"), trun(0xFFFFFFFF, offset=0)),
        (tfhd(1, 0x20001, (1 << 64) - 1, layout="Q"), trun(1)),
    ],
)
def test_fragments_that_lie(traf):
    data = beginning(empty(), defaults=[trex(1, 1, 10, 0)]) + moof(traf) + atom(b"mdat", bytes(8))
    with pytest.raises((Damaged, NotSupported)):
        opened(data).index()


def test_a_run_of_billions_of_samples_that_weigh_nothing():
    data = beginning(empty(), defaults=[trex(1, 1, 1, 0)])
    data += fragment(lambda at: [(tfhd(), trun(0xFFFFFFF0, offset=at))], bytes(8))
    with pytest.raises(NotSupported, match="4294967280 samples"):
        opened(data).index()


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 9), st.booleans(), st.integers(0, 60)), max_size=5),
             min_size=1, max_size=5),
    st.sampled_from([0x100, 0x200, 0x400, 0x800, 0x300, 0xF00, 0xB00, 0]),
)  # fmt: skip
def test_fragments_equal_a_loop_over_their_samples(fragments, flags):
    """Each sample is (duration, size, sync, shift); what `flags` leave out is that of the defaults."""
    data = beginning(empty(entry=AVC), defaults=[trex(1, 1, 7, 3, NON_SYNC)])
    wanted, clock = [], 0
    for samples in fragments:
        fields = []
        for duration, size, sync, shift in samples:
            values = {0x100: duration, 0x200: size, 0x400: 0 if sync else NON_SYNC, 0x800: shift}
            fields += [values[bit] for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
        sizes = [size if flags & 0x200 else 3 for _, size, _, _ in samples]
        run = (len(samples), flags, *fields)
        data += fragment(lambda at, run=run: [(tfhd(), trun(*run, offset=at))], bytes(sum(sizes)))
        place = len(data) - sum(sizes)
        for (duration, _, sync, shift), size in zip(samples, sizes, strict=True):
            shown = clock + (shift if flags & 0x800 else 0)
            wanted.append((place, size, shown, sync if flags & 0x400 else False))
            place += size
            clock += duration if flags & 0x100 else 7
    if not wanted:
        return
    index = opened(data).index()
    first = min(row[2] for row in wanted)
    assert rows(index) == [(place, size, shown - first, sync) for place, size, shown, sync in wanted]
