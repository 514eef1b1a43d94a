"""What a command's sources mean: every name that a file system can hold, and nothing that is no file."""

from __future__ import annotations

import os
import socket
import subprocess
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from film_archive.core import files
from film_archive.core.errors import NotFound, NotSupported, Refused, StorageError, UsageError
from film_archive.workflows import gathering
from film_archive.workflows.gathering import FoundSequence, Gathered, Kind, gather, gather_folder, grouped
from tests.workflows.making import MTIME_NS, write_tree


def names(gathered: Gathered) -> list[str]:
    return [entry.member for entry in gathered.entries]


def test_a_file_under_its_name_a_folder_with_all_below_it(tmp_path: Path) -> None:
    write_tree(tmp_path / "card", {"b/2.mov": b"22", "b/1.mov": b"1", "a.txt": b"", "B.mov": b"x"})
    (tmp_path / "card" / "empty").mkdir()
    single = tmp_path / "single.wav"
    single.write_bytes(b"wave")
    found = gather([tmp_path / "card", single])
    assert names(found) == [
        "card", "card/B.mov", "card/a.txt", "card/b", "card/b/1.mov", "card/b/2.mov", "card/empty", "single.wav",
    ]  # fmt: skip
    assert (found.bytes, found.junk, found.left_out) == (8, 0, ())
    entries = {entry.member: entry for entry in found.entries}
    assert entries["card/b/2.mov"].mtime_ns == MTIME_NS
    assert (entries["card/empty"].empty, entries["card/b"].empty) == (True, False)
    assert entries["card/b"].kind == Kind.FOLDER


def test_the_order_does_not_depend_on_the_file_system(tmp_path: Path) -> None:
    for folder, order in (("a", "123"), ("b", "321")):
        (tmp_path / folder / "x").mkdir(parents=True)
        for name in order:
            (tmp_path / folder / "x" / name).touch()
    assert names(gather([tmp_path / "a" / "x"])) == names(gather([tmp_path / "b" / "x"])) == ["x", "x/1", "x/2", "x/3"]


def test_sources_with_dots_and_slashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(tmp_path / "card", {"a": b""})
    monkeypatch.chdir(tmp_path / "card")
    for source in (".", "./", "../card", "../card/", tmp_path / "card" / ".." / "card", "../card/."):
        assert names(gather([Path(source)])) == ["card", "card/a"], source
    assert names(gather([Path("..")]))[:2] == [tmp_path.name, f"{tmp_path.name}/card"]
    with pytest.raises(UsageError, match="no name"):
        gather([Path("/")])


def test_two_sources_of_one_name(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_tree(tmp_path / folder, {"x.mov": b"", "X2.MOV": b""})
    with pytest.raises(UsageError, match="would both be called"):
        gather([tmp_path / "a" / "x.mov", tmp_path / "b" / "x.mov"])
    (tmp_path / "b" / "x2.mov").touch()
    with pytest.raises(UsageError, match="would both be called"):
        gather([tmp_path / "a" / "X2.MOV", tmp_path / "b" / "x2.mov"])


def test_junk_is_skipped_and_counted(tmp_path: Path) -> None:
    write_tree(
        tmp_path / "card",
        {".DS_Store": b"", "._a.mov": b"", "a.mov": b"", "b/Thumbs.db": b"", ".Spotlight-V100/x": b"", "._": b""},
    )
    found = gather([tmp_path / "card"])
    assert names(found) == ["card", "card/._", "card/a.mov", "card/b"]
    assert found.junk == 4
    assert {entry.member: entry.empty for entry in found.entries}["card/b"]


def test_what_is_no_file_is_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_tree(tmp_path / "card", {"a.mov": b""})
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(folder)  # a socket's path may not be long
        listening.bind("socket")
        found = gather([folder])
    assert names(found) == ["card", "card/a.mov"]
    assert [(Path(left.path).name, left.reason) for left in found.left_out] == [
        ("pipe", "is a pipe (FIFO)"),
        ("socket", "is a socket"),
    ]
    for name in ("pipe", "socket"):
        with pytest.raises(NotSupported, match="can't be archived"):
            gather([folder / name])
    with pytest.raises(NotSupported, match="device"):
        gather([Path("/dev/null")])


def test_links_are_recorded_and_not_followed(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "card", {"a.mov": b"", "sub/b.mov": b""})
    links = {"file": "a.mov", "dir": "sub", "up": "..", "loop": "loop", "gone": "not there", "abs": "/etc"}
    for name, target in links.items():
        (folder / name).symlink_to(target)
    os.symlink(b"\xff", os.fsencode(folder) + b"/raw")
    found = {entry.member: entry for entry in gather([folder]).entries if entry.kind == Kind.SYMLINK}
    assert {name.removeprefix("card/"): entry.target for name, entry in found.items()} == {**links, "raw": "%FF"}
    assert found["card/raw"].target_bytes == b"\xff"


def test_a_source_that_is_a_link_is_followed(tmp_path: Path) -> None:
    write_tree(tmp_path / "real", {"a.mov": b"a"})
    (tmp_path / "alias").symlink_to("real")
    assert names(gather([tmp_path / "alias"])) == ["alias", "alias/a.mov"]
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(Refused):
        gather([tmp_path / "loop"])
    with pytest.raises(NotFound):
        gather([tmp_path / "nothing"])


def test_names_of_all_kinds(tmp_path: Path) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    raw = [b"new\nline", b"\x01\x1b[31m", "🎬 – ünïcødé".encode(), b"%41", b" lead", b"trail ", b"-rf", b"a" * 255, b"\xff\xfe%"]
    for name in raw:
        with open(os.fsencode(folder) + b"/" + name, "wb"):
            pass
    found = {entry.path: entry for entry in gather([folder]).entries[1:]}
    assert sorted(os.path.basename(os.fsencode(path)) for path in found) == sorted(raw)
    for path, entry in found.items():
        name = os.path.basename(os.fsencode(path))
        if name == b"\xff\xfe%":
            assert (entry.member, entry.name_bytes) == ("card/%FF%FE%25", b"card/" + name)
        else:
            assert (entry.member.encode(), entry.name_bytes) == (b"card/" + name, None)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a.mov", "A.mov"),
        (unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")),
    ],
)
def test_names_that_would_be_one_file_elsewhere(tmp_path: Path, first: str | bytes, second: str | bytes) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    for name in (first, second):
        with open(os.path.join(os.fsencode(folder), os.fsencode(name)), "wb"):
            pass
    if len(list(folder.iterdir())) < 2:
        pytest.skip("this file system ignores case or Unicode form itself")
    with pytest.raises(Refused, match="one file where case"):
        gather([folder])


def test_names_that_are_stored_alike(tmp_path: Path) -> None:
    (tmp_path / "card").mkdir()
    for name in (b"\xff", b"%FF"):
        with open(os.path.join(os.fsencode(tmp_path / "card"), name), "wb"):
            pass
    with pytest.raises(Refused, match=r"%FF and .*\\xff would both be stored as card/%FF \(bytes") as raised:
        gather([tmp_path / "card"])
    assert "case" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "member"),
    [("back\\slash", "back%5Cslash"), ("C:", "C%3A"), ("a:b/c:d", "a%3Ab/c:d"), ("c/a:b", "c/a:b"), ("100%", "100%")],
)
def test_names_that_other_systems_read_otherwise(tmp_path: Path, name: str, member: str) -> None:
    """They are archived under a name that is safe everywhere, and keep their own beside it."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"there")
    found = gather([tmp_path / name.split("/")[0]]).entries[-1]
    assert found.member == member
    assert found.name_bytes == (None if name == member else os.fsencode(name))


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "card", {"a.mov": b"", "shut/b.mov": b""})
    (folder / "a.mov").chmod(0)
    with pytest.raises(Refused, match="may not be read"):
        gather([folder])
    (folder / "a.mov").chmod(0o600)
    (folder / "shut").chmod(0)
    try:
        with pytest.raises(Refused):
            gather([folder])
    finally:
        (folder / "shut").chmod(0o700)


def test_what_may_not_be_read_as_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_tree(tmp_path / "card", {"a.mov": b""})
    monkeypatch.setattr(gathering.os, "access", lambda path, mode: False)
    with pytest.raises(Refused, match="may not be read by this user; nothing was written"):
        gather([folder])


def make_deep(folder: Path, levels: int) -> None:
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A place for folders that are so deep that Python can't remove them."""
    yield tmp_path / "deep"
    subprocess.run(["rm", "-rf", tmp_path / "deep"], check=True)


def test_a_thousand_folders_deep(deep: Path) -> None:
    make_deep(deep, 1000)
    found = gather([deep])
    assert names(found)[-1] == "deep" + "/d" * 1000 + "/file"
    assert len(found.entries) == 1002


def test_deeper_than_a_path_can_be(deep: Path) -> None:
    make_deep(deep, 2500)
    with pytest.raises((StorageError, NotSupported, Refused), match=r"too long\.$"):
        gather([deep])


def test_the_target_and_its_working_files_are_left_out(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "card", {"a.mov": b"", "sub/archive.zip": b"another one"})
    target = folder / "archive.zip"
    target.touch()
    files.temporary_name(target, "work").touch()
    files.temporary_name(target, "journal").touch()
    found = gather([folder], leave_out=[target])
    assert names(found) == ["card", "card/a.mov", "card/sub", "card/sub/archive.zip"]
    assert found.left_out == ()


def test_a_folder_that_is_an_archive_itself(tmp_path: Path) -> None:
    write_tree(tmp_path / "card", {"a.mov": b"", ".film-archive/manifest.jsonl": b"{}", "sub/.film-archive/x": b""})
    found = gather([tmp_path / "card"])
    assert names(found) == ["card", "card/a.mov", "card/sub"]
    assert [left.reason for left in found.left_out] == ["is another archive's own data, made anew for this one"] * 2
    inside = gather_folder(tmp_path / "card")
    assert names(inside) == ["a.mov", "sub"]
    assert len(inside.left_out) == 1


def test_an_identity_changes_with_the_file_only(tmp_path: Path) -> None:
    path = write_tree(tmp_path / "card", {"a.mov": b"a" * 10}) / "a.mov"
    first = gather([path]).entries[0].identity
    assert gather([path]).entries[0].identity == first
    path.write_bytes(b"b" * 10)
    os.utime(path, ns=(MTIME_NS, MTIME_NS))
    assert gather([path]).entries[0].identity != first  # same size and time, but written to


def test_sequences_are_grouped_where_their_first_file_stood(tmp_path: Path) -> None:
    write_tree(
        tmp_path / "plates",
        {"a.mov": b"", **{f"b.{number:04}.dpx": b"" for number in (1001, 1002, 1004)}, "c.mov": b""},
    )
    found = gather([tmp_path / "plates"]).entries
    items = list(grouped(found))
    assert [item.member if not isinstance(item, FoundSequence) else item.name.pattern for item in items] == [
        "plates", "plates/a.mov", "plates/b.%04d.dpx", "plates/c.mov",
    ]  # fmt: skip
    sequence = items[2]
    assert isinstance(sequence, FoundSequence)
    assert [number for number, _ in sequence.frames] == [1001, 1002, 1004]
    assert len(list(grouped(found, {"plates/b.%04d.dpx"}))) == 6


def test_many_files_are_found_quickly_enough_to_count(tmp_path: Path) -> None:
    """No path is resolved file by file: only names that are to be left out are looked at closer."""
    folder = write_tree(tmp_path / "card", {f"{number}": b"" for number in range(300)})
    resolved: list[object] = []
    real = os.path.realpath
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os.path, "realpath", lambda path, **options: resolved.append(path) or real(path, **options))
        gather([folder], leave_out=[tmp_path / "archive.zip"])
    assert len(resolved) < 10
