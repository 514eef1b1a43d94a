"""create, add, ls, check, repair, unpack: what they print, and what they end with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from film_archive.archive.reader import open_archive
from film_archive.core import files
from film_archive.core.manifest import member_line
from film_archive.core.member import Member, Role
from tests.archive.making import Layout, make_two_generations, sealed_zip
from tests.cli.running import film_archive
from tests.workflows.making import sources, tree, write_tree

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def media(tmp_path: Path) -> Path:
    return sources(tmp_path / "media", size=2000)


@pytest.fixture
def archive(tmp_path: Path, media: Path, capfd: Capture) -> Path:
    path = tmp_path / "archive.zip"
    assert film_archive(capfd, "create", path, media).status == 0
    return path


def test_create(tmp_path: Path, media: Path, capfd: Capture) -> None:
    path = tmp_path / "archive.zip"
    plan = film_archive(capfd, "create", path, media, "--dry-run", "--json")
    assert plan.status == 0
    assert not path.exists()
    assert {step["member"] for step in plan.document["plan"]["steps"]} >= {"media/zero", "media/card/01.bin"}
    assert "Would archive" in film_archive(capfd, "create", path, media, "--dry-run").output
    made = film_archive(capfd, "create", path, media, "--json")
    assert made.status == 0
    assert made.document.keys() >= {"archive", "members", "bytes", "proxies", "seconds"}
    assert made.document["bytes"] >= plan.document["bytes"]
    again = film_archive(capfd, "create", path, media, "--json")
    assert again.status == again.document["error"]["status"] == 4
    assert "exists already" in again.errors
    assert again.errors.count("\n") == 1


def test_create_of_nothing(tmp_path: Path, capfd: Capture) -> None:
    for arguments, status in (
        ((), 2),
        ((tmp_path / "a.zip",), 2),
        ((tmp_path / "a.zip", tmp_path / "nothing"), 3),
        (("--in-place", tmp_path, tmp_path / "a.zip"), 2),
        (("--in-place", tmp_path / "nothing"), 3),
        (("--unknown",), 2),
        ((tmp_path / "a.zip", "/dev/null"), 5),
    ):
        ran = film_archive(capfd, "create", *arguments)
        assert ran.status == status, (arguments, ran)
        assert ran.output == ""
        assert ran.errors
        assert film_archive(capfd, "create", *arguments, "--json").document["error"]["status"] == status
    assert list(tmp_path.iterdir()) == []


def test_add(tmp_path: Path, archive: Path, capfd: Capture) -> None:
    more = write_tree(tmp_path / "more", {"b": b"b"})
    assert film_archive(capfd, "add", archive, more, "--dry-run", "--json").document["bytes"] == 1
    before = archive.read_bytes()
    assert film_archive(capfd, "add", archive, more, "--dry-run").status == 0
    assert archive.read_bytes() == before
    made = film_archive(capfd, "add", archive, more, "--json").document
    assert made["generation"] == 2
    assert film_archive(capfd, "add", archive, more).status == 4
    assert film_archive(capfd, "add", tmp_path / "none.zip", more).status == 3
    assert film_archive(capfd, "add", archive, tmp_path / "nothing").status == 3
    with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as foreign:
        foreign.writestr("a", b"a")
    ran = film_archive(capfd, "add", tmp_path / "foreign.zip", more)
    assert (ran.status, "make an archive of its files" in ran.errors) == (5, True)


def test_ls(archive: Path, capfd: Capture) -> None:
    document = film_archive(capfd, "ls", archive, "--json").document
    members = {member["path"]: member for member in document["members"]}
    assert members["media/card/01.bin"].keys() >= {"path", "role", "size", "offset", "digests", "media", "proxies"}
    assert members["media/zero"]["size"] == 0
    assert members["media/plates/a.%04d.bmp"]["sequence"]["count"] == 6
    assert members["media/link"]["target"] == "card/01.bin"
    text = film_archive(capfd, "ls", archive)
    assert "media/card/01.bin" in text.output
    assert ".film-archive" not in text.output
    assert ".film-archive/format" in film_archive(capfd, "ls", archive, "--all").output
    assert text.output.splitlines()[-1].startswith("15 members")


def test_ls_of_what_is_no_archive(tmp_path: Path, media: Path, capfd: Capture) -> None:
    for path, status in ((tmp_path / "none", 3), (media / "zero", 3), (media, 3)):
        ran = film_archive(capfd, "ls", path, "--json")
        assert ran.status == ran.document["error"]["status"] == status


def test_ls_of_names_that_would_move_the_cursor(tmp_path: Path, capfd: Capture) -> None:
    names = ["\x1b[2Jgone", "new\nline", "\u202eright to left", "👩\u200d🎤", "ünï", "a\u00a0b", "\x7f"]
    with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as foreign:
        for name in names:
            foreign.writestr(name, b"")
    ran = film_archive(capfd, "ls", tmp_path / "foreign.zip")
    assert ran.status == 0
    assert len(ran.output.splitlines()) == len(names) + 1
    assert not set(ran.output) & {"\x1b", "\u202e", "\x7f"}
    assert "\\x1b[2Jgone" in ran.output
    assert "👩\u200d🎤" in ran.output
    found = film_archive(capfd, "ls", tmp_path / "foreign.zip", "--json").document
    assert [member["path"] for member in found["members"]] == names


def test_an_error_in_the_middle_of_a_list_is_one_document(tmp_path: Path, capfd: Capture) -> None:
    line = member_line(Member.make("a", Role.ORIGINAL, 0))[:-1]
    path = sealed_zip(tmp_path / "hostile.zip", [line, line.replace(b"a", b"b", 1), b"{}"])
    ran = film_archive(capfd, "ls", path, "--json")
    assert ran.status == 11
    assert len(ran.document["members"]) == 1
    assert ran.document["error"]["status"] == 11
    assert film_archive(capfd, "ls", path).status == 11


def test_check_and_repair(tmp_path: Path, archive: Path, capfd: Capture) -> None:
    good = film_archive(capfd, "check", archive, "--json")
    assert (good.status, good.document["ok"], good.document["problems"]) == (0, True, [])
    assert good.document["members_checked"] == 16
    assert "all as it was" in film_archive(capfd, "check", archive).output
    assert "Nothing was wrong" in film_archive(capfd, "repair", archive).output
    whole = archive.read_bytes()
    damaged = bytearray(whole)
    damaged[-30] ^= 1
    archive.write_bytes(damaged)
    bad = film_archive(capfd, "check", archive, "--json")
    assert (bad.status, bad.document["ok"]) == (11, False)
    assert bad.document["problems"][0].keys() >= {"path", "what"}
    assert film_archive(capfd, "repair", archive, "--dry-run", "--json").document["would"][0].startswith("build")
    assert archive.read_bytes() == damaged
    mended = film_archive(capfd, "repair", archive, "--json")
    assert (mended.status, mended.document["lost"], mended.document["generation"]) == (0, [], 1)
    assert archive.read_bytes() == whole


def test_check_of_what_is_cut_or_no_archive(tmp_path: Path, archive: Path, capfd: Capture) -> None:
    cut = tmp_path / "cut.zip"
    cut.write_bytes(archive.read_bytes()[:-1])
    ran = film_archive(capfd, "check", cut, "--json")
    assert (ran.status, ran.document["ok"], ran.document["problems"][0]["path"]) == (11, False, "archive")
    assert film_archive(capfd, "check", tmp_path / "none").status == 3
    assert film_archive(capfd, "check", archive.parent / "media" / "zero").status == 3


def test_repair_that_loses_something_ends_with_12(tmp_path: Path, capfd: Capture) -> None:
    path = make_two_generations(tmp_path / "archive.zip")
    layout = Layout(path)
    path.write_bytes(layout.flipped(min(layout.manifest) + 100))
    ran = film_archive(capfd, "repair", path)
    assert ran.status == 12
    assert "lost: .film-archive/manifest.jsonl" in ran.output
    assert film_archive(capfd, "check", path).status == 0
    assert film_archive(capfd, "repair", tmp_path / "none.zip").status == 3


def test_unpack(tmp_path: Path, archive: Path, media: Path, capfd: Capture) -> None:
    out = tmp_path / "out"
    plan = film_archive(capfd, "unpack", archive, out, "--dry-run", "--json").document
    assert {step["member"] for step in plan["plan"]["steps"]} >= {"media/zero", "media/plates/a.1003.bmp"}
    assert not out.exists()
    assert "Would write" in film_archive(capfd, "unpack", archive, out, "--dry-run").output
    done = film_archive(capfd, "unpack", archive, out, "--json")
    assert done.status == 0
    assert tree(out / "media") == tree(media)
    again = film_archive(capfd, "unpack", archive, out)
    assert (again.status, "were there already" in again.output) == (0, True)
    (out / "media" / "zero").write_bytes(b"mine")
    assert film_archive(capfd, "unpack", archive, out).status == 4
    one = film_archive(capfd, "unpack", archive, tmp_path / "one", "-m", "media/zero")
    assert (one.status, list(tree(tmp_path / "one"))) == (0, ["media", "media/zero"])
    assert film_archive(capfd, "unpack", archive, tmp_path / "two", "-m", "nothing").status == 3
    assert not (tmp_path / "two").exists()


def test_unpack_of_a_damaged_member_ends_with_11(tmp_path: Path, archive: Path, capfd: Capture) -> None:
    document = film_archive(capfd, "ls", archive, "--json").document
    offset = next(member["offset"] for member in document["members"] if member["path"] == "media/card/05.bin")
    with archive.open("r+b") as file:
        file.seek(offset)
        file.write(b"damage")
    ran = film_archive(capfd, "unpack", archive, tmp_path / "out", "--json")
    assert ran.status == 11
    assert [failed["path"] for failed in ran.document["failed"]] == ["media/card/05.bin"]
    assert not (tmp_path / "out" / "media" / "card" / "05.bin").exists()
    assert (tmp_path / "out" / "media" / "card" / "06.bin").exists()


def test_in_place(tmp_path: Path, media: Path, capfd: Capture) -> None:
    assert film_archive(capfd, "create", "--in-place", media, "--json").status == 0
    assert film_archive(capfd, "check", media).status == 0
    assert film_archive(capfd, "ls", media, "--json").document["generation"] == 1
    write_tree(media, {"new": b"new"})
    assert film_archive(capfd, "add", media, media, "--json").document["generation"] == 2
    assert film_archive(capfd, "repair", media).status == 0
    assert film_archive(capfd, "unpack", media, tmp_path / "out").status == 0
    assert (tmp_path / "out" / "new").read_bytes() == b"new"


def test_abandon(tmp_path: Path, media: Path, capfd: Capture) -> None:
    target = tmp_path / "archive.zip"
    assert film_archive(capfd, "create", target, "--abandon", "--json").document["abandoned"] is False
    files.temporary_name(target, "work").write_bytes(b"unfinished")
    assert "Removed" in film_archive(capfd, "create", target, "--abandon").output
    assert [place.name for place in tmp_path.iterdir()] == ["media"]


# Whole processes


def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from film_archive.cli.main import run; run()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, timeout=120, **options)  # type: ignore[call-overload,no-any-return]


def test_the_program(tmp_path: Path, media: Path) -> None:
    target = tmp_path / "archive.zip"
    done = run("create", target, media, "--json", "--proxies", "none")
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["members"] == 16
    assert run("check", target).returncode == 0
    refused = run("create", target, media)
    assert (refused.returncode, refused.stdout) == (4, b"")
    assert refused.stderr.count(b"\n") == 1
    assert run("create").returncode == 2


def test_a_reader_that_goes_away(archive: Path) -> None:
    """As with `| head -1`: no traceback, no complaint of the interpreter."""
    command = f"{sys.executable} -c 'from film_archive.cli.main import run; run()' ls {archive} --json"
    for pipe in ("head -c 10", "true"):
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command} | {pipe}"], capture_output=True, check=False, timeout=60
        )
        assert done.stderr == b""
        assert done.returncode == 0


def closed_pipe() -> int:
    """The end of a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("closed", ["stdout", "stderr", "both"])
def test_a_reader_that_goes_away_hides_no_failure(tmp_path: Path, archive: Path, closed: str) -> None:
    """`check | head` of a damaged archive is as good a check as any; and a create does its work to the end."""
    data = bytearray(archive.read_bytes())
    data[5000] ^= 1
    damaged, made = tmp_path / "damaged.zip", tmp_path / "made.zip"
    damaged.write_bytes(data)
    commands = [
        (("check", damaged), 11), (("check", damaged, "--json"), 11), (("check", archive), 0), (("ls", archive), 0),
        (("check", tmp_path / "none"), 3), (("create", made, archive), 0), (("create", made, archive), 4), (("--help",), 0),
        (("--version",), 0), (("check",), 2),
    ]  # fmt: skip
    for arguments, status in commands:
        pipe = closed_pipe()
        streams = {name: subprocess.PIPE if closed not in (name, "both") else pipe for name in ("stdout", "stderr")}
        command = [sys.executable, "-c", "from film_archive.cli.main import run; run()", *map(str, arguments)]
        done = subprocess.run(command, check=False, timeout=60, **streams)  # type: ignore[call-overload]
        os.close(pipe)
        assert (arguments, done.returncode) == (arguments, status)
        assert b"Traceback" not in (done.stderr or b"")
        assert b"Exception ignored" not in (done.stderr or b"")
    with open_archive(made) as whole:
        assert whole.header is not None
    full = "exec {} -c 'from film_archive.cli.main import run; run()' check {} > /dev/full"
    for path, status in ((archive, 6), (damaged, 11)):
        done = subprocess.run(["bash", "-c", full.format(sys.executable, path)], capture_output=True, check=False, timeout=60)
        assert (done.returncode, done.stderr.count(b"\n")) == (status, 1)


def test_a_terminal_that_can_not_show_a_name(tmp_path: Path) -> None:
    media = write_tree(tmp_path / "media", {"近藤 🎬": b""})
    os.close(os.open(os.fsencode(media) + b"/\xff", os.O_CREAT | os.O_WRONLY))
    target = tmp_path / "archive.zip"
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    assert run("create", target, media, "--proxies", "none", env=environment).returncode == 0
    done = run("ls", target, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\u8fd1" in done.stdout
    assert run("ls", os.fsdecode(b"\xfe"), env=environment).returncode == 3
