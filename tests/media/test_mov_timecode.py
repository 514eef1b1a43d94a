"""Timecode tracks: start, reel, breaks, and the ways in which writers say how they count."""

import struct
from fractions import Fraction

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.timecode import FrameRate, Timecode
from tests.media.mov_building import (
    atom,
    elst,
    full,
    movie,
    opened,
    pcm,
    refers,
    table,
    timecode,
    timecode_entry,
    video,
)


def clip(track, picture=None, **changes):
    return opened(movie(picture or video(12, in_trak=[refers(3)]), track, **changes))


def start_of(file):
    facts = file.facts()
    return None if facts.start_timecode is None else str(facts.start_timecode)


RATES = [
    # timescale, duration, labels a second, flags, what it means
    (24000, 1001, 24, 0, FrameRate(24000, 1001)),
    (2398, 100, 24, 0, FrameRate(24000, 1001)),
    (23976, 1000, 24, 2, FrameRate(24000, 1001)),
    (2400, 100, 24, 0, FrameRate(24, 1)),
    (12800, 512, 25, 2, FrameRate(25, 1)),
    (2997, 100, 30, 1, FrameRate(30000, 1001)),
    (29970, 1000, 30, 3, FrameRate(30000, 1001)),
    (30000, 1001, 30, 1, FrameRate(30000, 1001)),
    (600, 20, 30, 1, FrameRate(30, 1)),
    (60000, 2002, 30, 1, FrameRate(30000, 1001)),
    (60000, 1001, 60, 1, FrameRate(60000, 1001)),
    (5994, 100, 60, 0, FrameRate(60000, 1001)),
    (120, 1, 120, 1, FrameRate(120, 1)),
    (24000, 1001, 0, 0, FrameRate(24000, 1001)),
]


@pytest.mark.parametrize(("timescale", "duration", "nominal", "flags", "rate"), RATES)
def test_how_fast_labels_count(timescale, duration, nominal, flags, rate):
    entry = timecode_entry(timescale, duration, nominal, flags)
    facts = clip(timecode([107892 if flags & 1 else 86400], entry)).facts()
    assert facts.start_timecode == Timecode.from_frame(107892 if flags & 1 else 86400, rate, bool(flags & 1))


@pytest.mark.parametrize(
    ("timescale", "duration", "nominal", "rate"),
    [(60000, 1001, 30, FrameRate(30000, 1001)), (50, 1, 25, FrameRate(25, 1)), (90000, 1001, 24, FrameRate(24000, 1001)),
     (100, 1, 25, FrameRate(25, 1)), (77, 1, 24, FrameRate(24, 1))],
)  # fmt: skip
def test_labels_are_believed_over_ticks(timescale, duration, nominal, rate):
    facts = clip(timecode([86400], timecode_entry(timescale, duration, nominal))).facts()
    assert facts.start_timecode is not None
    assert facts.start_timecode.rate == rate
    assert any(f"counts {nominal} labels a second" in note for note in facts.diagnostics)


@given(st.integers(-(1 << 31), (1 << 31) - 1), st.sampled_from(RATES))
def test_every_value_is_a_label_wrapped_to_a_day(value, how):
    timescale, duration, nominal, flags, rate = how
    facts = clip(timecode([value], timecode_entry(timescale, duration, nominal, flags))).facts()
    assert facts.start_timecode == Timecode.from_frame(value, rate, bool(flags & 1))
    day = 24 * 3600 * rate.nominal - (1296 * 2 * rate.nominal // 30 if flags & 1 else 0)
    assert any("outside of a day" in note for note in facts.diagnostics) == (not 0 <= value < day)


def test_drop_frame_where_there_is_none():
    facts = clip(timecode([86400], timecode_entry(24, 1, 24, 1))).facts()
    assert str(facts.start_timecode) == "01:00:00:00"
    assert any("flagged drop-frame at 24" in note for note in facts.diagnostics)


def test_a_tape_counter_is_no_timecode():
    facts = clip(timecode([86400], timecode_entry(24, 1, 24, 8))).facts()
    assert facts.start_timecode is None
    assert any("tape counter" in note for note in facts.diagnostics)


def test_without_ticks_the_picture_s_rate_counts():
    facts = clip(timecode([86400], timecode_entry(0, 0, 24))).facts()
    assert str(facts.start_timecode) == "01:00:00:00"
    assert any("doesn't say how fast" in note for note in facts.diagnostics)
    alone = opened(movie(timecode([86400], timecode_entry(0, 0, 24)))).facts()
    assert alone.start_timecode is None


@pytest.mark.parametrize("pad", [1, 3])
def test_the_reel_s_name_at_either_place(pad):
    facts = clip(timecode([0], timecode_entry(reel=b"A001R1XY", pad=pad))).facts()
    assert (facts.reel, facts.reel_source) == ("A001R1XY", "tmcd track")


def test_a_umid_is_no_reel():
    umid = b"060A2B340101010501010F20130000" + b"0" * 34
    facts = clip(timecode([0], timecode_entry(reel=umid))).facts()
    assert facts.reel is None


def test_reel_in_macroman_and_with_control_signs():
    facts = clip(timecode([0], timecode_entry(reel=b"K\x8amera\x00\x07 1"))).facts()
    assert facts.reel == "Kämera 1"


def test_wide_values():
    plan = timecode([0])
    plan.chunks = [[struct.pack(">q", 86400)]]
    assert start_of(clip(plan)) == "01:00:00:00"


# Edits


def test_a_trim_that_is_only_in_the_edit_lists():
    picture = video(12, in_trak=[refers(3)], edits=elst((7, 5)))
    trimmed = timecode([86400], durations=[12], timescale=24, edits=elst((7, 5)))
    assert start_of(opened(movie(picture, trimmed, timescale=24))) == "01:00:00:05"
    assert start_of(opened(movie(picture, timecode([86400], durations=[12]), timescale=24))) == "01:00:00:00"


def test_a_late_picture_gets_the_label_of_its_moment():
    picture = video(12, in_trak=[refers(3)], edits=elst((24, -1), (12, 0)))
    assert start_of(opened(movie(picture, timecode([86400], durations=[36]), timescale=24))) == "01:00:01:00"


def test_a_delay_for_reordering_is_no_trim():
    """Without an edit list, a first frame that is late is meant for the first label."""
    picture = video(6, in_trak=[refers(3)], tables={b"ctts": table(b"ctts", (6, 2))})
    assert start_of(opened(movie(picture, timecode([86400]), timescale=24))) == "01:00:00:00"
    with_edit = video(6, in_trak=[refers(3)], tables={b"ctts": table(b"ctts", (6, 2))}, edits=elst((6, 2)))
    assert start_of(opened(movie(with_edit, timecode([86400]), timescale=24))) == "01:00:00:00"


def test_a_start_between_two_labels_is_the_earlier_and_noted():
    picture = video(24, in_trak=[refers(3)], timescale=60000, stts=[(24, 1001)], edits=elst((0, 0)))
    half = timecode([107892], timecode_entry(30000, 1001, 30, 1), [24024], timescale=60000, edits=elst((0, 1001)))
    file = opened(movie(picture, half, timescale=60000))
    assert start_of(file) == "01:00:00;00"
    assert file.facts().start_timecode.rate == FrameRate(30000, 1001)
    assert any("starts within a timecode frame" in note for note in file.facts().diagnostics)
    assert any("timecode counts at 29.97, the picture plays at 59.94" in note for note in file.facts().diagnostics)


def test_a_timecode_that_begins_after_the_picture_is_carried_back():
    late = timecode([86400], durations=[6], edits=elst((6, -1), (6, 0)))
    file = opened(movie(video(12, in_trak=[refers(3)], edits=elst((12, 0))), late, timescale=24))
    assert start_of(file) == "00:59:59:18"
    assert any("doesn't cover the first frame" in note for note in file.facts().diagnostics)


# Breaks


def test_stretches_that_go_on_are_no_break():
    facts = clip(timecode([100, 106, 112], durations=[6, 6, 6])).facts()
    assert not any("not continuous" in note for note in facts.diagnostics)


def test_breaks_are_told_with_their_places():
    file = clip(timecode([86400, 90000, 90006, 10], durations=[5, 6, 1, 3]), video(15, in_trak=[refers(3)]))
    assert start_of(file) == "01:00:00:00"
    breaks = file.timecode.breaks
    assert [(b.seconds, str(b.timecode)) for b in breaks] == [
        (Fraction(5, 24), "01:02:30:00"),
        (Fraction(12, 24), "00:00:00:10"),
    ]
    assert any("jumps to 01:02:30:00 after 0.208 s (and 1 more times)" in note for note in file.facts().diagnostics)


def test_a_start_in_a_later_stretch():
    trimmed = timecode([86400, 500], durations=[6, 6], edits=elst((5, 7)))
    picture = video(12, in_trak=[refers(3)], edits=elst((5, 7)))
    file = opened(movie(picture, trimmed, timescale=24))
    assert start_of(file) == str(Timecode.from_frame(501, 24))
    assert file.timecode.breaks == ()


def test_midnight_is_no_break():
    day = 24 * 86400
    facts = clip(timecode([day - 6, 0], durations=[6, 6])).facts()
    assert str(facts.start_timecode) == "23:59:59:18"
    assert not any("not continuous" in note for note in facts.diagnostics)


def test_many_stretches_are_read_up_to_a_limit():
    facts = clip(timecode([100 + n for n in range(10_050)], durations=[1] * 10_050)).facts()
    assert str(facts.start_timecode) == "00:00:04:04"
    assert any("10050 samples; the first 10000 are read" in note for note in facts.diagnostics)


def test_samples_that_are_not_there():
    gone = timecode([86400], tables={b"stco": table(b"stco", 0x7FFFFFFF)})
    facts = clip(gone).facts()
    assert facts.start_timecode is None
    assert any("no timecode that can be read" in note for note in facts.diagnostics)
    short = timecode([86400])
    short.chunks = [[b"\0\1"]]
    assert clip(short).facts().start_timecode is None


# Which track


def test_the_track_that_the_picture_refers_to():
    first, second = timecode([86400], id=3), timecode([172800], id=4)
    file = opened(movie(video(12, in_trak=[refers(4)]), first, second))
    assert start_of(file) == "02:00:00:00"
    assert any("2 timecode tracks; track 4 is used" in note for note in file.facts().diagnostics)


@pytest.mark.parametrize("references", [[], [refers(3)], [refers(1)], [refers(99)], [refers(99, 3)]])
def test_references_that_lead_nowhere_or_to_itself(references):
    file = opened(movie(video(12, in_trak=references), timecode([86400], in_trak=[refers(3)])))
    assert start_of(file) == "01:00:00:00"


def test_sound_with_timecode():
    file = opened(movie(pcm(200, in_trak=[refers(3)]), timecode([86400], timecode_entry(25, 1, 25))))
    assert start_of(file) == "00:57:36:00"
    assert file.facts().frame_rate is None


def test_timecode_in_metadata_when_there_is_no_track():
    text = b"00:10:00:05"
    udta = atom(b"udta", atom(b"\xa9TIM", struct.pack(">HH", len(text), 0x55C4), text))
    facts = opened(movie(video(12), in_moov=(udta,))).facts()
    assert (str(facts.start_timecode), facts.start_source) == ("00:10:00:05", "metadata (©TIM)")
    wrong = atom(b"udta", atom(b"\xa9TIM", struct.pack(">HH", 11, 0x55C4), b"00:10:00:77"))
    facts = opened(movie(video(12), in_moov=(wrong,))).facts()
    assert facts.start_timecode is None
    assert any("'00:10:00:77' is none at 24" in note for note in facts.diagnostics)


def test_an_entry_that_is_too_short_is_damage():
    from film_archive.core.errors import Damaged

    plan = timecode([86400], full(b"tmcd", bytes(8)))
    with pytest.raises(Damaged, match="tmcd"):
        clip(plan).facts()
