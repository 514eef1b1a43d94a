"""Writing and continuing: after whatever happens in between, the bytes are those of an uninterrupted run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from film_archive.archive import draft, unfinished
from film_archive.archive.reader import ZipArchive
from film_archive.archive.writer import ZipWriter
from film_archive.core import files
from film_archive.core.errors import Damaged, NotFound, NotSupported, Refused
from film_archive.core.member import Role
from film_archive.core.source import MemorySource
from tests.archive.making import (
    FIRST,
    MTIME_NS,
    SECOND,
    check,
    contents,
    leftovers,
    make_archive,
    make_two_generations,
    noise,
    put,
    put_proxy,
)

MANY = {f"footage/{number}.mov": noise(1000 + number, number) for number in range(8)}


def journal_of(path: Path) -> Path:
    return files.temporary_name(path, "journal")


def work_of(path: Path) -> Path:
    return files.temporary_name(path, "work")


def fill(path: Path, members: dict[str, bytes], *, finish: bool = True) -> int:
    """Create or continue; returns how many members were reused."""
    with ZipWriter.create(path) as archive:
        put(archive, members)
        if finish:
            archive.finish()
        return archive.reused


def extend(path: Path, members: dict[str, bytes], *, finish: bool = True) -> int:
    with ZipWriter.add_to(path) as archive:
        put(archive, members)
        if finish:
            archive.finish()
        return archive.reused


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    """What an uninterrupted run makes of MANY."""
    path = tmp_path / "whole" / "archive.zip"
    path.parent.mkdir()
    fill(path, MANY)
    return path.read_bytes()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target" / "archive.zip"
    path.parent.mkdir()
    return path


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    assert make_two_generations(tmp_path / "a" / "x.zip").read_bytes() == make_two_generations(
        tmp_path / "b" / "y.zip"
    ).read_bytes()


@pytest.mark.parametrize("done", range(len(MANY) + 1))
def test_a_create_is_continued(target: Path, whole: bytes, done: int) -> None:
    fill(target, dict(list(MANY.items())[:done]), finish=False)
    assert not target.exists()
    assert leftovers(target) == ({work_of(target).name, journal_of(target).name} if done else set())
    assert fill(target, MANY) == (done + 1 if done else 0)
    assert target.read_bytes() == whole
    assert not leftovers(target)


@pytest.mark.parametrize("done", range(len(SECOND) + len(MANY)))
def test_an_add_is_continued(target: Path, done: int) -> None:
    more = {**SECOND, **{f"day3/{path}": data for path, data in MANY.items()}}
    expected = make_archive(target.parent.parent / "expected.zip", FIRST)
    extend(expected, more)
    make_archive(target, FIRST)
    before = target.read_bytes()
    extend(target, dict(list(more.items())[:done]), finish=False)
    assert check_members(target) == contents(make_archive(target.parent.parent / "first.zip", FIRST))
    if not done:
        assert target.read_bytes() == before
        assert not leftovers(target)
    assert extend(target, more) == done
    assert target.read_bytes() == expected.read_bytes()
    assert not leftovers(target)


def check_members(path: Path) -> dict[str, bytes]:
    with ZipArchive(path) as archive:
        assert archive.sealed
    return contents(path)


def test_what_was_torn_is_made_again(target: Path, whole: bytes) -> None:
    """A power cut: the journal is ahead of the bytes, the bytes are ahead of the journal, a line is torn."""
    fill(target, MANY, finish=False)
    journal, work = journal_of(target).read_bytes(), work_of(target).read_bytes()
    for cut_journal in (0, 1, 100, len(journal) // 2, len(journal) - 3, len(journal)):
        for cut_work in (0, 1, 5000, len(work) // 2, len(work) - 1, len(work)):
            journal_of(target).write_bytes(journal[:cut_journal])
            work_of(target).write_bytes(work[:cut_work])
            fill(target, MANY)
            assert target.read_bytes() == whole, (cut_journal, cut_work)
            assert not leftovers(target)
            target.unlink()


def test_flipped_bytes_of_unfinished_work_are_made_again(target: Path, whole: bytes) -> None:
    fill(target, MANY, finish=False)
    journal, work = journal_of(target).read_bytes(), work_of(target).read_bytes()
    for at in range(0, len(work), 509):
        broken = bytearray(work)
        broken[at] ^= 1
        journal_of(target).write_bytes(journal)
        work_of(target).write_bytes(broken)
        fill(target, MANY)
        assert target.read_bytes() == whole, at
        target.unlink()


def test_a_vanished_work_file_starts_from_the_beginning(target: Path, whole: bytes) -> None:
    fill(target, MANY, finish=False)
    work_of(target).unlink()
    assert fill(target, MANY) == 0
    assert target.read_bytes() == whole


def test_a_changed_source_is_read_again(target: Path) -> None:
    fill(target, MANY, finish=False)
    changed = {**MANY, "footage/3.mov": b"another cut"}
    assert fill(target, changed) == 4
    assert contents(target)["footage/3.mov"] == b"another cut"
    expected = target.with_name("expected.zip")
    fill(expected, changed)
    assert target.read_bytes() == expected.read_bytes()


def test_a_changed_first_source_is_no_other_job(target: Path) -> None:
    fill(target, MANY, finish=False)
    assert fill(target, {**MANY, "footage/0.mov": b"another cut"}) == 1


def test_a_source_that_is_gone_is_not_archived(target: Path) -> None:
    fill(target, MANY, finish=False)
    fewer = dict(list(MANY.items())[:-2])
    fill(target, fewer)
    assert contents(target).keys() - {".film-archive/format"} == fewer.keys()
    assert check(target).ok


def test_another_jobs_work_is_not_thrown_away(target: Path, whole: bytes) -> None:
    fill(target, MANY, finish=False)
    before = work_of(target).read_bytes(), journal_of(target).read_bytes()
    with pytest.raises(Refused, match="--abandon"):
        fill(target, {"other.mov": b"x"})
    assert (work_of(target).read_bytes(), journal_of(target).read_bytes()) == before
    fill(target, MANY)
    assert target.read_bytes() == whole


def test_abandoning(target: Path) -> None:
    assert not unfinished.abandon(target)
    fill(target, MANY, finish=False)
    assert unfinished.abandon(target)
    assert list(target.parent.iterdir()) == []
    make_archive(target, FIRST)
    before = target.read_bytes()
    extend(target, SECOND, finish=False)
    assert unfinished.abandon(target)
    assert target.read_bytes() == before
    assert not leftovers(target)


def test_abandoning_touches_nothing_else(target: Path) -> None:
    """A file that has the name by now, with bytes behind its end that are not ours."""
    import zipfile

    fill(target, MANY, finish=False)
    with zipfile.ZipFile(target, "w") as foreign:
        foreign.writestr("a", b"a")
    with target.open("ab") as file:
        file.write(b"signature")
    before = target.read_bytes()
    assert unfinished.abandon(target)
    assert target.read_bytes() == before
    assert not leftovers(target)


def test_an_unfinished_add_does_not_touch_another_archive(target: Path, appending: None) -> None:
    """The journal is that of an archive that was replaced since, by a longer one of the same generation."""
    make_archive(target, FIRST)
    extend(target, SECOND, finish=False)
    other = make_archive(target.parent.parent / "other.zip", MANY)
    os.replace(other, target)
    before = contents(target)
    extend(target, SECOND)
    assert contents(target) == {**before, **SECOND}
    assert check(target).ok
    assert not leftovers(target)


def test_existing_files_are_refused(target: Path) -> None:
    target.write_bytes(b"something")
    with pytest.raises(Refused, match="exists already"):
        ZipWriter.create(target)
    assert target.read_bytes() == b"something"
    assert not leftovers(target)
    target.unlink()
    target.symlink_to("nowhere")
    with pytest.raises(Refused, match="exists already"):
        ZipWriter.create(target)
    assert not leftovers(target)


def test_a_name_that_is_taken_meanwhile_is_not_overwritten(target: Path, whole: bytes) -> None:
    with ZipWriter.create(target) as archive:
        put(archive, MANY)
        target.write_bytes(b"somebody else's")
        with pytest.raises(Refused, match="exists already"):
            archive.finish()
    assert target.read_bytes() == b"somebody else's"
    target.unlink()
    assert fill(target, MANY) == len(MANY) + 1
    assert target.read_bytes() == whole


def test_what_can_not_be_added_to(target: Path) -> None:
    import zipfile

    with pytest.raises(NotFound):
        ZipWriter.add_to(target)
    with zipfile.ZipFile(target, "w") as foreign:
        foreign.writestr("a", b"a")
    with pytest.raises(NotSupported, match="make an archive of its files"):
        ZipWriter.add_to(target)
    target.unlink()
    make_archive(target, FIRST)
    data = bytearray(target.read_bytes())
    data[-100] ^= 1
    target.write_bytes(data)
    with pytest.raises(Damaged, match="repair"):
        ZipWriter.add_to(target)
    assert target.read_bytes() == data
    assert not leftovers(target)


def test_a_second_process_is_told(target: Path) -> None:
    with ZipWriter.create(target) as archive:
        put(archive, MANY)
        with pytest.raises(Refused, match="Another process is writing"):
            ZipWriter.create(target)
        with pytest.raises(Refused, match="Another process is writing"):
            unfinished.abandon(target)
        archive.finish()
    with ZipWriter.add_to(target) as archive:
        with pytest.raises(Refused, match="Another process is writing"):
            ZipWriter.add_to(target)
        archive.finish()
    assert check(target).ok


def test_an_archive_that_is_added_to_can_be_read(target: Path) -> None:
    make_archive(target, FIRST)
    with ZipArchive(target) as reader, ZipWriter.add_to(target) as archive:
        put(archive, SECOND)
        assert "day2/b.mov" not in contents(target)
        archive.finish()
        assert reader.read("footage/a.mov") == FIRST["footage/a.mov"]
        assert [member.path for member in reader.members() if member.path in SECOND] == []
    assert contents(target)["day2/b.mov"] == SECOND["day2/b.mov"]


def test_an_archive_that_is_replaced_keeps_serving_its_bytes(tmp_path: Path) -> None:
    old = make_archive(tmp_path / "archive.zip", FIRST)
    new = make_archive(tmp_path / "new.zip", {"footage/a.mov": b"another"})
    with ZipArchive(old) as archive:
        source = archive.source("footage/a.mov")
        os.replace(new, old)
        assert source.read_at(0, source.size) == FIRST["footage/a.mov"]
        assert archive.read("footage/ü.wav") == FIRST["footage/ü.wav"]


def test_a_link_to_an_archive_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real = make_archive(tmp_path / "real" / "archive.zip", FIRST)
    link = tmp_path / "link.zip"
    link.symlink_to(real)
    extend(link, SECOND)
    assert link.is_symlink()
    assert "day2/b.mov" in contents(real)
    assert not leftovers(real)


def test_permissions_are_kept(target: Path) -> None:
    make_archive(target, FIRST)
    target.chmod(0o600)
    extend(target, SECOND)
    assert target.stat().st_mode & 0o777 == 0o600


def test_working_files_are_not_followed(target: Path, tmp_path: Path) -> None:
    """Links under our temporary names, set by somebody else, lead nowhere."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    for name in (work_of(target), journal_of(target)):
        name.symlink_to(precious)
        with pytest.raises(Refused):
            fill(target, MANY)
        name.unlink()
        assert precious.read_bytes() == b"precious"
        for rest in (work_of(target), journal_of(target)):
            rest.unlink(missing_ok=True)


def test_a_proxy_that_is_made_anew_replaces_the_old_one(target: Path) -> None:
    make_two_generations(target)
    with ZipArchive(target) as archive:
        (proxy,) = archive.member("footage/a.mov").proxies
        assert archive.read(proxy.path) == b"new proxy " * 20
        assert (proxy.width, proxy.height, proxy.frames) == (320, 180, 24)
        assert archive.header is not None
        assert archive.header.superseded


def test_an_add_with_a_drop_is_continued(target: Path) -> None:
    expected = make_two_generations(target.parent.parent / "expected.zip").read_bytes()

    def second(archive: ZipWriter, steps: int) -> None:
        from film_archive.archive import layout

        for step in (
            lambda: put(archive, SECOND),
            lambda: archive.drop(layout.proxy_path("footage/a.mov", "thumbnail")),
            lambda: put_proxy(archive, "footage/a.mov", b"new proxy " * 20),
            archive.finish,
        )[:steps]:
            step()  # type: ignore[operator]

    for steps in range(4):
        with ZipWriter.create(target) as archive:
            put(archive, FIRST)
            put_proxy(archive, "footage/a.mov", b"old proxy " * 20)
            archive.add_folder("empty folder", empty=True, mtime_ns=MTIME_NS, mode=0o750)
            archive.add_symlink("link", "footage/a.mov", mtime_ns=MTIME_NS)
            archive.finish()
        with ZipWriter.add_to(target) as archive:
            second(archive, steps)
        with ZipWriter.add_to(target) as archive:
            second(archive, 4)
        assert target.read_bytes() == expected, steps
        assert not leftovers(target)
        target.unlink()


def test_bad_member_names_are_refused(target: Path) -> None:
    for name in ("../x", "/x", "a\\b", "a//b", "", "C:x", "a/./b", "x" * 70_000, "a\0b"):
        with ZipWriter.create(target) as archive, pytest.raises(Refused):
            archive.add(name, MemorySource(b"x"), identity="1")
        assert list(target.parent.iterdir()) == [], name


def test_a_failing_member_leaves_nothing_of_itself(target: Path, whole: bytes) -> None:
    class Failing(MemorySource):
        def check_unchanged(self) -> None:
            raise Damaged("it changed")

    with ZipWriter.create(target) as archive:
        for path, data in MANY.items():
            with pytest.raises(Damaged):
                archive.add(path, Failing(noise(5000)), identity="bad")
            put(archive, {path: data})
        archive.finish()
    assert target.read_bytes() == whole


def test_short_writes_are_continued(target: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite

    def short(descriptor: int, data: bytes, offset: int) -> int:
        return real(descriptor, memoryview(data)[: max(1, len(data) // 2)], offset)

    monkeypatch.setattr(os, "pwrite", short)
    fill(target, MANY)
    assert target.read_bytes() == whole


def test_sequences_are_continued(target: Path) -> None:
    from film_archive.core.frame_table import SequenceName

    name = SequenceName("plates/a.", 4, ".dpx")

    def sequence(archive: ZipWriter, frames: int, *, end: bool) -> None:
        for number in range(1001, 1001 + frames):
            source = MemorySource(noise(900, number))
            archive.add_frame(name.path(number), number, source, identity=str(number), mtime_ns=MTIME_NS, mode=0o644)
        if end:
            archive.end_sequence(name)

    expected = target.parent.parent / "expected.zip"
    with ZipWriter.create(expected) as archive:
        sequence(archive, 6, end=True)
        archive.finish()
    for frames, end in ((0, False), (1, False), (3, False), (6, False), (6, True)):
        with ZipWriter.create(target) as archive:
            sequence(archive, frames, end=end)
        with ZipWriter.create(target) as archive:
            sequence(archive, 6, end=True)
            archive.finish()
        assert target.read_bytes() == expected.read_bytes(), (frames, end)
        assert check(target).files_read == 7
        assert not leftovers(target)
        target.unlink()


def test_a_run_that_was_killed_behind_its_end_is_known(target: Path) -> None:
    fill(target, MANY, finish=False)
    journal = journal_of(target).read_bytes()
    fill(target, MANY)
    journal_of(target).write_bytes(journal)
    completed = unfinished.take_completed(target)
    assert completed is not None
    assert completed.identities.keys() == MANY.keys() | {".film-archive/format"}
    assert completed.sealed.members == len(MANY) + 1
    assert not leftovers(target)
    assert unfinished.take_completed(target) is None


def test_another_archives_journal_is_not_a_completed_run(target: Path) -> None:
    fill(target, MANY, finish=False)
    work_of(target).unlink()
    make_archive(target.with_name("other.zip"), FIRST).rename(target)
    assert unfinished.take_completed(target) is None
    assert journal_of(target).exists()


def test_roles_and_facts_are_kept(target: Path) -> None:
    with ZipWriter.create(target) as archive:
        archive.add_bytes("a.idx", b"index", identity="1", role=Role.FRAMES, of="a.mov")
        archive.finish()
    with ZipArchive(target) as reader:
        assert reader.member("a.idx").of == "a.mov"
        assert reader.member("a.idx").role == Role.FRAMES


def copied(source: int, target: int) -> bool:
    return os.pwrite(target, os.pread(source, 1 << 24, 0), 0) > 0


@pytest.mark.parametrize("adds", [False, True], ids=["create", "add"])
def test_all_bytes_are_durable_before_the_name_and_the_name_before_the_end(
    target: Path, monkeypatch: pytest.MonkeyPatch, adds: bool
) -> None:
    """What is renamed is byte for byte what was synced last, and the folder is synced behind it."""
    if adds:
        make_archive(target, FIRST)
        monkeypatch.setattr(draft, "clone_whole", copied)  # as on a file system that shares blocks
    synced: dict[Path, bytes] = {}
    said: list[str] = []
    fsync, rename = os.fsync, files._rename

    def syncing(descriptor: int) -> None:
        place = Path(f"/proc/self/fd/{descriptor}").resolve()
        if place.is_dir():
            said.append("folder" if place == target.parent.resolve() else "another folder")
        elif place.name.endswith("work"):
            synced[place] = place.read_bytes()
            said.append("data")
        fsync(descriptor)

    def renaming(source: Path, to: Path, *, replace: bool) -> None:
        if to == target:
            assert source.read_bytes() == synced[source.resolve()]
            said.append("name")
        rename(source, to, replace=replace)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(files, "_rename", renaming)
    with ZipWriter.add_to(target) if adds else ZipWriter.create(target) as archive:
        put(archive, SECOND)
        archive.finish()
    monkeypatch.undo()
    named = said.index("name")
    assert said[named - 1] == "data"
    assert "folder" in said[named + 1 :]
    assert "data" not in said[named:]
    assert check(target).ok
