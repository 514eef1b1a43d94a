"""Stills of clips: each shows the frame that it says."""

from __future__ import annotations

import io
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from film_archive.core.errors import Damaged, SourceChanged
from film_archive.core.ladder import parse_sizes
from film_archive.core.source import FileSource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.clips import find_clips
from film_archive.media.probe import index, probe, probe_clip
from film_archive.proxy.original import Original
from film_archive.proxy.recipe import Recipe, Still
from film_archive.proxy.stills import MadeStill, make_stills
from film_archive.testing.media import ClipSpec, cached_clip, read_frame_code
from film_archive.testing.oddities import ODDITIES
from film_archive.testing.stills import SequenceSpec, cached_sequence
from tests.proxy.test_recipe import cube

ALL = Recipe(stills=tuple(Still))
SPEC = ClipSpec(name="stills", frames=62, rate=FrameRate(25, 1), start=Timecode.from_string("10:00:00:00", 25))


def stills_of(original: Original, folder: Path, recipe: Recipe = ALL) -> dict[str, bytes]:
    recipe = recipe.looked_at()
    made = make_stills(original, original.proxies(parse_sizes("160x90@300k"), folder, recipe), recipe)
    assert [still.name for still in made if isinstance(still, MadeStill)] == ["poster.jpg", "strip.jpg", "strip.vtt", "sheet.jpg"]
    return {still.name: still.data for still in made}


def of_file(path: Path, folder: Path, recipe: Recipe = ALL) -> dict[str, bytes]:
    with FileSource(path) as source:
        return stills_of(Original(source.name, probe(source), source, index(source)), folder, recipe)


def opened(data: bytes) -> np.ndarray[Any, Any]:
    with av.open(io.BytesIO(data)) as image:
        return next(image.decode(video=0)).to_ndarray(format="rgb24")


def test_a_poster_is_a_whole_frame_of_the_middle(footage: Path, tmp_path: Path) -> None:
    made = of_file(cached_clip(SPEC, footage), tmp_path)
    code = read_frame_code(opened(made["poster.jpg"]))
    assert code is not None
    assert code.number in (24, 36)
    assert of_file(cached_clip(SPEC, footage), tmp_path / "again") == made, "the same bytes each time"


def test_a_strip_follows_a_variable_rate(footage: Path, tmp_path: Path) -> None:
    spec = ODDITIES["vfr"]
    made = of_file(cached_clip(spec, footage), tmp_path)
    told = re.findall(r"([\d:.]+) --> ([\d:.]+)", made["strip.vtt"].decode())
    shown = [(tick, tick + hold) for tick, hold in spec.shown()]
    for place, (begin, end) in enumerate(told):
        first, last = place * 12, min(spec.frames, place * 12 + 12) - 1
        for text, tick in ((begin, shown[first][0]), (end, shown[last][1])):
            hours, minutes, seconds = text.split(":")
            said = int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
            assert 0 <= said - tick / Fraction(spec.rate) < Fraction(1, 1000)


def test_a_poster_passes_over_what_can_not_be_decoded(footage: Path, tmp_path: Path) -> None:
    path = cached_clip(SPEC, footage)
    whole = read_frame_code(opened(of_file(path, tmp_path / "whole")["poster.jpg"]))
    assert whole is not None
    bad = tmp_path / "bad.mov"
    data, table = bytearray(path.read_bytes()), index(path)
    for number in (whole.number, whole.number - 1, whole.number + 1):
        frame = table.frame(number)
        data[frame.offset : frame.offset + frame.size] = np.random.default_rng(1).bytes(frame.size)
    bad.write_bytes(data)
    code = read_frame_code(opened(of_file(bad, tmp_path / "made")["poster.jpg"]))
    assert code is not None
    assert code.number not in (whole.number - 1, whole.number, whole.number + 1)


def test_a_poster_has_the_look_and_no_burn_in(footage: Path, tmp_path: Path) -> None:
    pytest.importorskip("PyOpenColorIO")
    path = cached_clip(SPEC, footage)
    lifted = Recipe(lut=cube(tmp_path, black=0.5), burn_in=("timecode@bottom-left",), stills=tuple(Still))
    plain, shown = (opened(of_file(path, tmp_path / name, wish)["poster.jpg"]) for name, wish in (("a", ALL), ("b", lifted)))
    assert plain.min() < 30
    assert shown.min() > 100


def _images(footage: Path, folder: Path) -> tuple[Original, list[Path]]:
    files = list(cached_sequence(SequenceSpec(name="plate", format="exr", frames=5), footage))
    facts = probe_clip(find_clips([str(path) for path in files]).clips[0], rate="24")
    return Original("plate.exr", facts, open_frame=lambda number: FileSource(files[number])), files


def test_images_have_stills(footage: Path, tmp_path: Path) -> None:
    original, _ = _images(footage, tmp_path)
    code = read_frame_code(opened(stills_of(original, tmp_path)["poster.jpg"]))
    assert code is not None
    assert code.number == 0


def test_none_where_nothing_can_be_decoded_and_no_other_file(footage: Path, tmp_path: Path) -> None:
    original, _ = _images(footage, tmp_path)
    proxies = original.proxies(parse_sizes("160x90@300k"), tmp_path, ALL)

    def gone(number: int) -> FileSource | None:
        return None

    with pytest.raises(Damaged, match="no stills were made"):
        make_stills(Original("plate.exr", original.facts, open_frame=gone), proxies, ALL)

    def other(number: int) -> FileSource | None:
        raise SourceChanged("it changed.")

    with pytest.raises(SourceChanged):
        make_stills(Original("plate.exr", original.facts, open_frame=other), proxies, ALL)
