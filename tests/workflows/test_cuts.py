"""A cut that is nowhere written against the same cut in a file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from film_archive.core.errors import FilmArchiveError, InvalidTimecode, NotSupported, OutOfRange, UsageError
from film_archive.core.source import FileSource, MemorySource
from film_archive.core.timecode import FrameRange, FrameRate, Timecode
from film_archive.testing.media import AudioSpec, ClipSpec, cached_clip
from film_archive.testing.wave import WaveSpec, cached_wave
from film_archive.workflows.cuts import CutRequest, open_cut

RATE = FrameRate(25, 1)
START = Timecode.from_string("10:00:00:00", RATE)
CLIPS = [
    ClipSpec(name="intra", rate=RATE, frames=60, start=START, audio=(AudioSpec(),)),
    ClipSpec(name="long", codec="h264", rate=RATE, frames=60, start=START, gop=12, b_frames=2, container="mov"),
    ClipSpec(
        name="mxf",
        codec="dnxhr",
        profile="DNxHR HQ",
        container="mxf",
        width=256,
        height=144,
        rate=RATE,
        frames=60,
        start=START,
    ),
]


SOUND = WaveSpec(name="sound", rate=RATE, start=START, samples=60 * 48_000 // 25)


@pytest.mark.parametrize("spec", [*CLIPS, SOUND], ids=lambda spec: spec.name)
@pytest.mark.parametrize("handles", [0, 3, 100])
def test_bytes_are_those_of_the_file(footage: Path, tmp_path: Path, spec: ClipSpec | WaveSpec, handles: int) -> None:
    path = cached_wave(spec, footage) if isinstance(spec, WaveSpec) else cached_clip(spec, footage)
    with FileSource(path) as source:
        request = CutRequest("10:00:00:20", "10:00:01:15", None, handles)
        cut = open_cut(source, None, None, request)
        target = tmp_path / f"cut{cut.suffix}"
        cut.to_file(target)
        made = cut.to_bytes()
        assert made.suffix == cut.suffix
        assert made.source.size == target.stat().st_size
        assert made.source.read_at(0, made.source.size) == target.read_bytes()
        assert cut.selection.wanted == FrameRange(20, 40)
        runs = made.source.open_runs(0, made.source.size)
        assert runs is not None
        assert sum(len(run) if isinstance(run, bytes) else run.length for run in runs) == made.source.size


def test_what_is_asked_wrongly(footage: Path) -> None:
    with FileSource(cached_clip(CLIPS[0], footage)) as source:
        for request, kind in [
            (CutRequest("10:00:00:00"), UsageError),
            (CutRequest("10:00:00:00", "10:00:01:00", "00:00:01:00"), UsageError),
            (CutRequest("10:00:01:00", "10:00:00:00"), UsageError),
            (CutRequest("11:00:00:00", "11:00:01:00"), OutOfRange),
            (CutRequest("noon", "10:00:01:00"), FilmArchiveError),
        ]:
            with pytest.raises(kind):
                open_cut(source, None, None, request)
    with pytest.raises(NotSupported):
        open_cut(MemorySource(b"no clip at all"), None, None, CutRequest("10:00:00:00", "10:00:01:00"))


def test_a_duration_is_an_out_point(footage: Path) -> None:
    with FileSource(cached_clip(CLIPS[0], footage)) as source:
        by_duration = open_cut(source, None, None, CutRequest("10:00:00:10", None, "00:00:01:00"))
        assert by_duration.selection.wanted == FrameRange(10, 35)
        assert by_duration.start == START + 10
        assert Fraction(by_duration.selection.frames.count) / RATE == 1


@pytest.mark.parametrize("begin", ["01:00:00;10", "10"])
@pytest.mark.parametrize(
    ("duration", "frames"), [("00:01:00;02", 1800), ("00:01:00:02", 1800), ("00:00:59;29", 1799), ("1802", 1802)]
)
def test_a_duration_is_as_long_whichever_way_the_in_point_is_written(
    footage: Path, begin: str, duration: str, frames: int
) -> None:
    rate = FrameRate(30_000, 1001)
    start = Timecode.from_string("01:00:00;00", rate)
    spec = WaveSpec(name="drop", rate=rate, start=start, channels=1, bits=16, sample_rate=8000, samples=61 * 8000)
    with FileSource(cached_wave(spec, footage)) as source:
        cut = open_cut(source, None, None, CutRequest(begin, None, duration))
        assert cut.selection.wanted == FrameRange(10, 10 + frames)
        assert any("is read as drop-frame" in note for note in cut.notes) == (duration == "00:01:00:02")
        with pytest.raises(InvalidTimecode, match="number of frames always can be given"):
            open_cut(source, None, None, CutRequest(begin, None, "00:01:00:00"))
