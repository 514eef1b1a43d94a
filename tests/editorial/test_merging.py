"""Timelines and EDLs that two sides changed: merged where at most one moved anything in time, refused with reasons elsewhere."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from film_archive.editorial.merging import can_be_merged, merge_documents


def clip(name: str, frames: int, start: int = 0) -> dict[str, Any]:
    def time(value: int) -> dict[str, Any]:
        return {"OTIO_SCHEMA": "RationalTime.1", "rate": 24.0, "value": float(value)}

    return {
        "OTIO_SCHEMA": "Clip.2",
        "metadata": {},
        "name": name,
        "source_range": {"OTIO_SCHEMA": "TimeRange.1", "duration": time(frames), "start_time": time(start)},
        "effects": [],
        "markers": [],
        "enabled": True,
        "media_references": {
            "DEFAULT_MEDIA": {"OTIO_SCHEMA": "ExternalReference.1", "metadata": {}, "name": "", "target_url": f"{name}.mov"}
        },
        "active_media_reference_key": "DEFAULT_MEDIA",
    }


def track(name: str, kind: str, *clips: dict[str, Any]) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "Track.1", "metadata": {}, "name": name, "source_range": None, "kind": kind, "children": list(clips)}


def cut() -> dict[str, Any]:
    """A cut with two tracks of pictures and one of sound."""
    tracks = [
        track("V1", "Video", clip("a", 24), clip("b", 48), clip("c", 12)),
        track("V2", "Video", clip("x", 84)),
        track("A1", "Audio", clip("s", 84)),
    ]
    stack = {"OTIO_SCHEMA": "Stack.1", "metadata": {}, "name": "tracks", "source_range": None, "children": tracks}
    return {"OTIO_SCHEMA": "Timeline.1", "metadata": {}, "name": "cut", "global_start_time": None, "tracks": stack}


Edit = Callable[[dict[str, Any]], object]


def edited(*edits: Edit) -> dict[str, Any]:
    made = copy.deepcopy(cut())
    for edit in edits:
        edit(made)
    return made


def tracks(document: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["tracks"]["children"]
    return found


def relink(track_at: int, at: int, url: str) -> Edit:
    def edit(document: dict[str, Any]) -> None:
        tracks(document)[track_at]["children"][at]["media_references"]["DEFAULT_MEDIA"]["target_url"] = url

    return edit


def drop(track_at: int, at: int) -> Edit:
    return lambda document: tracks(document)[track_at]["children"].pop(at)


def trim(track_at: int, at: int, frames: int) -> Edit:
    def edit(document: dict[str, Any]) -> None:
        tracks(document)[track_at]["children"][at]["source_range"]["duration"]["value"] = float(frames)

    return edit


def slip(track_at: int, at: int) -> Edit:
    def edit(document: dict[str, Any]) -> None:
        tracks(document)[track_at]["children"][at]["source_range"]["start_time"]["value"] += 5.0

    return edit


def note(program: str, text: str) -> Edit:
    return lambda document: document["metadata"].__setitem__(program, {"note": text})


def swap(document: dict[str, Any]) -> None:
    tracks(document).insert(0, tracks(document).pop(1))


def add_track(document: dict[str, Any]) -> None:
    tracks(document).append(track("A2", "Audio", clip("music", 84)))


def merged(source: dict[str, Any], target: dict[str, Any]) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    done = merge_documents("Cut.OTIO", *(json.dumps(one).encode() for one in (cut(), source, target)))
    return (None if done.data is None else json.loads(done.data)), done.reasons


ON_BOTH = [relink(0, 0, "a_v2.mov"), drop(2, 0)]


@pytest.mark.parametrize(
    ("theirs", "ours", "both"),
    [
        ([relink(0, 0, "a_v2.mov")], [relink(0, 1, "b_v2.mov")], []),
        ([relink(0, 0, "a_v2.mov"), slip(2, 0)], [relink(1, 0, "x_v2.mov")], []),
        ([drop(0, 1)], [relink(1, 0, "x_v2.mov")], []),
        ([relink(2, 0, "mix.wav")], [trim(0, 2, 10), drop(0, 0)], []),
        ([note("baselight", "graded")], [note("nuke", "comped"), slip(0, 1)], []),
        ([], [slip(1, 0)], ON_BOTH),
        ([add_track], [], []),
    ],
)
def test_what_each_side_changed_is_kept(theirs: list[Edit], ours: list[Edit], both: list[Edit]) -> None:
    source, target, expected = edited(*both, *theirs), edited(*both, *ours), edited(*both, *ours, *theirs)
    for one, other in ((source, target), (target, source)):
        assert merged(one, other) == (expected, ())


@pytest.mark.parametrize(
    ("theirs", "ours", "reason"),
    [
        ([drop(0, 1)], [trim(1, 0, 80)], "both sides changed the length or order"),
        ([drop(0, 1)], [relink(0, 0, "a_v2.mov")], "one side changed the length or order of what is on .*V1"),
        ([relink(0, 0, "a_v2.mov")], [relink(0, 0, "a_v3.mov")], r"both sides changed timeline\.tracks/1 \(V1\)/1 \(a\)"),
        ([relink(0, 0, "a_v2.mov")], [slip(0, 0)], r"both sides changed timeline\.tracks/1 \(V1\)/1 \(a\)"),
        ([note("nuke", "one")], [note("nuke", "two")], r"both sides changed timeline\.metadata\.nuke"),
        ([add_track], [relink(0, 0, "a_v2.mov")], "length or order"),
        ([swap], [relink(0, 0, "a_v2.mov")], "length or order|both sides"),
    ],
)
def test_what_is_not_sound_is_not_merged(theirs: list[Edit], ours: list[Edit], reason: str) -> None:
    for source, target in ((theirs, ours), (ours, theirs)):
        found, reasons = merged(edited(*source), edited(*target))
        assert found is None
        assert any(re.search(reason, each) for each in reasons), reasons


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "can't be read"),
        (b"[" * 100_000, "can't be read"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b"\xff", "can't be read"),
        (b'{"OTIO_SCHEMA": "Clip.2"}', "not all sides are timelines"),
        (b'{"OTIO_SCHEMA": "Timeline.1", "tracks": {"OTIO_SCHEMA": "SerializableObjectRef.1", "id": "x"}}', "references"),
    ],
)
def test_what_is_no_timeline_is_not_merged(data: bytes, reason: str) -> None:
    good = json.dumps(cut()).encode()
    done = merge_documents("cut.otio", good, data, good)
    assert done.data is None
    assert reason in done.reasons[0]


def test_what_is_merged_is_read_by_the_library() -> None:
    otio = pytest.importorskip("opentimelineio")
    found, _ = merged(edited(relink(0, 0, "a_v2.mov")), edited(drop(2, 0)))
    timeline = otio.adapters.read_from_string(json.dumps(found), "otio_json")
    assert [each.media_reference.target_url for each in timeline.find_clips()] == ["a_v2.mov", "b.mov", "c.mov", "x.mov"]
    assert timeline.tracks[0].range_of_child_at_index(1).start_time.value == 24


EDL = (
    b"TITLE: CUT\r\nFCM: NON-DROP FRAME\r\n\r\n"
    b"001  A001     V     C        01:00:00:00 01:00:02:00 01:00:00:00 01:00:02:00\r\n* FROM CLIP NAME: A.MOV\r\n"
    b"002  A002     V     C        02:00:00:00 02:00:01:00 01:00:02:00 01:00:03:00\r\n* FROM CLIP NAME: B.MOV\r\n"
)


def test_events_of_an_edl_are_each_sides_own() -> None:
    source = EDL.replace(b"A.MOV", b"A_V2.MOV")
    target = EDL.replace(b"B.MOV", b"B_V2.MOV").replace(b"02:00:00:00 02:00:01:00", b"02:00:00:05 02:00:01:05")
    done = merge_documents("cut.EDL", EDL, source, target)
    assert done.data == target.replace(b"A.MOV", b"A_V2.MOV")
    assert merge_documents("cut.edl", EDL, target, source).data == done.data


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        (EDL.replace(b"A.MOV", b"1"), EDL.replace(b"A.MOV", b"2"), "event 1"),
        (EDL.replace(b"CUT", b"1"), EDL.replace(b"CUT", b"2"), "before the first event"),
        (EDL.replace(b"01:00:03:00\r", b"01:00:04:00\r"), EDL.replace(b"A.MOV", b"2"), "record time"),
        (EDL[: EDL.index(b"002")], EDL.replace(b"A.MOV", b"2"), "record time"),
    ],
)
def test_an_edl_that_moved_in_time_is_not_merged(source: bytes, target: bytes, reason: str) -> None:
    done = merge_documents("cut.edl", EDL, source, target)
    assert done.data is None
    assert reason in done.reasons[0]


def test_other_names_are_not_merged() -> None:
    assert [can_be_merged(name) for name in ("a.otio", "A.EDL", "a.otioz", "otio", "a.mov")] == [True, True, False, False, False]
