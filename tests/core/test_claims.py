"""What callers say of clips, against what the clips say."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from film_archive.core.claims import completed
from film_archive.core.facts import AudioFacts, MediaFacts
from film_archive.core.models import MediaFile, VideoCodec
from film_archive.core.timecode import FrameRate, Timecode

START = Timecode.from_string("01:00:00:00", 25)
FACTS = MediaFacts(
    container="mov", codec="prores_422", width=1920, height=1080, frame_rate=FrameRate(25, 1), start_timecode=START,
    reel="A001", audio=(AudioFacts(codec="pcm_s24le", channels=1, sample_rate=48_000),) * 2,
)  # fmt: skip


def media(**claims: Any) -> MediaFile:
    return MediaFile(**{"file_path": Path("a.mov"), "size": 100, "codec": VideoCodec.PRORES_422} | claims)


@pytest.mark.parametrize(
    "claims",
    [{}, {"frame_rate": 25.0}, {"resolution": (1920, 1080), "audio_channels": 2, "reel": "A001"},
     {"start_timecode": START}, {"start_timecode": "01:00:00:00"}, {"duration": 3.0, "metadata": {"a": 1}}],
)  # fmt: skip
def test_what_agrees_is_not_spoken_of(claims: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert completed(FACTS, media(**claims), 100) == FACTS


@pytest.mark.parametrize(
    "claims",
    [{"size": 101}, {"codec": VideoCodec.H264}, {"frame_rate": 24.0}, {"resolution": (1280, 720)},
     {"audio_channels": 1}, {"reel": "B"}, {"start_timecode": "02:00:00:00"}],
)  # fmt: skip
def test_the_bytes_win(claims: dict[str, Any]) -> None:
    with pytest.warns(UserWarning, match=r"^a\.mov: .* as claimed; the file's own is used\.$") as caught:
        assert completed(FACTS, media(**claims), 100) == FACTS
    assert len(caught) == 1


def test_what_the_file_does_not_say_is_taken_from_the_caller() -> None:
    bare = MediaFacts(container="mov", frame_rate=FrameRate(24000, 1001))
    done = completed(bare, media(start_timecode="01:00:00:00", reel="A001"))
    assert done.start_timecode == Timecode.from_string("01:00:00:00", 23.976)
    assert (done.start_source, done.reel, done.reel_source) == ("caller", "A001", "caller")
    pairs = Timecode.from_string("01:00:00:00", 25)  # counted at half the rate, on purpose
    fifty = MediaFacts(container="mov", frame_rate=FrameRate(50, 1))
    assert completed(fifty, media(start_timecode=pairs, frame_rate=50.0)).start_timecode == pairs
