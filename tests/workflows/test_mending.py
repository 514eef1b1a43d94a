"""`repair`: what is wrong is said before it is mended, and nothing is touched where nothing is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from film_archive.archive import layout
from film_archive.archive.check import check_archive
from film_archive.archive.reader import FolderArchive, open_archive
from film_archive.core import files
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, NotSupported
from film_archive.core.ladder import parse_sizes
from film_archive.proxy.original import Original
from film_archive.testing.media import ClipSpec, make_clip
from film_archive.workflows.leftovers import has_unfinished, proxy_folder
from film_archive.workflows.mending import apply_repair, plan_repair, repair
from film_archive.workflows.production import add_to_archive
from tests.archive.making import Layout, make_two_generations
from tests.workflows.making import add, check, create, create_in_place, write_tree


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return make_two_generations(tmp_path / "archive.zip")


def test_nothing_is_to_be_done(archive: Path) -> None:
    before = (archive.read_bytes(), archive.stat().st_mtime_ns)
    assert plan_repair(archive).steps == ()
    report = repair(archive)
    assert (report.done, report.lost, report.generation, report.exit_status) == ((), (), 2, 0)
    assert (archive.read_bytes(), archive.stat().st_mtime_ns) == before


def test_what_would_be_done_is_what_is_done(archive: Path) -> None:
    """Every flipped byte outside of payloads: the plan names something, and applying it leaves nothing to be done."""
    whole = archive.read_bytes()
    structure = Layout(archive)
    for at in [*range(0, 60, 7), *sorted(structure.manifest)[::40], len(whole) - 30]:
        archive.write_bytes(structure.flipped(at))
        if check(archive).ok:
            continue
        plan = plan_repair(archive)
        assert archive.read_bytes() == structure.flipped(at)
        if not plan.steps:
            assert at not in structure.manifest, at  # a payload: that is not for repair
            continue
        report = apply_repair(plan)
        assert report.done, at
        assert plan_repair(archive).steps == (), at


def test_a_gap_and_a_local_header(archive: Path) -> None:
    data = bytearray(archive.read_bytes())
    second = data.index(b"PK\3\4", 1)
    data[second - 1] ^= 1  # the gap before it
    data[second + 10] ^= 1  # its date
    archive.write_bytes(data)
    would = [step.would for step in plan_repair(archive).steps]
    assert any(word.startswith("write the local header of ") for word in would), would
    assert any(word.startswith("make the gap from byte ") for word in would), would
    assert repair(archive).exit_status == 0
    assert check(archive).ok


def test_working_files_of_an_unfinished_run(archive: Path) -> None:
    files.temporary_name(archive, "work").write_bytes(b"unfinished")
    assert [step.would for step in plan_repair(archive).steps] == ["remove the working files of an unfinished run"]
    assert repair(archive).done == ("Removed the working files of an unfinished run.",)
    assert not files.temporary_name(archive, "work").exists()


def test_nothing_is_left_of_an_add_that_failed_while_it_made_proxies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that dies there leaves pieces of proxies in a folder of their own; `repair` does not go on with it, so they go."""
    media = make_clip(ClipSpec(name="clip", width=96, height=54, frames=4), write_tree(tmp_path / "media", {"notes": b""}))
    for place, begin in ((tmp_path / "archive.zip", create), (tmp_path / "card", lambda *_: create_in_place(tmp_path / "card"))):
        if place.suffix:
            begin(place, write_tree(tmp_path / "first", {"a": b"a"}))
        else:
            begin(write_tree(place, {"a": b"a"}))
        before = {file: file.read_bytes() for file in [place, *place.rglob("*")] if file.is_file()}

        def die(*arguments: object, **more: object) -> None:
            (proxy_folder(place) / "pieces").mkdir(parents=True)  # noqa: B023  called before the loop goes on
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Original, "proxies", die)
            with pytest.raises(KeyboardInterrupt):
                add_to_archive(place, [media], proxies=parse_sizes("32x18"))
        assert proxy_folder(place).exists()
        assert plan_repair(place).steps
        assert repair(place).done
        assert not has_unfinished(place)
        assert plan_repair(place).steps == ()
        assert check(place).ok
        left = {file: file.read_bytes() for file in [place, *place.rglob("*")] if file.is_file()}
        assert {file for file in left if file.name != media.name} == set(before)
        assert all(left[file] == data for file, data in before.items())
        assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def test_a_folder(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "folder", {"a": b"a"})
    create_in_place(folder)
    assert plan_repair(folder).steps == ()
    assert repair(folder).done == ()
    (folder / layout.MANIFEST_COPY).unlink()
    assert len(plan_repair(folder).steps) == 1
    assert repair(folder).generation == 1
    assert plan_repair(folder).steps == ()


def test_what_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no archive at all")
    for path, error in ((tmp_path / "none", NotFound), (tmp_path, NotFound), (tmp_path / "text", Damaged)):
        with pytest.raises(error):
            plan_repair(path)
    with pytest.raises(NotSupported):
        plan_repair(Path("/dev/null"))


@pytest.mark.parametrize("loss", ["gone", "empty", "flipped"])
def test_a_folder_archive_without_its_manifest_is_read_by_the_copy(tmp_path: Path, loss: str) -> None:
    folder = write_tree(tmp_path / "card", {"a.txt": b"a", "b.txt": b"b" * 100})
    create_in_place(folder)
    manifest, copy = folder / layout.MANIFEST, folder / layout.MANIFEST_COPY
    whole = manifest.read_bytes()
    (folder / "a.txt").write_bytes(b"x")
    if loss == "gone":
        manifest.unlink()
    else:
        manifest.write_bytes(b"" if loss == "empty" else whole.replace(b"b.txt", b"c.txt"))
    with open_archive(folder) as archive:
        assert isinstance(archive, FolderArchive)
        assert archive.read("b.txt") == b"b" * 100
        problems = {problem.path: problem.what for problem in check_archive(archive).problems}
    assert set(problems) == {layout.MANIFEST, "a.txt"}
    assert "run `repair`" in problems[layout.MANIFEST]
    with pytest.raises(FilmArchiveError, match="`repair`" if loss == "gone" else "is an archive already"):
        create_in_place(folder)
    with pytest.raises(FilmArchiveError, match="repair"):
        add(folder, write_tree(tmp_path / "more", {"c.txt": b"c"}))
    assert copy.read_bytes() == whole
    repair(folder)
    assert manifest.read_bytes() == whole
    with open_archive(folder) as archive:
        assert [problem.path for problem in check_archive(archive).problems] == ["a.txt"]
