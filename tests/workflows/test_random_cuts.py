"""Cuts at random, asked for as people do: by timecode, with handles; what came out is told by the pictures and the samples.

The expected labels are counted one by one, by the rule of SMPTE ST 12 as it is written down, not by what is under test.
"""

from __future__ import annotations

import random
from functools import lru_cache
from pathlib import Path

import pytest

from film_archive.core.source import FileSource
from film_archive.core.timecode import FrameRange, FrameRate, Timecode
from film_archive.media.probe import probe
from film_archive.testing.media import AudioSpec, ClipSpec, cached_clip
from film_archive.testing.oddities import ODDITIES
from film_archive.workflows.extraction import extract
from tests.reading import assert_heard_alike, codes_of, frame_bytes

SMALL = {"width": 96, "height": 54}


def _at(name: str, rate: FrameRate, start: str, **more: object) -> ClipSpec:
    label = Timecode.from_string(start, rate)
    return ClipSpec(name=name, rate=rate, start=label, frames=40, reel="A001R1AB", **{**SMALL, **more})  # type: ignore[arg-type]


RATES = {
    "23.976": (FrameRate(24_000, 1001), "01:00:00:00"),
    "24": (FrameRate(24, 1), "23:59:59:10"),
    "25": (FrameRate(25, 1), "09:59:59:20"),
    "29.97 drop": (FrameRate(30_000, 1001), "00:59:59;20"),
    "29.97 over a minute": (FrameRate(30_000, 1001), "10:00:59;15"),
    "29.97 non-drop": (FrameRate(30_000, 1001), "00:00:59:20"),
    "30": (FrameRate(30, 1), "00:09:59:10"),
    "47.952": (FrameRate(48_000, 1001), "01:00:00:40"),
    "48": (FrameRate(48, 1), "01:00:00:40"),
    "50": (FrameRate(50, 1), "23:59:59:40"),
    "59.94 drop": (FrameRate(60_000, 1001), "00:58:59;50"),
    "59.94 non-drop": (FrameRate(60_000, 1001), "00:58:59:50"),
    "60": (FrameRate(60, 1), "00:58:59:50"),
    "119.88 drop": (FrameRate(120_000, 1001), "00:58:59;110"),
}
CLIPS = [_at(f"rate {name}", rate, start, audio=(AudioSpec(),)) for name, (rate, start) in RATES.items()]
_INTRA = {"profile": "High 4:2:2 Intra", "encoder_options": (("preset", "ultrafast"),)}
CLIPS += [
    _at("h264 intra", *RATES["29.97 drop"], codec="h264", width=128, height=72, **_INTRA),
    _at("long gop", *RATES["29.97 drop"], codec="h264", gop=12, b_frames=2, container="mp4", width=128, height=72),
    *(ODDITIES[name] for name in ("dnxhr_mxf", "dnxhr_hqx_mov", "dnxhr_ntsc_mxf")),
    *(ODDITIES[name] for name in ("prores_mxf", "xavc_intra_mxf", "jpeg2000_mxf")),
    *(ODDITIES[name] for name in ("prores_4444_alpha", "uncompressed_mov", "mjpeg_mov", "sound_float", "sixteen_mono")),
]


@lru_cache
def labels(spec: ClipSpec) -> tuple[str, ...]:
    """The label of every frame, and of the one behind the last."""
    assert spec.start is not None
    start = spec.start
    nominal, drop = start.rate.nominal, start.drop_frame
    skipped = nominal // 15 if drop else 0
    found = [(start.hours, start.minutes, start.seconds, start.frames)]
    while len(found) <= spec.frames:
        hours, minutes, seconds, frames = found[-1]
        frames += 1
        if frames == nominal:
            frames, seconds = 0, seconds + 1
        if seconds == 60:
            seconds, minutes = 0, minutes + 1
            if drop and minutes % 10:
                frames = skipped
        if minutes == 60:
            minutes, hours = 0, hours + 1
        found.append((hours % 24, minutes, seconds, frames))
    digits = 3 if nominal >= 100 else 2
    return tuple(f"{h:02}:{m:02}:{s:02}{';' if drop else ':'}{f:0{digits}}" for h, m, s, f in found)


def cut_and_look(spec: ClipSpec, footage: Path, target: Path, choice: random.Random) -> None:
    path = cached_clip(spec, footage)
    first = choice.randrange(spec.frames)
    end = choice.randint(first + 1, spec.frames)
    handles = choice.choice((0, 0, 1, 3, 50))
    names = labels(spec)
    out = target / f"cut.{spec.container if spec.container == 'mxf' else 'mov'}"
    done = extract(str(path), out, in_point=names[first], out_point=names[end], handles=handles)
    frames = FrameRange(max(0, first - handles), min(spec.frames, end + handles))
    where = (spec.name, first, end, handles)
    assert (done.first_frame, done.frames, done.start_timecode) == (frames.first, frames.count, names[frames.first]), where
    assert codes_of(done.output) == [spec.code(number) for number in frames], where
    facts = probe(done.output)
    assert (str(facts.start_timecode), facts.frames, facts.frame_rate) == (names[frames.first], frames.count, spec.rate), where
    with FileSource(done.output) as new, FileSource(path) as old:
        assert frame_bytes(new, FrameRange(0, frames.count)) == frame_bytes(old, frames), where
    assert_heard_alike(done.output, spec, path, frames)


@pytest.mark.parametrize("spec", CLIPS, ids=lambda spec: spec.name)
def test_random_cuts(spec: ClipSpec, footage: Path, tmp_path: Path) -> None:
    choice = random.Random(spec.name)
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        cut_and_look(spec, footage, tmp_path / str(number), choice)


@pytest.mark.nightly
@pytest.mark.parametrize("spec", CLIPS, ids=lambda spec: spec.name)
def test_more_than_500_random_cuts(spec: ClipSpec, footage: Path, tmp_path: Path) -> None:
    each = 500 // len(CLIPS) + 1
    assert each * len(CLIPS) > 500
    choice = random.Random(f"{spec.name} again")
    for number in range(each):
        (tmp_path / str(number)).mkdir()
        cut_and_look(spec, footage, tmp_path / str(number), choice)
