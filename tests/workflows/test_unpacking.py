"""`unpack`: what continues after a kill without being read again, and what is said of links, damage and full disks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from film_archive.archive.reader import open_archive
from film_archive.core import copying, files
from film_archive.core.errors import NoSpace, Refused
from film_archive.core.progress import Count, Phase, Progress
from film_archive.workflows import unpacking
from film_archive.workflows.unpacking import abandon_unpack, plan_unpack, unpack_archive
from tests.archive.making import noise
from tests.core.mounts import image, tmpfs
from tests.workflows.making import create, sources, tree, write_tree


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    create(tmp_path / "archive.zip", sources(tmp_path / "media", size=9000))
    return tmp_path / "archive.zip"


def stopped_at(size: int) -> Progress:
    def stop(phase: Phase, count: Count) -> None:
        if count.done >= size:
            raise KeyboardInterrupt

    return Progress(stop)


def hidden(folder: Path) -> list[str]:
    return [name for name in tree(folder) if ".film-archive-" in name]


def test_progress_comes_to_the_whole(archive: Path, tmp_path: Path) -> None:
    heard: list[Count] = []
    done = unpack_archive(archive, tmp_path / "out", progress=Progress(lambda phase, count: heard.append(count)))
    assert (heard[-1].done, heard[-1].total) == (done.bytes, done.bytes)
    assert {count.subject for count in heard} >= {"", "media/card/07.bin"}
    assert tree(tmp_path / "out" / "media") == tree(tmp_path / "media")
    assert hidden(tmp_path / "out") == []


def test_a_killed_run_is_continued_without_reading_again(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        unpack_archive(archive, out, progress=stopped_at(40_000))
    assert len(hidden(out)) == 1  # the journal; what was half written is gone
    whole = {name for name, data in tree(out).items() if data is not None} - set(hidden(out))
    assert len(whole) > 3
    poured: list[str] = []
    real = copying.pour

    def pour(source, *arguments, **more):  # type: ignore[no-untyped-def]
        poured.append(source.name.partition("::")[2])
        return real(source, *arguments, **more)

    monkeypatch.setattr(copying, "pour", pour)
    monkeypatch.setattr("film_archive.archive.unpack.digest_source", lambda *arguments, **more: pytest.fail("read again"))
    done = unpack_archive(archive, out)
    assert set(done.already_there) == whole
    assert set(poured) == set(done.written)
    assert tree(out / "media") == tree(tmp_path / "media")
    assert hidden(out) == []


def test_what_was_changed_meanwhile_is_not_believed(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        unpack_archive(archive, out, progress=stopped_at(40_000))
    place = next(place for place in sorted((out / "media" / "card").iterdir()) if place.stat().st_size)
    status = place.stat()
    place.write_bytes(b"x" * status.st_size)
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(Refused, match="exists already and is something else"):
        unpack_archive(archive, out)
    place.unlink()
    assert unpack_archive(archive, out).exit_status == 0
    assert tree(out / "media") == tree(tmp_path / "media")


def test_another_archive_into_the_same_folder(archive: Path, tmp_path: Path) -> None:
    """A run that is never continued stands in nobody's way, and can be removed."""
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        unpack_archive(archive, out, progress=stopped_at(40_000))
    create(tmp_path / "other.zip", write_tree(tmp_path / "other", {"x": b"x"}))
    assert unpack_archive(tmp_path / "other.zip", out).written == ("other/x",)
    whole = tree(out / "media")
    half = files.temporary_name(out / "media" / "card" / "07.bin", "unpack")
    half.write_bytes(b"half")
    assert abandon_unpack(archive, out)
    assert hidden(out) == []
    assert tree(out / "media") == whole
    assert not abandon_unpack(archive, out)
    assert not abandon_unpack(archive, tmp_path / "nowhere")


def test_links_that_are_left_out_end_with_12(tmp_path: Path) -> None:
    media = write_tree(tmp_path / "media", {"a": b"a"})
    (media / "out").symlink_to("/etc/passwd")
    (media / "in").symlink_to("a")
    create(tmp_path / "archive.zip", media)
    done = unpack_archive(tmp_path / "archive.zip", tmp_path / "out")
    assert (done.exit_status, [left.path for left in done.skipped]) == (12, ["media/out"])
    assert "points out of the archive" in done.skipped[0].reason
    assert sorted(tree(tmp_path / "out" / "media")) == ["a", "in"]


def test_a_disk_that_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    media = write_tree(tmp_path / "media", {"a": noise(100_000), "b": noise(200_000), "c": noise(300_000)})
    create(tmp_path / "archive.zip", media)
    with tmpfs(tmp_path / "small", "size=1m") as disk:
        (disk / "filling").write_bytes(bytes(files.free_space(disk) - 200_000))
        with pytest.raises(NoSpace, match=r"\d+ bytes are missing; nothing was written"):
            plan_unpack(tmp_path / "archive.zip", disk / "out")
        with monkeypatch.context() as patch:
            patch.setattr(files, "require_space", lambda *arguments: None)
            with pytest.raises(NoSpace, match=r"1 of 3 files .* are written and whole, the rest needs \d+ bytes more") as raised:
                unpack_archive(tmp_path / "archive.zip", disk / "out")
        assert "again when there is room, or with --abandon" in str(raised.value)
        assert sorted(name for name in tree(disk / "out") if "film-archive" not in name) == ["media", "media/a"]
        (disk / "filling").unlink()
        done = unpack_archive(tmp_path / "archive.zip", disk / "out")
        assert done.already_there == ("media/a",)
        assert hidden(disk) == []


def test_blocks_that_are_shared_need_no_room(tmp_path: Path) -> None:
    """On a file system with reflinks an archive can be unpacked where its bytes would not fit twice."""
    with image(tmp_path / "xfs", "mkfs.xfs", "-q", "-m", "reflink=1") as disk:
        media = write_tree(tmp_path / "media", {"a": noise(files.free_space(disk) * 2 // 3)})
        create(disk / "archive.zip", media)
        assert files.free_space(disk) < (media / "a").stat().st_size
        done = unpack_archive(disk / "archive.zip", disk / "out")
        assert [path for path in done.written if path.endswith("a")]
        assert (disk / "out" / "media" / "a").stat().st_size == (media / "a").stat().st_size


def test_the_journal_is_of_this_very_archive(archive: Path, tmp_path: Path) -> None:
    plan = plan_unpack(archive, tmp_path / "out")
    (tmp_path / "out").mkdir()
    with unpacking._journaled(plan) as journal:
        journal.append({"member": "media/zero", "file": "0:0:0"})
        names = hidden(tmp_path / "out")
        with pytest.raises(Refused, match="Another process is doing this job"):
            unpack_archive(archive, tmp_path / "out")
    with open_archive(archive) as opened:
        assert plan.identity == unpacking._identity(opened)
    os.utime(archive)
    with unpacking._journaled(plan_unpack(archive, tmp_path / "out")):
        assert hidden(tmp_path / "out") != names
