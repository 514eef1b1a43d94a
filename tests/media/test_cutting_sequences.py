"""Cutting image sequences: the files as they are, under their names, with their times."""

from __future__ import annotations

from pathlib import Path

import pytest

from film_archive.core.errors import NotFound, OutOfRange, Refused
from film_archive.core.timecode import FrameRange, Timecode
from film_archive.media.cutting.image_sequence import FilesOnDisk, SequenceClip, sequence_clip
from film_archive.media.probe import probe_clip, probe_path
from film_archive.media.sequence import sequence_of
from film_archive.testing.stills import SequenceSpec, cached_sequence

SPEC = SequenceSpec(name="sh010", frames=12, start=Timecode.from_string("01:00:00:00", 24), reel="A001R1AB", missing=(5, 6))


def opened(spec: SequenceSpec, footage: Path, *, link: bool = False) -> SequenceClip:
    paths = cached_sequence(spec, footage)
    (found,) = probe_path(paths[0].parent)
    assert found.clip.sequence is not None
    sequence = found.clip.sequence
    return sequence_clip(sequence.hashes, FilesOnDisk(sequence), probe_clip(found.clip), link=link)


@pytest.mark.parametrize("link", [False, True])
def test_files_of_a_range(link: bool, footage: Path, tmp_path: Path) -> None:
    clip = opened(SPEC, footage, link=link)
    result = clip.cut(FrameRange(2, 5), tmp_path / "cut")
    made = sorted((tmp_path / "cut").iterdir())
    assert [path.name for path in made] == [SPEC.file_name(number) for number in (2, 3, 4)]
    originals = cached_sequence(SPEC, footage)[2:5]
    for copy, original in zip(made, originals, strict=True):
        assert copy.read_bytes() == original.read_bytes()
        assert copy.stat().st_mtime_ns == original.stat().st_mtime_ns
        assert copy.samefile(original) == link
    assert (str(result.start), result.missing, result.diagnostics) == ("01:00:00:02", (), ())
    assert result.bytes_read == sum(path.stat().st_size for path in originals)
    again = sequence_of(made[0])
    assert again is not None
    assert again.runs == (range(86_402, 86_405),)


def test_holes_are_told(footage: Path, tmp_path: Path) -> None:
    clip = opened(SPEC, footage)
    result = clip.cut(FrameRange(4, 9), tmp_path / "cut")
    assert result.missing == (86_405, 86_406)
    assert result.diagnostics == ("missing in the source: 2 frames, 86405–86406",)
    assert len(list((tmp_path / "cut").iterdir())) == 3
    with pytest.raises(NotFound, match="None of the frames 86405 to 86406"):
        clip.cut(FrameRange(5, 7), tmp_path / "none")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut"]


def test_nothing_is_overwritten_and_nothing_left(footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = opened(SPEC, footage)
    (tmp_path / "cut").mkdir()
    with pytest.raises(Refused, match="exists already"):
        clip.cut(FrameRange(0, 2), tmp_path / "cut")
    with pytest.raises(OutOfRange, match="has no frames 10 to 12 to cut; it has 12"):
        clip.cut(FrameRange(10, 13), tmp_path / "more")

    def fail(self: object, number: int) -> tuple[int, int]:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(clip.images), "stamp", fail)
    with pytest.raises(KeyboardInterrupt):
        clip.cut(FrameRange(0, 2), tmp_path / "more")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut"]
