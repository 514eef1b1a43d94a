"""`ls`: what an archive holds, and whether that may not be all."""

from __future__ import annotations

from pathlib import Path

from film_archive.archive import layout
from film_archive.workflows.listing import list_members
from film_archive.workflows.unpacking import unpack_archive
from tests.archive.making import make_two_generations
from tests.workflows.making import create_in_place, write_tree


def held(archive: Path) -> tuple[int | None, str | None, int]:
    with list_members(archive) as listing:
        return listing.holds.generation, listing.holds.caution, sum(1 for _ in listing.members)


def test_an_older_generation_is_told(tmp_path: Path) -> None:
    """The end of the newest one is damaged: what is read is not all."""
    path = make_two_generations(tmp_path / "archive.zip")
    generation, caution, count = held(path)
    assert (generation, caution) == (2, None)
    path.write_bytes(path.read_bytes()[:-200])
    generation, caution, fewer = held(path)
    assert (generation, fewer < count) == (1, True)
    assert caution is not None
    assert "generation 1" in caution
    assert "`check`" in caution
    assert unpack_archive(path, tmp_path / "out").caution == caution


def test_a_manifest_read_from_its_copy_is_told(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "card", {"a": b"a"})
    create_in_place(folder)
    assert held(folder)[1] is None
    (folder / layout.MANIFEST).unlink()
    generation, caution, _ = held(folder)
    assert generation == 1
    assert caution is not None
    assert "run `repair`" in caution
