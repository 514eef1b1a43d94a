"""Edit lists: what is shown, when, and how many frames that makes."""

import math
from fractions import Fraction

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.core.errors import Damaged, NotSupported
from tests.media.mov_building import elst, full, movie, opened, pcm, picture_entry, table, video


def edited(*edits, frames=12, timescale=24, movie_timescale=24, version=0, **changes):
    plan = video(frames, 3, timescale=timescale, edits=elst(*edits, version=version), **changes)
    return opened(movie(plan, timescale=movie_timescale))


def numbers(file):
    """Which frames of the media are shown; `video` fills each with its own number and one."""
    index = file.index()
    return [file.source.read_at(index.frame(n).offset, 1)[0] - 1 for n in range(index.frames)]


def test_a_trim_shows_its_frames_and_keeps_the_others_hidden():
    file = edited((5, 3))
    index = file.index()
    assert numbers(file) == [3, 4, 5, 6, 7]
    assert len(index.video) == 12
    assert index.video.times.tolist() == list(range(-3, 9))
    assert index.video.end == 5
    assert index.seconds == Fraction(5, 24)


@pytest.mark.parametrize("version", [0, 1])
def test_a_duration_of_zero_or_of_all_ones_is_the_rest(version):
    ones = (1 << (64 if version else 32)) - 1
    for duration in (0, ones):
        assert numbers(edited((duration, 4), version=version)) == [4, 5, 6, 7, 8, 9, 10, 11]


def test_several_edits_follow_each_other():
    file = edited((3, 6), (2, 1), (4, 8))
    index = file.index()
    assert numbers(file) == [6, 7, 8, 1, 2, 8, 9, 10, 11]
    assert index.video.end == 9
    assert not index.vfr
    assert any("3 parts" in note for note in file.facts().diagnostics)


def test_edits_of_long_gop_bring_what_decoding_needs():
    index = edited((2, 5), (2, 9), entries=[picture_entry(b"avc1")],
                   tables={b"stss": table(b"stss", 1, 5, 9)}).index()  # fmt: skip
    assert index.frames == 4
    shown = [index.frame(n).position for n in range(4)]
    # Keyframes of the media are 0, 4, 8: part one is 4 5 6, part two 8 9 10.
    assert len(index.video) == 6
    assert shown == [1, 2, 4, 5]
    assert [index.keyframe_before(n).position for n in range(4)] == [0, 0, 3, 3]
    assert index.video.times[[0, 3]].tolist() == [-1, -1]


def test_an_empty_edit_delays_and_times_count_from_the_first_frame():
    picture = video(12, 3, edits=elst((12, -1), (12, 0)))
    sound = pcm(48000, 12000, edits=b"")
    file = opened(movie(picture, sound, timescale=24))
    index = file.index()
    assert index.video.times.tolist() == list(range(12))
    assert index.audio[0].packets.times.tolist() == [-24000, -12000, 0, 12000]
    assert any("the picture begins 0.5 s into the presentation" in note for note in file.facts().diagnostics)


def test_sound_that_is_delayed_keeps_its_distance():
    sound = pcm(2400, 600, edits=elst((150, -1), (30, 0)))
    index = opened(movie(video(12), sound, timescale=600)).index()
    assert index.audio[0].packets.times.tolist() == [12000, 12600, 13200, 13800]
    assert index.audio[0].packets.end == 14400


def test_pcm_is_cut_to_the_sample():
    sound = pcm(200, 60, edits=elst((100, 70), version=1))
    file = opened(movie(sound, timescale=48000))
    (track,) = file.index().audio
    data = movie(sound, timescale=48000)
    heard = b"".join(
        data[o : o + s] for o, s in zip(track.packets.offsets.tolist(), track.packets.sizes.tolist(), strict=True)
    )
    assert [int.from_bytes(heard[n : n + 4], "big") for n in range(0, len(heard), 4)] == list(range(70, 170))
    assert track.packets.times.tolist() == [0, 50]
    assert track.packets.end == 100
    assert file.facts().audio[0].samples == 100


def test_pcm_of_several_edits():
    sound = pcm(200, 60, edits=elst((20, 110), (10, 5)))
    data = movie(sound, timescale=48000)
    (track,) = opened(data).index().audio
    heard = b"".join(
        data[o : o + s] for o, s in zip(track.packets.offsets.tolist(), track.packets.sizes.tolist(), strict=True)
    )
    samples = [int.from_bytes(heard[n : n + 4], "big") for n in range(0, len(heard), 4)]
    assert samples == [*range(110, 130), *range(5, 15)]
    assert track.packets.times.tolist() == [0, 10, 20]


@pytest.mark.parametrize("movie_timescale", [600, 1000, 90000, 24000])
@pytest.mark.parametrize("rounding", [int, round, math.ceil], ids=["floor", "nearest", "ceil"])
def test_rounding_to_the_movie_s_clock_neither_adds_nor_loses_a_frame(movie_timescale, rounding):
    for count in range(1, 60):
        duration = rounding(Fraction(count * 1001 * movie_timescale, 24000))
        file = edited((duration, 2 * 1001), frames=70, stts=[(70, 1001)], timescale=24000,
                      movie_timescale=movie_timescale)  # fmt: skip
        assert numbers(file) == list(range(2, 2 + count)), (count, duration)
        assert file.index().seconds == Fraction(count * 1001, 24000)
        assert file.index().rate == Fraction(24000, 1001)


@pytest.mark.parametrize("into", [1, 50, 70])
def test_a_trim_within_a_frame_changes_no_cadence(into):
    """The first frame keeps its whole length: times count from its begin, and sound comes so much later."""
    sound = pcm(2400, 600, edits=elst((600, 200 + into)))
    sound.timescale = 2400
    file = edited((600, 200 + into), stts=[(12, 100)], timescale=2400, movie_timescale=2400)
    index = file.index()
    assert numbers(file) == [2, 3, 4, 5, 6, 7] + [8] * (into > 0)
    assert [index.frame(n).time for n in range(7)] == [0, 100, 200, 300, 400, 500, 600]
    assert index.video.end == 600 + into
    assert (index.vfr, index.rate) == (False, 24)


def test_sound_stays_beside_a_picture_that_is_trimmed_within_a_frame():
    picture = video(12, stts=[(12, 100)], timescale=2400, edits=elst((600, 250)))
    index = opened(movie(picture, pcm(48000, 12000, edits=elst((600, 0))), timescale=2400)).index()
    assert index.video.times[index.shown[0]] == 0
    assert index.audio[0].packets.times[0] == 1000, "50 ticks of 2400 behind the frame's begin"


def test_the_rate_of_parts_that_begin_within_frames_is_their_own():
    """Nearer to 30 than to 29.97 by their average, but every whole frame says 29.97."""
    edits = [(60_060 - 400, 1001 * 10 + 400), (60_060, 1001 * 200)]
    file = edited(*edits, frames=400, stts=[(400, 1001)], timescale=30_000, movie_timescale=30_000)
    assert (file.index().rate, file.index().frames) == (Fraction(30_000, 1001), 120)


@settings(max_examples=150)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=10),
    st.lists(st.tuples(st.integers(1, 12), st.integers(-1, 30)), min_size=1, max_size=5),
)
def test_what_is_shown_equals_looking_at_every_tick(lengths, edits):
    """The movie's clock is finer than the track's, so that nothing is rounded: a frame is shown if some tick shows it."""
    at_tick = [number for number, length in enumerate(lengths) for _ in range(length)]
    presented: list[int | None] = []
    borders = {0}
    for duration, media in edits:
        shown = [None] * duration if media == -1 else at_tick[media : media + duration]
        presented += shown + [None] * (duration - len(shown))
        borders.add(len(presented))
    while presented and presented[-1] is None:
        presented.pop()
    if all(media == -1 for _, media in edits):
        return  # an edit list that shows nothing is not believed
    plan = video(len(lengths), 2, stts=[(1, length) for length in lengths], timescale=1000)
    plan.edits = elst(*((10 * duration, media) for duration, media in edits))
    file = opened(movie(plan, timescale=10_000))
    index = file.index()
    if all(number is None for number in presented):
        assert index.frames == 0
        return
    first = next(n for n, number in enumerate(presented) if number is not None)
    before = 0  # of the first frame, how much lies before its edit: it keeps its whole length
    at = 0
    for duration, media in edits:
        if at <= first < at + duration:
            tick = media + first - at
            before = tick - at_tick.index(at_tick[tick])
        at += duration
    wanted = []
    for tick, number in enumerate(presented):
        if number is not None and (tick == first or presented[tick - 1] != number or tick in borders):
            wanted.append((number, 0 if tick == first else tick - first + before))
    assert list(zip(numbers(file), index.video.times[index.shown].tolist(), strict=True)) == wanted
    assert index.video.end == len(presented) - first + before


@pytest.mark.parametrize("rate", [0, 1 << 15, 2 << 16, -(1 << 16)])
def test_other_speeds_are_refused(rate):
    file = opened(movie(video(edits=elst((6, 0), rate=rate))))
    with pytest.raises(NotSupported, match="times its speed by its edit list"):
        file.index()


def test_an_edit_list_that_shows_nothing_is_noted_and_the_media_shown():
    file = edited((12, -1))
    assert file.index().frames == 12
    assert any("its edit list shows nothing" in note for note in file.facts().diagnostics)


def test_an_edit_of_what_is_not_there_is_passed_over():
    file = edited((5, 40), (3, 1))
    assert numbers(file) == [1, 2, 3]
    assert any("shows what is not there" in note for note in file.facts().diagnostics)
    nothing = edited((5, 40))
    assert nothing.index().frames == nothing.facts().frames == 0


@pytest.mark.parametrize(
    "lie",
    [
        full(b"elst", b"\0\0\0\x02" + bytes(12)),
        elst((5, -7)),
        elst((1 << 61, 0), version=1),
        elst((5, 1 << 61), version=1),
        elst(*[((1 << 60) - 1, 0)] * 3, version=1),
    ],
)
def test_edit_lists_that_lie(lie):
    with pytest.raises((Damaged, NotSupported)):
        opened(movie(video(edits=lie), timescale=1)).index()


def test_thousands_of_edits():
    with pytest.raises(NotSupported, match="10001 edits"):
        edited(*[(1, 0)] * 10_001)
    assert edited(*[(1, n % 12) for n in range(9_999)]).index().frames == 9_999
