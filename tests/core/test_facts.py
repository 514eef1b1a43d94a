"""Facts survive being written down, and hostile facts are refused."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.errors import Damaged
from film_archive.core.facts import AudioFacts, ColorFacts, MediaFacts, frame_ranges
from film_archive.core.timecode import FrameRange, FrameRate, Timecode

FULL = MediaFacts(
    container="mov",
    codec="prores_422",
    profile="422 HQ",
    width=1920,
    height=1080,
    frame_rate=FrameRate(30000, 1001),
    frames=48,
    start_timecode=Timecode(1, 0, 0, 0, 29.97, True),
    start_source="tmcd track",
    reel="A001",
    reel_source="tmcd track",
    vfr=True,
    first_frame=1001,
    missing=(FrameRange(1005, 1007), FrameRange(1010, 1011)),
    scan="tff",
    pixel_aspect=Fraction(64, 45),
    bit_depth=10,
    color=ColorFacts(primaries="bt709", transfer="bt709", matrix="bt709", range="limited", space="S-Log3"),
    audio=(AudioFacts(codec="pcm_s24le", channels=2, sample_rate=48000, bits=24, samples=76800, layout="stereo"),),
    created="2024-05-01T12:00:00+02:00",
    created_source="com.apple.quicktime.creationdate",
    camera={"lens": "50mm"},
    decodable=False,
    cut_short=True,
    note="why",
    diagnostics=("odd",),
)


def through_json(facts: MediaFacts) -> MediaFacts:
    return MediaFacts.from_json(json.loads(json.dumps(facts.to_json())))


def test_facts_survive() -> None:
    assert through_json(FULL) == FULL
    bare = MediaFacts(container="r3d")
    assert through_json(bare) == bare


def test_timecode_that_counts_otherwise_than_the_frames_play() -> None:
    facts = FULL.with_start(Timecode(10, 0, 0, 0, 24), "caller")
    assert facts.to_json()["start_rate"] == "24/1"
    assert through_json(facts) == facts
    assert facts.start_source == "caller"


def test_what_scripts_see() -> None:
    data = FULL.to_json()
    assert (data["frame_rate"], data["start_timecode"], data["drop_frame"]) == ("30000/1001", "01:00:00;00", True)
    assert (data["missing"], data["pixel_aspect"]) == ([1005, 1006, 1010], "64:45")
    assert data["audio"][0]["channels"] == 2
    assert data["color"]["space"] == "S-Log3"


def test_a_hole_of_a_billion_frames_is_no_list_of_a_billion_numbers() -> None:
    facts = MediaFacts(container="dpx", missing=(FrameRange(2, 4), FrameRange(10, 4_000_000_000)))
    assert facts.to_json()["missing"] == [2, 3, "10-3999999999"]
    assert through_json(facts) == facts


@given(st.sets(st.integers(0, 60)))
def test_runs_of_numbers(numbers: set[int]) -> None:
    runs = frame_ranges(numbers)
    assert [number for run in runs for number in run] == sorted(numbers)
    assert all(before.end < after.first for before, after in pairwise(runs))
    facts = MediaFacts(container="dpx", missing=runs)
    assert through_json(facts) == facts


def test_how_long_it_plays() -> None:
    assert FULL.seconds == Fraction(48 * 1001, 30000)
    sound = AudioFacts(codec="pcm_s24le", channels=1, sample_rate=48000, samples=24000)
    assert MediaFacts(container="wav", audio=(sound,)).seconds == Fraction(1, 2)
    unknown = AudioFacts(codec="aac", channels=1, sample_rate=48000)
    assert MediaFacts(container="wav", audio=(unknown, sound)).seconds == Fraction(1, 2)
    broken = AudioFacts(codec="pcm_s24le", channels=1, sample_rate=0, samples=24000)
    assert MediaFacts(container="wav", audio=(broken,)).seconds is None


def test_keys_of_later_versions_are_passed_over() -> None:
    assert MediaFacts.from_json(FULL.to_json() | {"hologram": True}) == FULL


@pytest.mark.parametrize(
    "change",
    [
        {"container": None},
        {"container": 5},
        {"width": "1920"},
        {"width": 1.5},
        {"width": True},
        {"frame_rate": "0/1"},
        {"frame_rate": "1e999999999"},
        {"frame_rate": 24},
        {"start_timecode": "01:00:00;99"},
        {"start_timecode": 7},
        {"pixel_aspect": "1:0"},
        {"pixel_aspect": "1"},
        {"pixel_aspect": "1e9:1"},
        {"missing": ["x"]},
        {"missing": [{}]},
        {"missing": ["9-2"]},
        {"missing": [-1]},
        {"missing": 3},
        {"color": []},
        {"color": {"range": 1}},
        {"audio": {}},
        {"audio": [5]},
        {"audio": [{"codec": "aac"}]},
        {"camera": []},
        {"vfr": "yes"},
        {"diagnostics": "odd"},
    ],
    ids=repr,
)
def test_hostile_facts(change: dict[str, Any]) -> None:
    with pytest.raises(Damaged, match="Facts about media"):
        MediaFacts.from_json(FULL.to_json() | change)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(FULL.to_json())), ANYTHING))
def test_any_json_is_read_or_refused(change: dict[str, Any]) -> None:
    try:
        facts = MediaFacts.from_json(FULL.to_json() | change)
    except Damaged:
        return
    assert through_json(facts) == facts
