"""Lists written as EDL, ALE, CSV and OTIO, and read again."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from film_archive.core.timecode import RateLike
from film_archive.editorial.ale import read_ale
from film_archive.editorial.edl import read_edl
from film_archive.editorial.edl_writing import write_edl
from film_archive.editorial.event import EditList, Event
from film_archive.editorial.fcpxml import read_fcpxml
from film_archive.editorial.otio_events import read_otio
from film_archive.editorial.otio_writing import write_otio
from film_archive.editorial.pull_list import read_pull_list
from film_archive.editorial.reading import read_list
from film_archive.editorial.resolving import ResolvedList, resolve
from film_archive.editorial.table_writing import write_ale, write_csv
from tests.editorial.corpus import CORPUS, TRUTH, needs_corpus, real_lists


def said(export: Any) -> list[str]:
    return [each.what for each in export.diagnostics]


def real_edls() -> list[tuple[str, ResolvedList]]:
    found = []
    for file in sorted(TRUTH.glob("*.json")):
        truth = json.loads(file.read_text("utf-8"))
        rate = Fraction(truth["nominal_rate"] * 1000, 1001) if truth["drop"] else truth["nominal_rate"]
        found.append((file.name, resolve(read_edl((CORPUS / "edl" / truth["file"]).read_bytes()), rate)))
    return found


def unplaced(event: Event) -> Event:
    """An event without its line numbers."""
    speed = event.speed
    return replace(
        event,
        line=0,
        comments=tuple(replace(line, number=0) for line in event.comments),
        speed=None if speed is None else replace(speed, line=None),
    )


# EDL


@needs_corpus
def test_real_edls_are_the_same_when_written_and_read() -> None:
    events = 0
    for name, resolved in real_edls():
        export = write_edl(resolved, reel_width=None)
        again = read_edl(export.data)
        assert [unplaced(event) for event in again] == [unplaced(event) for event in resolved.edits], name
        assert again.title == resolved.edits.title, name
        assert again.diagnostics == (), name
        events += len(again)
    assert events == 1710


LIST = (
    "TITLE: T\n* HEAD\n{}"
    "001  A001C003_A_LONG_NAME V  C  01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12 x\n* FROM CLIP NAME: A\n"
)


def test_what_stands_before_the_first_event_is_kept() -> None:
    resolved = resolve(read_edl(LIST.format("FCM: NON-DROP FRAME\n")), 24)
    assert write_edl(resolved, reel_width=None).data.decode().splitlines() == [
        *("TITLE: T", "* HEAD", "FCM: NON-DROP FRAME"),
        "001  A001C003_A_LONG_NAME V     C        01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12 x",
        "* FROM CLIP NAME: A",
    ]


def test_reels_have_a_width() -> None:
    line = "{}  {} V C 01:00:04:00 01:00:06:12 {} {}\n"
    text = line.format("001", "A001C003 X1", "10:00:00:00", "10:00:02:12") + line.format(
        "002", "A001C003 Y2", "10:00:02:12", "10:00:05:00"
    )
    export = write_edl(resolve(read_edl(text), 24), reel_width=8)
    assert [event.reel for event in read_edl(export.data)] == ["A001C003", "A001C003"]
    assert said(export) == ["event 002: its reel 'A001C003 Y2' becomes 'A001C003', as 'A001C003 X1' did"]
    assert said(write_edl(resolve(read_edl(text), 24), reel_width=32)) == []


def otio_list(rate: RateLike = 24) -> EditList:
    def time(value: float) -> dict[str, Any]:
        return {"OTIO_SCHEMA": "RationalTime.1", "rate": float(rate), "value": value}  # type: ignore[arg-type]

    def span(start: float, frames: float) -> dict[str, Any]:
        return {"OTIO_SCHEMA": "TimeRange.1", "start_time": time(start), "duration": time(frames)}

    def clip(name: str, start: float, frames: float, scalar: float = 1) -> dict[str, Any]:
        media = {
            "OTIO_SCHEMA": "ExternalReference.1",
            "target_url": f"file:///m/{name}.mov",
            "available_range": span(86400, 9999),
        }
        warp = [{"OTIO_SCHEMA": "LinearTimeWarp.1", "time_scalar": scalar}] if scalar != 1 else []
        return {
            "OTIO_SCHEMA": "Clip.1",
            "name": name,
            "media_reference": media,
            "source_range": span(start, frames),
            "effects": warp,
            "metadata": {
                "cmx_3600": {"reel": f"{name}_REEL_OF_A_VERY_LONG_NAME_FOR_A_REEL"},
                "cdl": {"asc_sop": {"slope": [1.1, 1, 1], "offset": [0, 0, 0], "power": [1, 1, 1]}, "asc_sat": 0.9},
            },
            "markers": [{"OTIO_SCHEMA": "Marker.2", "name": "M", "color": "RED", "comment": "fix"}],
        }

    def over(before: float, after: float) -> dict[str, Any]:
        kind = "SMPTE_Dissolve"
        return {
            "OTIO_SCHEMA": "Transition.1",
            "in_offset": time(before),
            "out_offset": time(after),
            "transition_type": kind,
        }

    children = [
        *(
            clip("A", 86410, 48),
            over(6, 10),
            clip("B", 86500, 48, 2),
            {"OTIO_SCHEMA": "Gap.1", "source_range": span(0, 24)},
        ),
        *(clip("C", 86600, 48, -0.51), over(0, 12)),
    ]
    track = {"OTIO_SCHEMA": "Track.1", "kind": "Video", "children": children}
    stack = {"OTIO_SCHEMA": "Stack.1", "children": [track]}
    document = {"OTIO_SCHEMA": "Timeline.1", "name": "T", "global_start_time": time(86400), "tracks": stack}
    return read_otio(json.dumps(document).encode())


def test_a_timeline_as_edl() -> None:
    export = write_edl(resolve(otio_list()), reel_width=32)
    lines = export.data.decode().splitlines()
    reel = "_REEL_OF_A_VERY_LONG_NAME_FOR_A_"
    assert lines[:12] == [
        *("TITLE: T", "FCM: NON-DROP FRAME"),
        f"001  A{reel[:31]} V     C        01:00:00:10 01:00:02:04 01:00:00:00 01:00:01:18",
        *("* FROM CLIP NAME: A", "* SOURCE FILE: A.mov", f"* REEL A{reel[:31]} IS CLIP A{reel}REEL"),
        *("*ASC_SOP (1.1 1 1)(0 0 0)(1 1 1)", "*ASC_SAT 0.9", "* LOC: 01:00:00:00 RED     M fix"),
        f"002  A{reel[:31]} V     C        01:00:02:04 01:00:02:04 01:00:01:18 01:00:01:18",
        f"002  B{reel[:31]} V     D    016 01:00:03:16 01:00:08:04 01:00:01:18 01:00:04:00",
        f"M2   B{reel[:31]}      048.0                01:00:03:16",
    ]
    again = resolve(read_edl(export.data), 24)
    assert [each.needed and each.needed.count for each in again] == [58, 0, 108, 56, 0, 12]
    assert [event.reel_names for event in again.edits][:1] == [(f"A{reel}REEL",)]
    assert said(export) == ["event 003: its speed of -12.24 frames a second is rounded to -12.2"]


def test_a_timeline_as_otio_is_the_same_when_read_again() -> None:
    for rate in (24, 25.0, 23.976023976023978, 30):
        edits = otio_list(rate)
        export = write_otio(resolve(edits))
        again = read_otio(export.data)
        assert [(*row(event), event.speed, event.reel, event.source_file) for event in again] == [
            (*row(event), event.speed, event.reel, event.source_file) for event in edits
        ]
        assert again.rate == edits.rate
        assert said(export) == []


def row(event: Event) -> tuple[Any, ...]:
    source = (event.source_in, event.source_out)
    return (*source, event.record_in, event.record_out, event.transition, event.transition_duration)


@needs_corpus
def test_real_edls_as_otio() -> None:
    """The library reads what we write, and every clip lies where the list has it."""
    otio = pytest.importorskip("opentimelineio")
    clips = 0
    for name, resolved in real_edls():
        export = write_otio(resolved)
        timeline = otio.adapters.read_from_string(export.data.decode(), "otio_json")
        shown = [
            each for each in resolved if each.record and each.source and each.record.count and not each.event.is_black
        ]
        wanted = {
            (each.record.first, each.record.count, each.source.first) for each in shown if each.record and each.source
        }
        start = timeline.global_start_time.value
        found = set()
        for clip in timeline.find_clips():
            placed = clip.range_in_parent()
            first = placed.start_time.value + start
            found.add((first, placed.duration.value, clip.source_range.start_time.value))
            clips += 1
        assert found == wanted, name
    assert clips > 1600


@needs_corpus
def test_our_edls_are_read_by_the_adapter() -> None:
    """Where OpenTimelineIO's own adapter can read an EDL of ours, it sees the same clips."""
    otio = pytest.importorskip("opentimelineio")
    if "cmx_3600" not in otio.adapters.available_adapter_names():
        pytest.skip("otio-cmx3600-adapter is not installed")
    read = 0
    for file in (*real_lists("otio/**/*.otio"), *real_lists("edl/OpenTimelineIO*/*.edl")):
        edits = read_list(file)
        if edits.rate is None:
            edits = replace(edits, rate=None)
        resolved = resolve(edits, edits.rate or 24)
        text = write_edl(resolved).data.decode()
        try:
            timeline = otio.adapters.read_from_string(text, "cmx_3600", rate=float(resolved.counting.rate))
        except Exception:  # noqa: BLE001  it refuses overlaps, keys and what else stands in reference/editorial.md
            continue
        names = {clip.name for clip in timeline.find_clips()}
        simple = [
            each.event for each in resolved if each.event.transition == "C" and each.has_media and not each.event.speed
        ]
        wanted = {event.from_clip_name for event in simple if event.from_clip_name}
        assert wanted <= names, file.name
        read += 1
    assert read > 15


def test_a_list_without_record_is_laid_out() -> None:
    edits = read_pull_list(
        "shot,reel,in,out,speed\nV_010,A,01:00:00:00,01:00:02:00,\nV_020,B,01:00:00:00,01:00:02:00,50%\n"
    )
    export = write_edl(resolve(edits, 24))
    assert said(export) == ["the list has no record side; its events are laid one after the other from 01:00:00:00"]
    again = read_edl(export.data)
    assert [(event.event, event.record_in, event.record_out) for event in again] == [
        ("001", "01:00:00:00", "01:00:02:00"),
        ("002", "01:00:02:00", "01:00:06:00"),
    ]
    assert again.events[0].comments[0].text == "* EVENT: V_010"
    assert [each.written for each in resolve(again, 24)] == [None, "as_played_at_speed"]


def test_what_an_edl_can_not_say() -> None:
    text = """<!DOCTYPE fcpxml><fcpxml><resources><format id="f" frameDuration="1/24s"/><format id="g" frameDuration="1/30s"/>
    <asset id="a" start="0s" duration="99s" hasVideo="1" format="g" src="file:///a.mov"/></resources><project name="P">
    <sequence format="f"><spine><asset-clip ref="a" offset="0s" duration="2s" name="x&#10;y">
    <asset-clip ref="a" lane="1" offset="0s" duration="1s"/></asset-clip></spine></sequence></project></fcpxml>"""
    export = write_edl(resolve(read_fcpxml(text.encode())))
    assert said(export) == [
        "an EDL has one picture track and the list 2; their events lie over each other",
        "event 001: its source counts at 30, and an EDL has one rate (24)",
        "event 002: its source counts at 30, and an EDL has one rate (24)",
    ]
    assert "* FROM CLIP NAME: x y" in export.data.decode().splitlines()


@needs_corpus
def test_every_real_list_can_be_written() -> None:
    """Whatever it was read from: what is written is read again without a line that can't be read."""
    otio = pytest.importorskip("opentimelineio")
    kinds = set()
    for file in (*real_lists("fcpxml/**/*.fcpxml"), *real_lists("otio/**/*.otio"), *real_lists("ale/**/*.ale")):
        edits = read_list(file)
        resolved = resolve(edits, edits.rate or 24)
        kinds.add(edits.format)
        shown = sum(1 for each in resolved if each.record is None or each.record.count)
        for write, read in ((write_edl, read_edl), (write_csv, read_pull_list), (write_ale, read_ale)):
            again = read(write(resolved).data)  # type: ignore[operator]
            assert [each for each in again.diagnostics if each.text is not None] == [], file.name
        written = write_otio(resolved).data
        timeline = otio.adapters.read_from_string(written.decode(), "otio_json")
        clips = len(list(timeline.find_clips()))
        assert clips >= sum(
            1 for each in resolved if not each.event.is_black and (each.record is None or each.record.count)
        )
        assert len(read_otio(written)) >= shown, file.name
        tracks = [track.kind for track in timeline.tracks]
        assert tracks == sorted(tracks, reverse=True), file.name
    assert kinds == {"fcpxml", "otio", "ale"}


# Tables


@needs_corpus
def test_real_edls_as_csv_are_the_same_when_read_again() -> None:
    for name, resolved in real_edls():
        export = write_csv(resolved)
        again = resolve(read_pull_list(export.data), resolved.counting.rate)
        assert again.edits.diagnostics == (), name
        for one, other in zip(resolved, again, strict=True):
            assert row(one.event) == row(other.event), name
            assert (one.speed, one.event.reel, one.event.from_clip_name) == (
                other.speed,
                other.event.reel,
                other.event.from_clip_name,
            )
            assert one.event.color == other.event.color


@needs_corpus
def test_real_edls_as_ale_are_the_same_when_read_again() -> None:
    for name, resolved in real_edls():
        export = write_ale(resolved)
        again = read_ale(export.data)
        assert again.rate == resolved.counting.rate, name
        assert again.diagnostics == (), name
        shown = [each.event for each in resolved if each.source and each.source.count and not each.event.is_black]
        assert [(event.source_in, event.source_out, event.source_file, event.color) for event in again] == [
            (event.source_in, event.source_out, event.source_file, event.color) for event in shown
        ], name
        assert [event.reel for event in again] == [event.reel if event.names_reel else None for event in shown], name


def test_tables_keep_their_shape() -> None:
    edits = read_pull_list('reel,in,out,clip,notes\n"A\tB",01:00:00:00,01:00:02:00,"x\ny","1\n2, ""3"""\n')
    (ale,) = read_ale(write_ale(resolve(edits, 25)).data)
    assert (ale.reel, ale.from_clip_name) == ("A B", "x y")
    (table,) = read_pull_list(write_csv(resolve(edits, 25)).data)
    assert (table.from_clip_name, table.comments[0].text, table.source_rate) == ("x\ny", '1\n2, "3"', 25)


def test_what_an_ale_can_not_say() -> None:
    resolved = resolve(otio_list())
    assert said(write_ale(resolved)) == [
        "an ALE has no record side; the order and place of events is lost",
        "event 001: its markers are lost",
        *("event 002: its speed is lost", "event 002: its transition is lost", "event 002: its markers are lost"),
        *("event 003: its speed is lost", "event 003: its markers are lost"),
        "event 004: it shows no media; it is left out",
    ]
