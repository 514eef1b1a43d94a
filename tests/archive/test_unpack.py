"""Unpacking: the files as they were, nothing overwritten, nothing outside."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from film_archive.archive import layout
from film_archive.archive.reader import ZipArchive, open_archive
from film_archive.archive.unpack import choose_members, unpack
from film_archive.archive.writer import ZipWriter
from film_archive.core import copying, files
from film_archive.core.errors import NoSpace, NotFound, Refused
from film_archive.core.frame_table import SequenceName
from film_archive.core.member import Member, Role
from film_archive.core.source import ByteSource, MemorySource
from tests.archive.making import FIRST, MTIME_NS, make_archive, make_two_generations, noise


def tree(folder: Path) -> dict[str, bytes | str | None]:
    """Files' bytes, links' targets, None for folders."""
    found: dict[str, bytes | str | None] = {}
    for place in sorted(folder.rglob("*")):
        name = place.relative_to(folder).as_posix()
        found[name] = os.readlink(place) if place.is_symlink() else place.read_bytes() if place.is_file() else None
    return found


def extract(path: Path, target: Path, **options: object) -> object:
    with open_archive(path) as archive:
        return unpack(archive, target, **options)  # type: ignore[arg-type]


def test_all_is_as_it_was(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    target = tmp_path / "new" / "out"
    with open_archive(path) as archive:
        done = unpack(archive, target)
    assert sorted(done.written) == sorted(FIRST)
    assert (done.already_there, done.skipped, done.failed) == ((), (), ())
    assert done.bytes == sum(map(len, FIRST.values()))
    assert tree(target) == {**FIRST, "footage": None, "empty folder": None, "link": "footage/a.mov"}
    for name in (*FIRST, "empty folder", "footage"):
        assert (target / name).stat().st_mtime_ns == MTIME_NS, name
    assert (target / "link").lstat().st_mtime_ns == MTIME_NS
    assert stat.S_IMODE((target / "zero").stat().st_mode) == 0o640
    assert stat.S_IMODE((target / "empty folder").stat().st_mode) == 0o750


def test_own_data_only_when_asked_for(tmp_path: Path) -> None:
    path = make_two_generations(tmp_path / "archive.zip")
    extract(path, tmp_path / "all", everything=True)
    proxy = tmp_path / "all" / layout.proxy_path("footage/a.mov", "thumbnail")
    assert proxy.read_bytes() == b"new proxy " * 20
    extract(path, tmp_path / "media")
    assert not (tmp_path / "media" / layout.OWN).exists()


def test_only_some(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    extract(path, tmp_path / "out", only=["zero"])
    assert tree(tmp_path / "out") == {"zero": b""}
    with pytest.raises(NotFound):
        extract(path, tmp_path / "none", only=["zero", "nothing"])
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("named", [["footage"], ["footage/"], ["footage", "footage/a.mov"]])
def test_a_folder_means_all_that_is_in_it(tmp_path: Path, named: list[str]) -> None:
    below = {name: data for name, data in FIRST.items() if name.startswith("footage/")}
    assert 0 < len(below) < len(FIRST)
    extract(make_archive(tmp_path / "archive.zip", FIRST), tmp_path / "out", only=named)
    assert tree(tmp_path / "out") == {"footage": None, **below}
    with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as made:  # which names no folder
        for name, data in FIRST.items():
            made.writestr(name, data)
    extract(tmp_path / "foreign.zip", tmp_path / "other", only=named)
    assert tree(tmp_path / "other") == {"footage": None, **below}


def test_a_sequence_and_one_of_its_frames(tmp_path: Path) -> None:
    name = SequenceName("plates/a.", 4, ".dpx")
    path = tmp_path / "archive.zip"
    with ZipWriter.create(path) as archive:
        for number in range(1001, 1005):
            source = MemorySource(noise(100, number))
            archive.add_frame(name.path(number), number, source, identity="1", mtime_ns=MTIME_NS + number, mode=0o600)
        archive.end_sequence(name)
        archive.finish()
    extract(path, tmp_path / "all")
    assert tree(tmp_path / "all") == {
        "plates": None,
        **{name.path(number): noise(100, number) for number in range(1001, 1005)},
    }
    assert (tmp_path / "all" / name.path(1003)).stat().st_mtime_ns == MTIME_NS + 1003
    extract(path, tmp_path / "one", only=[name.path(1002)])
    assert list(tree(tmp_path / "one")) == ["plates", name.path(1002)]


def test_a_second_run_completes_the_first(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    target = tmp_path / "out"
    extract(path, target)
    (target / "footage" / "a.mov").unlink()
    with open_archive(path) as archive:
        done = unpack(archive, target)
    assert done.written == ("footage/a.mov",)
    assert sorted(done.already_there) == ["footage/ü.wav", "zero"]
    assert tree(target)["footage/a.mov"] == FIRST["footage/a.mov"]


@pytest.mark.parametrize("kind", ["other size", "same size", "folder", "link", "file for a folder"])
def test_nothing_is_overwritten(tmp_path: Path, kind: str) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    target = tmp_path / "out"
    place = target / "footage" / "a.mov"
    place.parent.mkdir(parents=True)
    if kind == "other size":
        place.write_bytes(b"precious")
    elif kind == "same size":
        place.write_bytes(b"p" * 300)
    elif kind == "folder":
        place.mkdir()
    elif kind == "link":
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.parent.rmdir()
        place.parent.write_bytes(b"precious")
    before = tree(target)
    with pytest.raises(Refused):
        extract(path, target)
    after = tree(target)
    assert {name: after[name] for name in before} == before
    assert not (tmp_path / "elsewhere").exists()
    if kind in ("other size", "folder", "link"):
        assert after == before


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_a_name_that_is_taken_while_its_member_is_written_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    place = tmp_path / "out" / "footage" / "a.mov"
    pour = copying.pour

    def taken(source: ByteSource, *arguments: Any, **more: Any) -> copying.Poured:
        if source.name.endswith("a.mov"):
            if kind == "file":
                place.write_bytes(b"somebody else's")
            elif kind == "link":
                place.symlink_to("elsewhere")
            else:
                place.mkdir()
        return pour(source, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(copying, "pour", taken)
        with pytest.raises(Refused, match="exists already"):
            extract(path, tmp_path / "out")
    found = tree(tmp_path / "out")
    assert found["footage/a.mov"] == {"file": b"somebody else's", "link": "elsewhere", "folder": None}[kind]
    assert not any(files.is_temporary_name(Path(name).name) for name in found)
    place.rmdir() if kind == "folder" else place.unlink()
    extract(path, tmp_path / "out")
    assert tree(tmp_path / "out")["footage/a.mov"] == FIRST["footage/a.mov"]


def test_a_folder_that_is_a_link_out_is_refused(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    outside = tmp_path / "outside"
    outside.mkdir()
    target = tmp_path / "out"
    target.mkdir()
    (target / "footage").symlink_to(outside)
    with pytest.raises(Refused, match="outside"):
        extract(path, target)
    assert list(outside.iterdir()) == []


def test_a_target_that_is_a_file_or_a_link_to_a_folder(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(Refused, match="not a folder"):
        extract(path, tmp_path / "file")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    extract(path, tmp_path / "link")
    assert (tmp_path / "real" / "zero").exists()


def linked(path: Path, links: dict[str, str], raw: dict[str, str] | None = None) -> Path:
    with ZipWriter.create(path) as archive:
        archive.add("sub/file", MemorySource(b"x"), identity="1")
        for name, target in links.items():
            archive.add_symlink(name, target, mtime_ns=MTIME_NS, raw_target=(raw or {}).get(name))
        archive.finish()
    return path


def test_links_that_stay_inside_are_made(tmp_path: Path) -> None:
    links = {"a": "sub/file", "sub/b": "../sub/file", "c": "a", "loop1": "loop2", "loop2": "loop1", "gone": "not there"}
    path = linked(tmp_path / "archive.zip", links)
    for _ in range(2):
        with open_archive(path) as archive:
            assert unpack(archive, tmp_path / "out").skipped == ()
        assert {name: os.readlink(tmp_path / "out" / name) for name in links} == links


def test_links_that_lead_out_are_not_made(tmp_path: Path) -> None:
    links = {
        "absolute": "/etc/passwd",
        "up": "../secret",
        "far": "sub/../../secret",
        "sub/up": "../../secret",
        "empty": "",
        "nul": "a\0b",
    }
    path = linked(tmp_path / "archive.zip", links)
    with open_archive(path) as archive:
        done = unpack(archive, tmp_path / "out")
    assert {name for name, _ in done.skipped} == set(links)
    assert tree(tmp_path / "out") == {"sub": None, "sub/file": b"x"}


def test_links_that_lead_out_through_each_other_are_not_made(tmp_path: Path) -> None:
    path = linked(tmp_path / "archive.zip", {"trick": "q/down/../..", "q/down": "../sub"})
    with open_archive(path) as archive:
        unpack(archive, tmp_path / "out")
    for place in (tmp_path / "out").rglob("*"):
        assert Path(os.path.realpath(place)).is_relative_to(tmp_path / "out")
    path = linked(tmp_path / "second.zip", {"trick": "deep/er/../../..", "deep": "sub", "sub/er": "."})
    with open_archive(path) as archive:
        done = unpack(archive, tmp_path / "second")
    for place in (tmp_path / "second").rglob("*"):
        assert Path(os.path.realpath(place)).is_relative_to(tmp_path / "second"), done


def test_raw_link_targets(tmp_path: Path) -> None:
    path = linked(tmp_path / "archive.zip", {"raw": "%ff"}, {"raw": "ff"})
    extract(path, tmp_path / "out")
    assert os.readlink(os.fsencode(tmp_path / "out" / "raw")) == b"\xff"


def test_raw_names(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with ZipWriter.create(path) as archive:
        archive.add("a%ff/b%20", MemorySource(b"x"), identity="1", raw_name=b"a\xff/b ".hex())
        archive.finish()
    with ZipArchive(path) as opened:
        plan_error = None
        try:
            unpack(opened, tmp_path / "out")
        except Refused as error:
            plan_error = str(error)
    # A space is not escaped in such a name, so this raw name is not that of the path.
    assert plan_error is not None
    with ZipWriter.create(tmp_path / "good.zip") as archive:
        name, raw = layout.member_name(os.fsdecode(b"a\xff/b c%"))
        assert raw is not None
        archive.add(name, MemorySource(b"x"), identity="1", raw_name=raw.hex())
        archive.finish()
    extract(tmp_path / "good.zip", tmp_path / "good")
    assert os.listdir(os.fsencode(tmp_path / "good") + b"/a\xff") == [b"b c%"]


def test_space_is_asked_for_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    monkeypatch.setattr(files, "free_space", lambda folder: 100)
    with pytest.raises(NoSpace, match="800 bytes are missing"):
        extract(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    extract(path, tmp_path / "out")
    (tmp_path / "out" / "zero").unlink()
    monkeypatch.setattr(files, "free_space", lambda folder: 0)
    extract(path, tmp_path / "out")  # what is there already is not asked for again


def test_folders_that_may_not_be_written_into(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with ZipWriter.create(path) as archive:
        archive.add_folder("shut", empty=False, mtime_ns=MTIME_NS, mode=0o555)
        archive.add_folder("shut/below", empty=False, mtime_ns=MTIME_NS + 1, mode=0o500)
        archive.add("shut/below/a", MemorySource(b"x"), identity="1", mode=0o444)
        archive.finish()
    target = tmp_path / "out"
    try:
        for _ in range(2):
            extract(path, target)
            assert stat.S_IMODE((target / "shut").stat().st_mode) == 0o555
            assert stat.S_IMODE((target / "shut" / "below").stat().st_mode) == 0o500
            assert stat.S_IMODE((target / "shut" / "below" / "a").stat().st_mode) == 0o444
            assert (target / "shut").stat().st_mtime_ns == MTIME_NS
            assert (target / "shut" / "below").stat().st_mtime_ns == MTIME_NS + 1
    finally:
        for place in (target / "shut", target / "shut" / "below"):
            place.chmod(0o755)


def test_set_user_id_is_not_restored(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with ZipWriter.create(path) as archive:
        archive.add("a", MemorySource(b"x"), identity="1", mode=0o6755)
        archive.finish()
    extract(path, tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out" / "a").stat().st_mode) == 0o755


def test_the_plan_is_what_is_done(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    with open_archive(path) as archive:
        plan = choose_members(archive)
        done = unpack(archive, tmp_path / "out")
    assert {m.path for m in plan if m.role == Role.ORIGINAL} == set(done.written)
    assert all(isinstance(m, Member) for m in plan)
