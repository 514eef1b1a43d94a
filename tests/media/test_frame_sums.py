"""Digests of frames: which frames of a clip, or of a cut of it, are damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from film_archive.core.digest import KEY, digest_source
from film_archive.core.errors import Damaged
from film_archive.core.source import FileSource, MemorySource
from film_archive.core.timecode import FrameRange
from film_archive.media.cutting.opening import open_clip
from film_archive.media.frame_sums import WIDTH, differing, frame_sums
from film_archive.media.probe import index
from film_archive.testing.media import ClipSpec, cached_clip
from film_archive.testing.oddities import ODDITIES

SPECS = [ClipSpec(name="sums", frames=12, width=96, height=54), ODDITIES["long_gop"], ODDITIES["dnxhr_mxf"]]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_each_frame_has_the_digest_of_its_bytes(spec: ClipSpec, footage: Path) -> None:
    path = cached_clip(spec, footage)
    with FileSource(path) as source:
        table = index(source)
        sums = frame_sums(source, table)
        assert len(sums) == WIDTH * spec.frames
        for number in range(table.frames):
            frame = table.frame(number)
            expected = digest_source(source.slice(frame.offset, frame.size))[KEY]
            assert sums[number * WIDTH : (number + 1) * WIDTH].hex() == expected
        assert list(differing(source, table, sums)) == []
        data = bytearray(source.read_at(0, source.size))
    for number in (1, 3):
        data[table.frame(number).offset + 5] ^= 1
    assert list(differing(MemorySource(data), table, sums)) == [1, 3]
    gone = table.frame(table.frames - 1)
    assert table.frames - 1 in differing(MemorySource(data[: gone.offset + 1]), table, sums)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_cut_s_frames_are_those_of_the_clip(spec: ClipSpec, footage: Path, tmp_path: Path) -> None:
    with FileSource(cached_clip(spec, footage)) as source:
        sums = frame_sums(source, index(source))
        clip = open_clip(source)
        result = clip.cut(FrameRange(3, 9), tmp_path / f"cut{clip.suffixes[0]}")
    with FileSource(result.path) as made:
        assert list(differing(made, index(made), sums, 3)) == []
        assert list(differing(made, index(made), sums, 2)) == [0, 1, 2, 3, 4, 5]
        with pytest.raises(Damaged, match="has 6 frames"):
            list(differing(made, index(made), sums, spec.frames - 5))
