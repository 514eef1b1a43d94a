"""Every reader passes the shared suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from film_archive.core.errors import NotMedia
from film_archive.core.source import MemorySource
from film_archive.media.probe import probe
from film_archive.media.readers import READERS, is_media_extension, reader_of
from tests.media import reader_suite as suite

each_case = pytest.mark.parametrize("case", suite.CASES, ids=str)


@each_case
def test_whole(case: suite.ReaderCase) -> None:
    suite.check_whole(case)


@each_case
def test_same_everywhere(case: suite.ReaderCase, tmp_path: Path) -> None:
    suite.check_same_everywhere(case, tmp_path)


@each_case
def test_index(case: suite.ReaderCase) -> None:
    suite.check_index(case)


@each_case
def test_truncated(case: suite.ReaderCase) -> None:
    suite.check_truncated(case)


@each_case
def test_flipped(case: suite.ReaderCase) -> None:
    suite.check_flipped(case, 1)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(2, 52))
@each_case
def test_flipped_in_full(case: suite.ReaderCase, seed: int) -> None:
    suite.check_flipped(case, seed)


@each_case
def test_empty(case: suite.ReaderCase) -> None:
    with pytest.raises(NotMedia, match="is empty"):
        probe(MemorySource(b"", case.file_name))


@each_case
def test_content_decides_not_the_name(case: suite.ReaderCase) -> None:
    data = case.make()
    for name in ("wrong.mov", "wrong.exr", "nothing"):
        facts = probe(MemorySource(data, name))
        assert facts.container == case.container
        extension = name.partition(".")[2]
        reader = reader_of(MemorySource(data, name))
        said = any("its name ends in" in problem for problem in facts.diagnostics)
        assert said == (
            is_media_extension(extension)
            and (extension not in reader.extensions or facts.container not in ("mov", "mp4", extension))
        )


def test_every_row_of_the_table_is_in_the_suite() -> None:
    used = {reader_of(MemorySource(case.make(), case.file_name)).name for case in suite.CASES}
    assert used == {row.name for row in READERS}
