"""Sequences: which names are one clip, and the way back from the clip to the names."""

from __future__ import annotations

from pathlib import Path

import pytest
from fileseq import FileSequence

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.errors import NotFound, OutOfRange, UsageError
from film_archive.media.sequence import (
    FoundSequences,
    ImageSequence,
    find_sequences,
    sequence_from_pattern,
    sequence_of,
)


def one(*names: str) -> ImageSequence:
    found = find_sequences(names)
    assert len(found.sequences) == 1, found
    assert found.others == ()
    return found.sequences[0]


def texts(found: FoundSequences) -> list[str]:
    return [str(sequence) for sequence in found.sequences]


def test_a_plain_sequence() -> None:
    sequence = one(*(f"plates/a.{number:04d}.exr" for number in (1003, 1001, 1002)))
    assert (sequence.folder, sequence.stem, sequence.extension, sequence.padding) == ("plates", "a.", ".exr", 4)
    assert (sequence.first, sequence.last, len(sequence), sequence.span) == (1001, 1003, 3, 3)
    assert sequence.missing == ()
    assert sequence.printf == "plates/a.%04d.exr"
    assert sequence.hashes == "plates/a.####.exr"
    assert str(sequence) == "plates/a.####.exr [1001-1003]"
    assert list(sequence.paths()) == [Path(f"plates/a.{number}.exr") for number in (1001, 1002, 1003)]
    assert sequence.path(7) == Path("plates/a.0007.exr")
    assert sequence.frame(2) == Path("plates/a.1003.exr")


def test_a_camera_s_own_names() -> None:
    sequence = one("A001C001_170101_R1AB.0000123.ari", "A001C001_170101_R1AB.0000124.ari")
    assert sequence.hashes == "A001C001_170101_R1AB.#######.ari"
    assert sequence.runs == (range(123, 125),)


def test_holes() -> None:
    sequence = one(*(f"a_{number:03d}.dpx" for number in (1, 2, 5, 9, 10)))
    assert sequence.runs == (range(1, 3), range(5, 6), range(9, 11))
    assert sequence.missing == (range(3, 5), range(6, 9))
    assert (len(sequence), sequence.span) == (5, 10)
    assert 5 in sequence
    assert 3 not in sequence
    assert "5" not in sequence
    assert sequence.frame(2) is None
    assert sequence.frame(8) == Path("a_009.dpx")
    for outside in (-1, 10):
        with pytest.raises(OutOfRange, match="frames 0 to 9"):
            sequence.frame(outside)


@pytest.mark.parametrize(
    ("names", "expected", "others"),
    [
        # unpadded numbers run over their lengths; padded ones keep theirs beyond it
        (("a.9.dpx", "a.10.dpx", "a.100.dpx"), ["a.#.dpx [9-10, 100]"], ()),
        (("a.0998.dpx", "a.0999.dpx", "a.1000.dpx"), ["a.####.dpx [998-1000]"], ()),
        (("a.9998.dpx", "a.0001.dpx", "a.9999.dpx", "a.10000.dpx"), ["a.####.dpx [9998-10000]"], ("a.0001.dpx",)),
        # mixed padding is two sequences, even where the numbers go on
        (("a.1.exr", "a.2.exr", "a.0003.exr", "a.0004.exr"), ["a.#.exr [1-2]", "a.####.exr [3-4]"], ()),
        (("a.01.exr", "a.02.exr", "a.0001.exr", "a.0002.exr"), ["a.##.exr [1-2]", "a.####.exr [1-2]"], ()),
        # letters of the extension, the stem and the folder tell sequences apart
        (("a.1.exr", "a.2.EXR"), [], ("a.1.exr", "a.2.EXR")),
        (("x/a.1.exr", "y/a.2.exr"), [], ("x/a.1.exr", "y/a.2.exr")),
        (("a.1.dpx", "a.2.exr"), [], ("a.1.dpx", "a.2.exr")),
        # a number stands before the extension, is not too long, and belongs to an image
        (("a.0001.left.exr", "a.0002.left.exr"), [], ("a.0001.left.exr", "a.0002.left.exr")),
        (("a1234567890123.exr", "a1234567890124.exr"), [], ("a1234567890123.exr", "a1234567890124.exr")),
        (("a_001.mov", "a_002.mov"), [], ("a_001.mov", "a_002.mov")),
        (("A001_C001_0101AB_001.R3D", "A001_C001_0101AB_002.R3D"), [], None),
        # stems
        (("0001.png", "0002.png"), ["####.png [1-2]"], ()),
        (("v001_0001.tif", "v001_0002.tif"), ["v001_####.tif [1-2]"], ()),
        (("/0001.png", "/0002.png"), ["/####.png [1-2]"], ()),
        # a minus is a sign behind a dot, an underscore or nothing
        (("a.-0002.exr", "a.-0001.exr", "a.0000.exr"), ["a.####.exr [-2-0]"], ()),
        (("a.-002.exr", "a.-001.exr", "a.0000.exr"), ["a.####.exr [-2-0]"], ()),
        (("a_-2.exr", "a_-1.exr", "a_0.exr", "a_1.exr"), ["a_#.exr [-2-1]"], ()),
        (("-2.exr", "-1.exr"), ["#.exr [-2--1]"], ()),
        (("shot-0001.exr", "shot-0002.exr"), ["shot-####.exr [1-2]"], ()),
        (("a.-0.exr", "a.-1.exr", "a.-2.exr"), ["a.#.exr [-2--1]"], ("a.-0.exr",)),
        # photographs are no clip
        (("IMG_1234.JPG", "IMG_1235.JPG"), [], ("IMG_1234.JPG", "IMG_1235.JPG")),
        (("DSC01234.ARW", "DSC01235.ARW"), [], ("DSC01234.ARW", "DSC01235.ARW")),
        (("shot.1234.jpg", "shot.1235.jpg"), ["shot.####.jpg [1234-1235]"], ()),
        # one alone is a still
        (("a.0001.exr",), [], ("a.0001.exr",)),
    ],
)
def test_rules(names: tuple[str, ...], expected: list[str], others: tuple[str, ...] | None) -> None:
    found = find_sequences(names)
    assert texts(found) == expected
    assert found.others == (tuple(sorted(names)) if others is None else others)


def test_photographs_are_frames_where_asked() -> None:
    names = [f"IMG_{number}.JPG" for number in range(1234, 1240)]
    assert texts(find_sequences(names, photographs=True)) == ["IMG_####.JPG [1234-1239]"]


def test_a_big_hole_splits_and_a_small_one_does_not() -> None:
    def frames(*runs: range) -> list[str]:
        return [f"a.{number:06d}.exr" for run in runs for number in run]

    assert texts(find_sequences(frames(range(1, 11), range(111, 121)))) == ["a.######.exr [1-10, 111-120]"]
    assert texts(find_sequences(frames(range(1, 11), range(112, 122)))) == [
        "a.######.exr [1-10]",
        "a.######.exr [112-121]",
    ]
    # a hole may be as long as all the files that are there
    long = frames(range(200), range(500, 600))
    assert len(find_sequences(long).sequences) == 1
    assert len(find_sequences(long[:-1]).sequences) == 2
    # what is left of a split alone is a still
    found = find_sequences(frames(range(10), range(5000, 5001)))
    assert texts(found) == ["a.######.exr [0-9]"]
    assert found.others == ("a.005000.exr",)


def test_percent_signs_and_odd_names() -> None:
    sequence = one("50%d/a.%04d.01.exr", "50%d/a.%04d.02.exr")
    assert sequence.printf == "50%%d/a.%%04d.%02d.exr"
    assert [sequence.printf % number for number in sequence.numbers()] == [str(path) for path in sequence.paths()]
    assert str(one("a\udcff.1.exr", "a\udcff.2.exr")) == "a\\xff.#.exr [1-2]"
    assert find_sequences(["", ".", "..", "/", "a/", ".exr", "1.", "٣.exr", "٤.exr"]).sequences == ()


names = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(("", "/", "x/", "x//", "./")),
    st.sampled_from(("", "a", "a.", "a-", "-", "_-", ".", "a.1", "IMG_")),
    st.one_of(
        st.integers(-120, 12_000).map(str),
        st.integers(-12, 12_000).map("{:04d}".format),
        st.integers(0, 12_000).map("-{:04d}".format),
        st.integers(0, 30).map("{:02d}".format),
        st.just(""),
    ),
    st.sampled_from((".exr", ".dpx", ".JPG", ".mov", "")),
)


@given(st.sets(names, max_size=60))
def test_every_path_comes_back_once(paths: set[str]) -> None:
    found = find_sequences(paths)
    back = [sequence.file(number) for sequence in found.sequences for number in sequence.numbers()]
    assert sorted([*back, *found.others]) == sorted(paths)
    for sequence in found.sequences:
        assert len(sequence) >= 2
        assert len(list(sequence.numbers())) == len(sequence)
        assert sum(map(len, sequence.missing)) + len(sequence) == sequence.span
        for number in sequence.numbers():
            assert number in sequence
            assert sequence.number_of(sequence.file(number)) == number
        if sequence.negative_padding is None and sequence.first >= 0:
            assert [sequence.printf % number for number in sequence.numbers()] == [
                sequence.file(number) for number in sequence.numbers()
            ]
    assert find_sequences(sorted(paths)) == found


@given(st.sets(st.integers(0, 99), min_size=2), st.integers(1, 6), st.sampled_from(("a.", "a_", "x/b.")))
def test_as_fileseq_groups_what_is_padded_alike(numbers: set[int], padding: int, stem: str) -> None:
    paths = [f"{stem}{number:0{padding}d}.exr" for number in numbers]
    theirs = list(FileSequence.yield_sequences_in_list(paths))
    ours = find_sequences(paths)
    if len(theirs) == 1 and len({len(path) for path in paths}) == 1:
        (sequence,) = ours.sequences
        assert list(sequence.numbers()) == list(theirs[0].frameSet())
        assert sequence.padding == theirs[0].zfill()
        assert [str(path) for path in sequence.paths()] == list(theirs[0])


@given(st.sets(st.integers(-50, 400), min_size=1))
def test_runs_against_counting(numbers: set[int]) -> None:
    sequence = ImageSequence("", "a.", ".exr", 1, tuple(_slow_runs(numbers)))
    assert set(sequence.numbers()) == numbers
    assert [number for number in range(-60, 410) if number in sequence] == sorted(numbers)
    holes = {number for hole in sequence.missing for number in hole}
    assert holes == set(range(min(numbers), max(numbers))) - numbers
    kept = sequence.limited_to(range(0, 100, 2))
    assert set(kept.numbers() if kept else ()) == {
        number for number in numbers if 0 <= number < 100 and number % 2 == 0
    }


def _slow_runs(numbers: set[int]) -> list[range]:
    starts = sorted(number for number in numbers if number - 1 not in numbers)
    ends = sorted(number + 1 for number in numbers if number + 1 not in numbers)
    return [range(start, end) for start, end in zip(starts, ends, strict=True)]


def test_a_hundred_thousand_frames_are_few_objects() -> None:
    """The count of objects does not grow with the frames (the time is measured in benchmarks, not here)."""
    (sequence,) = find_sequences(f"/plates/a.{number:07d}.exr" for number in range(100_000)).sequences
    assert sequence.runs == (range(100_000),)
    assert sequence.frame(99_999) == Path("/plates/a.0099999.exr")
    assert sequence.number_of("/plates/a.0001234.exr") == 1234
    assert sequence.number_of("/plates/a.1234.exr") is None
    assert sequence.number_of("/plates/b.0001234.exr") is None
    assert sequence.number_of("/plates/a.0100000.exr") is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in (*range(1, 11), 15):
        for name in (f"a.{number:04d}.exr", f"b.{number}.exr", f"c.{number:02d}.exr", f"c.{number:05d}.exr"):
            tmp_path.joinpath(name).touch()
    tmp_path.joinpath("a.0011.exr").mkdir()
    tmp_path.joinpath("lone.0001.exr").touch()
    tmp_path.joinpath("IMG_0001.JPG").touch()
    tmp_path.joinpath("IMG_0002.JPG").touch()
    return tmp_path


def test_sequence_of_a_path(folder: Path) -> None:
    sequence = sequence_of(folder / "a.0004.exr")
    assert sequence is not None
    assert sequence.runs == (range(1, 11), range(15, 16))
    assert sequence.folder == str(folder)
    assert sequence_of(folder / "a.0012.exr") is None
    assert sequence_of(folder / "lone.0001.exr") is None
    assert sequence_of(folder / "notes.txt") is None
    assert sequence_of(folder / "IMG_0001.JPG") is None
    assert sequence_of(folder / "IMG_0001.JPG", photographs=True) is not None
    with pytest.raises(NotFound, match="list the folder"):
        sequence_of(folder / "none" / "a.0001.exr")


def test_sequence_of_a_name_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    sequence = sequence_of("b.3.exr")
    assert sequence is not None
    assert sequence.hashes == "b.#.exr"
    assert sequence.frame(0) == Path("b.1.exr")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a.####.exr", "a.####.exr [1-10, 15]"),
        ("a.%04d.exr", "a.####.exr [1-10, 15]"),
        ("a.@@@@.exr", "a.####.exr [1-10, 15]"),
        ("a.#.exr", "a.####.exr [1-10, 15]"),
        ("a.%d.exr", "a.####.exr [1-10, 15]"),
        ("a.3-5####.exr", "a.####.exr [3-5]"),
        ("a.3-8x2####.exr", "a.####.exr [3, 5, 7]"),
        ("b.#.exr", "b.#.exr [1-10, 15]"),
        ("c.##.exr", "c.##.exr [1-10, 15]"),
        ("c.#####.exr", "c.#####.exr [1-10, 15]"),
        ("IMG_####.JPG", "IMG_####.JPG [1-2]"),
    ],
)
def test_patterns(folder: Path, pattern: str, expected: str) -> None:
    assert str(sequence_from_pattern(f"{folder}/{pattern}")) == f"{folder}/{expected}"


def test_patterns_that_mean_nothing(folder: Path) -> None:
    assert sequence_from_pattern(str(folder / "a.0001.exr")) is None
    for none in ("a.###.exr", "x.####.exr", "a.90-99####.exr", "lone.####.exr"):
        with pytest.raises(NotFound, match="no frames of"):
            sequence_from_pattern(str(folder / none))
    with pytest.raises(UsageError, match="means 2 sequences"):
        sequence_from_pattern(str(folder / "c.#.exr"))
    with pytest.raises(UsageError, match="not a pattern"):
        sequence_from_pattern(str(folder / "a.1-10-2####.exr"))
    with pytest.raises(NotFound, match="list the folder"):
        sequence_from_pattern(str(folder / "none" / "a.####.exr"))
