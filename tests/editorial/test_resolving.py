"""What labels count to: real lists against ground truth, speeds and transitions by hand."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from film_archive.core.errors import InvalidTimecode, RateUnknown
from film_archive.core.timecode import FrameRate, RateLike
from film_archive.editorial.edl import read_edl
from film_archive.editorial.resolving import AS_NORMAL, AS_PLAYED, NEITHER, Resolved, resolve, span_of
from tests.editorial.corpus import CORPUS, TRUTH, needs_corpus

FILM = FrameRate(24)
NTSC = FrameRate(30000, 1001)


@needs_corpus
def test_real_lists_count_to_what_they_are_known_to_count() -> None:
    speeds = 0
    for file in sorted(TRUTH.glob("*.json")):
        truth = json.loads(file.read_text("utf-8"))
        nominal = truth["nominal_rate"]
        rate = FrameRate(nominal * 1000, 1001) if truth["drop"] else FrameRate(nominal)
        events = resolve(read_edl((CORPUS / "edl" / truth["file"]).read_bytes()), rate)
        for event, expected in zip(events, truth["events"], strict=True):
            where = f"{file.name} line {expected['line']}"
            assert event.source is not None, where
            assert event.record is not None, where
            assert event.source.count == expected["source_frames"], where
            assert event.record.count == expected["record_frames"], where
            assert event.source.crosses_midnight == expected.get("source_wraps_midnight", False), where
            assert event.written == expected.get("source_range_written"), where
            if event.event.speed is not None:
                speeds += 1
                assert float(event.speed) == pytest.approx(expected["speed_ratio"], abs=1e-6), where
                needed = float(event.record.count * abs(event.speed))
                assert needed == pytest.approx(expected["source_frames_needed_at_speed"], abs=1e-3), where
        found = [f"line {each.event.line}: {p}" for each in events for p in each.problems if p.endswith("without M2")]
        assert len(found) == truth["n_warnings"], file.name
        assert set(truth["warnings_expected"]) <= set(found), file.name
    assert speeds == 48


def events(text: str, rate: RateLike = 24) -> list[Resolved]:
    return list(resolve(read_edl(text), rate))


def needed(text: str, rate: RateLike = 24) -> list[tuple[str, int] | None]:
    """The first frame and count of what each event needs."""
    spans = [each.needed for each in events(text, rate)]
    return [None if span is None else (str(span.start_label), span.count) for span in spans]


def test_a_list_has_no_rate() -> None:
    with pytest.raises(RateUnknown, match="--rate"):
        resolve(read_edl("001 01:00:00:00 01:00:01:00"))


@pytest.mark.parametrize(
    ("first", "end", "rate", "drop", "frames"),
    [
        ("01:00:00:00", "01:00:01:00", FILM, None, 24),
        ("00:00:59;28", "00:01:00;02", NTSC, None, 2),
        ("00:00:59:28", "00:01:00:02", NTSC, None, 4),
        ("00:00:59:28", "00:01:00:02", NTSC, True, 2),
        ("00:00:59;28", "00:01:00:02", NTSC, None, 2),
        ("00:00:59;28", "00:01:00;02", NTSC, False, 4),
        ("23:59:59:00", "00:00:01:00", FILM, None, 48),
        ("23:59:59:00", "24:00:00:00", FILM, None, 24),
        ("86400", "86410", FILM, None, 10),
        ("00:00:00;00", "00:00:01;00", FILM, None, 24),
    ],
)
def test_spans(first: str, end: str, rate: FrameRate, drop: bool | None, frames: int) -> None:
    span, _ = span_of(first, end, rate, drop)
    assert span.count == frames


def test_a_span_over_midnight() -> None:
    span, _ = span_of("23:59:59:12", "00:00:00:12", FILM, None)
    assert (span.crosses_midnight, str(span.start_label), str(span.end_label)) == (True, "23:59:59:12", "00:00:00:12")
    span, _ = span_of("23:59:59:12", "24:00:00:00", FILM, None)
    assert (span.crosses_midnight, str(span.end_label)) == (False, "24:00:00:00")


@pytest.mark.parametrize(
    ("first", "end", "rate"),
    [
        *(
            ("01:00:00:24", "01:00:01:00", FILM),
            ("00:01:00;00", "00:02:00;02", NTSC),
            ("01:00:01:00", "01:00:00:00", FILM),
        ),
        *(("24:00:00:00", "00:00:01:00", FILM), ("5", "4", FILM), ("5", "01:00:00:00", FILM)),
    ],
)
def test_spans_that_do_not_exist(first: str, end: str, rate: FrameRate) -> None:
    with pytest.raises(InvalidTimecode):
        span_of(first, end, rate, None)


def test_what_does_not_exist_is_said_and_the_rest_read() -> None:
    one, two = events(
        "001 R V C 01:00:00:24 01:00:01:00 10:00:00:00 10:00:01:00\n002 R V C 01:00:00:00 01:00:01:00 25:00:00:00 25:00:01:00"
    )
    assert (one.source, one.needed, one.has_media) == (None, None, False)
    assert one.record is not None
    assert one.problems[0].startswith("source: 01:00:00:24 is not a timecode at 24")
    assert two.record is None
    assert two.has_media
    assert two.problems[0].startswith("record: 25:00:00:00")


def test_frame_code_modes_count_both_sides() -> None:
    line = "001 R V C 00:00:59{0}28 00:01:00{0}02 01:00:59{1}28 01:01:00{1}02\n"
    counts = []
    for mode in ("", "FCM: DROP FRAME\n", "FCM: NON-DROP FRAME\n"):
        for source, record in ((":", ":"), (":", ";"), (";", ";")):
            (event,) = events(mode + line.format(source, record), NTSC)
            assert event.source is not None
            assert event.record is not None
            counts.append((event.source.count, event.record.count))
    assert counts == [(4, 4), (4, 2), (2, 2), (2, 2), (2, 2), (2, 2), (4, 4), (4, 2), (2, 2)]
    (asked,) = events(line.format(";", ";"), "29.97ndf")
    assert asked.source is not None
    assert asked.source.count == 4
    (film,) = events("FCM: DROP FRAME\n001 R V C 00:00:59:20 00:01:00:02 01:00:59:20 01:01:00:02\n", 24)
    assert film.source is not None
    assert film.source.count == 6


CUT = "001 R V C 01:00:10:00 {} 10:00:00:00 10:00:02:00\nM2 R {} 01:00:10:00\n"


@pytest.mark.parametrize(
    ("out", "per_second", "written", "expected"),
    [
        ("01:00:14:00", "048.0", AS_PLAYED, ("01:00:10:00", 96)),
        ("01:00:12:00", "048.0", AS_NORMAL, ("01:00:10:00", 96)),
        ("01:00:13:00", "048.0", NEITHER, ("01:00:10:00", 96)),
        ("01:00:11:00", "012.0", AS_PLAYED, ("01:00:10:00", 24)),
        ("01:00:12:00", "012.0", AS_NORMAL, ("01:00:10:00", 24)),
        ("01:00:12:00", "031.7", AS_NORMAL, ("01:00:10:00", 64)),
        ("01:00:10:01", "000.0", AS_PLAYED, ("01:00:10:00", 1)),
        ("01:00:12:00", "000.0", AS_PLAYED, ("01:00:10:00", 1)),
        ("01:00:10:01", "-024.0", NEITHER, ("01:00:08:00", 50)),
        ("01:00:12:00", "-024.0", AS_PLAYED, ("01:00:08:00", 96)),
    ],
)
def test_frames_that_a_speed_takes(out: str, per_second: str, written: str, expected: tuple[str, int]) -> None:
    text = CUT.format(out, per_second)
    (event,) = events(text)
    assert (event.written, event.speed) == (written, Fraction(per_second) / 24)
    assert needed(text) == [expected]


def test_a_transition_shows_more_of_what_goes_out() -> None:
    first = "001 A V C 01:00:00:00 01:00:02:00 10:00:00:00 10:00:02:00\n"
    repeat = "002 A V C 01:00:02:00 01:00:02:00 10:00:02:00 10:00:02:00\n"
    dissolve = "002 B V D 024 02:00:00:00 02:00:03:00 10:00:02:00 10:00:05:00\n"
    assert needed(first + repeat + dissolve) == [("01:00:00:00", 72), ("01:00:02:00", 0), ("02:00:00:00", 72)]
    assert [each.continues for each in events(first + repeat + dissolve)] == [None, 0, None]
    assert needed(first + dissolve) == [("01:00:00:00", 72), ("02:00:00:00", 72)]
    assert needed(repeat + dissolve) == [("01:00:02:00", 24), ("02:00:00:00", 72)]
    sound = "002 B A D 024 02:00:00:00 02:00:03:00 10:00:02:00 10:00:05:00\n"
    assert needed(first + sound) == [("01:00:00:00", 48), ("02:00:00:00", 72)]


def test_a_transition_shows_more_at_the_speed_of_what_goes_out() -> None:
    text = (
        "001 FOO V C 01:00:00:00 01:00:27:14 01:00:00:00 01:00:27:14\n"
        "001 BL V D 025 00:00:00:00 00:00:01:00 01:00:27:14 01:00:28:14\nM2 FOO 035.0 01:00:00:00\n"
    )
    assert needed(text, 25) == [("01:00:00:00", 1000), ("00:00:00:00", 25)]
    assert [each.has_media for each in events(text, 25)] == [True, False]
    still = text.replace("035.0", "000.0")
    assert needed(still, 25)[0] == ("01:00:00:00", 1)


def test_sound_without_timecode_takes_nothing() -> None:
    (event,) = events("001 W A C 00:00:00:00 00:00:00:00 10:00:00:00 10:00:08:00")
    assert not event.has_media
    assert event.problems == ("source 0 f != record 192 f without M2",)
