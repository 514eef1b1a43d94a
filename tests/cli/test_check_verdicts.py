"""`check`: what it ends with where something is wrong, and that the advice it gives is good."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path

import pytest

from film_archive.archive import draft
from film_archive.archive.writer import ZipWriter
from film_archive.core.source import MemorySource
from tests.archive.making import FIRST, Layout, make_archive, noise
from tests.archive.test_foreign import directory_field, zipped
from tests.cli.running import film_archive
from tests.workflows.making import write_tree

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(draft, "clone_whole", lambda source, target: False)
    path = make_archive(tmp_path / "archive.zip", FIRST)
    with ZipWriter.add_to(path) as archive:
        archive.add("more/b", MemorySource(b"b" * 5000), identity="1")
    return path


def test_an_interrupted_add(tmp_path: Path, interrupted: Path, capfd: Capture) -> None:
    ran = film_archive(capfd, "check", interrupted, "--json")
    assert ran.status == 12
    assert ran.document["ok"] is False
    assert [problem["kind"] for problem in ran.document["problems"]] == ["unfinished"]
    text = film_archive(capfd, "check", interrupted)
    assert text.status == 12
    assert "repeat it to continue" in text.output
    assert "add --abandon" in text.output
    assert "repair" not in text.output
    assert "all as it was when the archive was last finished" in text.output
    copy = tmp_path / "copy.zip"
    copy.write_bytes(interrupted.read_bytes())
    again = write_tree(tmp_path / "more", {"b": b"b" * 5000})
    for command, status in ((("create", interrupted, "--abandon"), 0), (("repair", copy), 12)):
        assert film_archive(capfd, *command).status == status
        assert film_archive(capfd, "check", command[1]).status == 0
    assert film_archive(capfd, "add", copy, again, "--proxies", "none").status == 4  # `repair` kept it
    assert film_archive(capfd, "add", interrupted, again, "--proxies", "none").status == 0
    assert film_archive(capfd, "check", interrupted).status == 0


def test_an_add_to_a_copy_that_was_caught_in_mid_add(tmp_path: Path, interrupted: Path, capfd: Capture) -> None:
    copy = tmp_path / "copy.zip"
    copy.write_bytes(interrupted.read_bytes())
    assert film_archive(capfd, "check", copy).status == 12
    more = write_tree(tmp_path / "more", {"c": b"c" * 5000})
    refused = film_archive(capfd, "add", copy, more / "c", "--proxies", "none")
    assert (refused.status, "1 whole file and more; run `repair`" in refused.errors) == (11, True)
    assert film_archive(capfd, "repair", copy).status == 12
    assert film_archive(capfd, "add", copy, more / "c", "--proxies", "none").status == 0
    assert film_archive(capfd, "ls", copy, "--json").document["members"][-1]["path"] == "c"
    assert "more/b" in film_archive(capfd, "ls", copy).output
    assert film_archive(capfd, "check", copy, "--json").document["ok"] is True


def test_what_can_not_be_read(tmp_path: Path, capfd: Capture) -> None:
    path = tmp_path / "foreign.zip"
    path.write_bytes(directory_field(zipped([("a", noise(100)), ("b", noise(50))]), 10, 9, 2))
    ran = film_archive(capfd, "check", path, "--json")
    assert ran.status == 5
    assert [(problem["path"], problem["kind"]) for problem in ran.document["problems"]] == [("a", "unreadable")]
    assert ran.document["members_checked"] == 1
    assert "all as it was, but 1 could not be read" in film_archive(capfd, "check", path).output


def test_other_methods_are_read(tmp_path: Path, capfd: Capture) -> None:
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = tmp_path / f"{method}.zip"
        path.write_bytes(zipped([("a", b"text " * 1000)], method))
        assert film_archive(capfd, "check", path).status == 0
        assert film_archive(capfd, "unpack", path, tmp_path / f"out{method}").status == 0
        assert (tmp_path / f"out{method}" / "a").read_bytes() == b"text " * 1000


def test_every_sentence_has_its_subject(tmp_path: Path, capfd: Capture) -> None:
    """Also of members whose name is in any sentence: `a`, `is`, `the`."""
    folder = write_tree(tmp_path / "card", {"a": b"a", "is": b"is", "the": b"the", "of/size": b"b"})
    (folder / "link").symlink_to("a")
    assert film_archive(capfd, "create", "--proxies", "none", "--in-place", folder).status == 0
    for name in ("a", "is", "link"):
        (folder / name).unlink()
    (folder / "the").write_bytes(b"THE")
    (folder / "of" / "size").write_bytes(b"longer")
    lines = film_archive(capfd, "check", folder).output.splitlines()[:-1]
    assert len(lines) == 5
    names = ("a", "is", "link", "the", "of/size")
    subjects = {name for name in names if any(re.search(rf"(^|/|::|of ){name}\b[: ]", line) for line in lines)}
    assert subjects == {"a", "is", "link", "the", "of/size"}, lines


def test_a_damaged_manifest_is_told_once(tmp_path: Path, capfd: Capture) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    places, flipped = Layout(path), tmp_path / "flipped.zip"
    for at in sorted(places.manifest)[::60]:
        flipped.write_bytes(places.flipped(at))
        ran = film_archive(capfd, "check", flipped)
        assert ran.status == 11
        assert sum("manifest" in line for line in ran.output.splitlines()) == 1, ran.output


def test_a_directory_that_gives_the_manifest_another_method(tmp_path: Path, capfd: Capture) -> None:
    """One flipped bit makes it Deflate64, which is damage in an archive of ours and not a method to be unpacked by others."""
    path = make_archive(tmp_path / "archive.zip", FIRST)
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\1\2")
    assert data[entry + 10] == 8
    data[entry + 10] = 9
    path.write_bytes(data)
    ran = film_archive(capfd, "check", path)
    assert ran.status == 11
    assert "7z" not in ran.output
    assert film_archive(capfd, "repair", path).status == 0
    assert film_archive(capfd, "check", path).status == 0


def zip_of(path: Path, data: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a.bin", data)
    return path


def test_what_is_said_of_other_programs_zips(tmp_path: Path, capfd: Capture) -> None:
    """`repair` is no way for these, so nothing leads there."""
    whole = zip_of(tmp_path / "whole.zip", bytes(5000)).read_bytes()
    for name, data in (("cut.zip", whole[:-30]), ("payload.zip", whole.replace(bytes(5000), bytes(4999) + b"1"))):
        place = tmp_path / name
        place.write_bytes(data)
        for verb in ("check", "ls"):
            ran = film_archive(capfd, verb, place)
            assert "repair" not in ran.output + ran.errors
        ran = film_archive(capfd, "check", place)
        assert (ran.status, "get it again" in ran.output) == (11, True)
        assert film_archive(capfd, "check", place, "--json").document["foreign"] is True
    assert film_archive(capfd, "check", make_archive(tmp_path / "ours.zip", FIRST), "--json").document["foreign"] is False


def test_the_parts_of_a_split_zip(tmp_path: Path, capfd: Capture) -> None:
    """As `zip -s` and `7z -v` make them: no bombs, and nothing that is damaged."""
    whole = zip_of(tmp_path / "whole.zip", noise(5000)).read_bytes()
    end = whole.rindex(b"PK\5\6")
    last = bytearray(whole[2000:])
    last[end - 2000 + 4 : end - 2000 + 8] = b"\1\0\1\0"
    parts = {"a.z01": b"PK\7\x08" + whole[:2000], "a.zip": bytes(last), "a.z02": whole[1000:2000],
             "b.zip.001": whole[:2000], "b.zip.002": whole[2000:]}  # fmt: skip
    for name, data in parts.items():
        (tmp_path / name).write_bytes(data)
        for verb in ("check", "ls", "repair"):
            ran = film_archive(capfd, verb, tmp_path / name)
            assert (name, ran.status) == (name, 5)
            assert "over which a zip was split" in ran.errors
            assert "7z x" in ran.errors
            assert "bomb" not in ran.errors
    assert "the last of 2 files" in film_archive(capfd, "ls", tmp_path / "a.zip").errors


def test_sentences_say_what_to_do(tmp_path: Path, capfd: Capture) -> None:
    for name in ("empty.mov", "empty.zip"):
        (tmp_path / name).touch()
    (tmp_path / "note.txt").write_text("no archive")
    (tmp_path / "loop").symlink_to("loop")
    said = {
        ("ls", "empty.zip"): "copy it again", ("probe", "empty.mov"): "copy it again", ("check", "note.txt"): "`create`",
        ("extract", "empty.mov", "--in", "0", "--out", "1", "-o", tmp_path / "o"): "copy it again",
        ("repair", "note.txt"): "Copy it again", ("probe", "loop"): "mend the links", ("ls", "loop"): "mend the links",
        ("add", "loop", tmp_path / "note.txt"): "mend the links", ("probe", "note.txt"): "archived all the same",
        ("create", tmp_path / "new.zip", tmp_path / "loop"): "mend the links",
    }  # fmt: skip
    for (verb, name, *more), words in said.items():
        ran = film_archive(capfd, verb, tmp_path / name, *more)
        assert ran.status != 0
        assert words in ran.output + ran.errors, (verb, name)


def test_damage(tmp_path: Path, capfd: Capture) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    data = bytearray(path.read_bytes())
    data[data.index(FIRST["footage/a.mov"])] ^= 1
    path.write_bytes(data)
    ran = film_archive(capfd, "check", path, "--json")
    assert ran.status == 11
    assert [(problem["path"], problem["kind"]) for problem in ran.document["problems"]] == [("footage/a.mov", "damaged")]


def test_files_of_a_folder_archive_that_are_no_members_are_told(tmp_path: Path, capfd: Capture) -> None:
    folder = write_tree(tmp_path / "card", {"a.txt": b"a", "sub/b.txt": b"b"})
    (folder / os.fsdecode(b"\xe9.txt")).write_bytes(b"not UTF-8")
    (folder / "empty").mkdir()
    assert film_archive(capfd, "create", "--proxies", "none", "--in-place", folder).status == 0
    whole = film_archive(capfd, "check", folder, "--json")
    assert (whole.status, whole.document["unlisted"], whole.document["first_unlisted"]) == (0, 0, None)
    (folder / "sub" / "new.mov").write_bytes(b"new")
    one = film_archive(capfd, "check", folder)
    assert "note: 1 file in the folder (the first: sub/new.mov) is no member and was not checked" in one.output
    (folder / "zz").mkdir()
    (folder / "zz" / "later.mov").write_bytes(b"later")
    ran = film_archive(capfd, "check", folder)
    assert ran.status == 0
    assert "note: 2 files in the folder (the first: sub/new.mov) are no members and were not checked" in ran.output
    assert film_archive(capfd, "add", "--proxies", "none", folder, folder / "sub" / "new.mov", folder / "zz").status == 0
    assert film_archive(capfd, "check", folder, "--json").document["unlisted"] == 0
