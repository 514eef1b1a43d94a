"""Every verb with everything that is no archive and no media: the right status, one sentence, and nothing left behind."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from film_archive.testing.media import ClipSpec, make_clip
from film_archive.testing.wave import WaveSpec, make_wave
from tests.cli.running import film_archive
from tests.core.test_errors import in_a_lock
from tests.workflows.making import create, write_tree

Capture = pytest.CaptureFixture[str]

LONG = "a" * 251 + ".mov"
TOO_LONG = "a" * 256
RAW = os.fsdecode(b"\xff\xfe.mov")


def place(folder: Path, what: str) -> str:
    """Something to name on the command line."""
    path = folder / what
    match what:
        case "folder":
            path.mkdir()
            (path / "notes.txt").write_text("no media")
        case "pipe":
            os.mkfifo(path)
        case "device":
            return "/dev/null"
        case "loop":
            path.symlink_to("loop")
        case "zero":
            path.touch()
        case "denied":
            path.write_bytes(b"secret")
            path.chmod(0)
        case "below a file":
            (folder / "file").touch()
            return str(folder / "file" / "below")
        case "text.mov":
            path.write_text("this is no film, whatever it is called")
        case "missing":
            return str(path)
        case "empty":
            return ""
        case name:
            (folder / name).write_bytes(b"no media")
            return str(folder / name)
    return str(path)


def commands(what: str, folder: Path) -> dict[str, tuple[object, ...]]:
    """Each verb with something as what it reads."""
    out = folder / "out"
    return {
        "probe": ("probe", what),
        "create": ("create", out / "new.zip", what),
        "create --in-place": ("create", "--in-place", what),
        "create onto": ("create", f"{what}/new.zip" if what else "", folder / "media"),
        "add to": ("add", what, folder / "media"),
        "add": ("add", folder / "archive.zip", what),
        "ls": ("ls", what),
        "check": ("check", what),
        "repair": ("repair", what),
        "unpack": ("unpack", what, out / "unpacked"),
        "unpack into": ("unpack", folder / "archive.zip", what),
        "proxy": ("proxy", what, "-o", out),
        "proxy attach to": ("proxy", "attach", what, folder / "media" / "a.bin", "-o", out),
        "proxy --lut": ("proxy", folder / "archive.zip", "--lut", what),
        "edl": ("edl", what),
        "create --timeline": ("create", out / "new.zip", folder / "media", "--timeline", what),
        "extract": ("extract", what, "--in", "01:00:00:00", "--out", "01:00:00:01", "-o", out / "cut.mov"),
        "pull": ("pull", what, folder / "media", "-o", out / "pulled", "--rate", "24"),
        "serve": ("serve", what, "--host", "203.0.113.1"),  # refused last of all: nothing is served by mistake
        "demo": ("demo", what),
    }


FILES = ("zero", "text.mov", LONG, RAW)
STATUS: dict[str, dict[str, int]] = {
    "missing": dict.fromkeys(("create onto",), 3) | {"unpack into": 0, "serve": 3, "demo": -1},
    "folder": {
        "probe": 5,
        "create": 0,
        "create --in-place": 0,
        "create onto": 0,
        "add": 0,
        "unpack into": 0,
        "proxy": 5,
        "proxy attach to": 5,
        "proxy --lut": 5,
        "create --timeline": 4,
        "serve": 4,
        "demo": 4,
    },
    "pipe": {"create --in-place": 3, "create onto": 3, "unpack into": 4, "create --timeline": 4, "demo": 4},
    "device": {"create --in-place": 3, "create onto": 3, "unpack into": 4, "create --timeline": 4, "demo": 4},
    "loop": {"create onto": 3, "create --in-place": 3},
    "denied": {"create --in-place": 3, "create onto": 3, "unpack into": 4, "demo": 4},
    "below a file": {"create onto": 3, "unpack into": 4, "demo": 3},
    TOO_LONG: {"create onto": 3},
    **{
        name: {
            "probe": 5,
            "create": 0,
            "create --in-place": 3,
            "create onto": 3,
            "add": 0,
            "unpack into": 4,
            "repair": 11,
            "edl": 12,
            "create --timeline": 11,
            "proxy": 5,
            "proxy attach to": 5,
            "proxy --lut": 2,
            "extract": 5,
            "serve": 4,
            "demo": 4,
        }
        for name in FILES
    },
    "empty": {},
}
"""What a verb ends with, where it is not what the thing itself is answered with."""
USUAL = {
    "missing": 3, "folder": 3, "pipe": 5, "device": 5, "loop": 4, "denied": 4, "below a file": 3, TOO_LONG: 5, "empty": 2,
    **dict.fromkeys(FILES, 3),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tree(tmp_path / "media", {"a.bin": b"a"})
    create(tmp_path / "archive.zip", tmp_path / "media")
    (tmp_path / "out").mkdir()
    return tmp_path


def as_nobody() -> bool:
    """Whether tests of permissions mean something: root may do all."""
    return os.geteuid() == 0


VERBS = tuple(commands("", Path()))


@pytest.mark.parametrize("what", USUAL, ids=lambda what: what[:20].encode("ascii", "backslashreplace").decode())
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb(folder: Path, capfd: Capture, verb: str, what: str) -> None:
    named = str(folder / what) if what == TOO_LONG else place(folder, what)
    expected = STATUS[what].get(verb, USUAL[what])
    if expected < 0:
        pytest.skip("this is what the verb is for")
    command = [os.fspath(argument) if isinstance(argument, Path) else argument for argument in commands(named, folder)[verb]]
    before = set(folder.rglob("*"))
    if what == "denied" and as_nobody():
        os.chown(folder, 65534, 65534)
        os.chown(folder / "out", 65534, 65534)
        for above in folder.parents[:3]:
            above.chmod(0o755)
        os.seteuid(65534)
    try:
        ran = film_archive(capfd, *command)
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
    assert ran.status == expected, ran
    if (verb, expected) in (("probe", 5), ("edl", 12)):
        return  # what it found is what it prints
    if expected:
        assert ran.errors.count("\n") <= 1, ran
        said = ran.errors or ran.output
        assert said.count(". ") + said.count("; ") <= 4, said
        assert "Traceback" not in said
        assert "None" not in said
        left = set(folder.rglob("*")) - before
        assert not left, left


def test_nothing_stays_open(folder: Path, capfd: Capture) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("the system does not tell which files are open")
    for what in ("zero", "folder", "pipe", "text.mov"):
        named = place(folder, what)
        for verb in ("ls", "check", "repair", "unpack", "proxy", "extract", "add to"):
            film_archive(capfd, *commands(named, folder)[verb])
            before = count()
            film_archive(capfd, *commands(named, folder)[verb])
            assert count() == before, (verb, what)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > count()


@pytest.mark.parametrize(
    "arguments",
    [("probe", ""), ("unpack", "a.zip", ""), ("ls", ""), ("proxy", "a.mov", "--output="), ("create", "a.zip", "a", "")],
)
def test_an_empty_argument_is_wrong_usage(tmp_path: Path, capfd: Capture, arguments: tuple[str, ...]) -> None:
    ran = film_archive(capfd, *arguments, "--json")
    assert (ran.status, ran.document["error"]["status"]) == (2, 2)
    assert "empty" in ran.errors


def test_one_folder_that_can_not_be_read(tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    card = tmp_path / "card"
    (card / "locked").mkdir(parents=True)
    make_wave(WaveSpec(name="a", samples=480), card)
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    ran = film_archive(capfd, "probe", card, "--json")
    assert ran.status == 12
    assert [Path(clip["path"]).name for clip in ran.document["media"]] == ["a.wav"]
    assert [(Path(failed["path"]).name, failed["status"]) for failed in ran.document["failed"]] == [("locked", 4)]
    assert film_archive(capfd, "probe", card).output.count(str(card / "locked")) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("json", [(), ("--json",)])
def test_output_that_can_not_be_written(json: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("there")
    command = [sys.executable, "-c", "from film_archive.cli.main import run; run()", "create", "a.zip", "a.txt", *json]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, cwd=tmp_path, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 6
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_an_archive_s_own_name_is_no_source(tmp_path: Path, capfd: Capture) -> None:
    """Neither may a file of the user's stand where an archive keeps its own, nor be left out without a word."""
    for name in (".film-archive", ".Film-Archive"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "manifest.jsonl").write_text("mine")
        done = film_archive(capfd, "create", tmp_path / "a.zip", folder)
        assert done.status == 4
        assert "keeps its own data" in done.errors
        assert not (tmp_path / "a.zip").exists()
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / ".Film-Archive").mkdir()
    assert film_archive(capfd, "create", "--in-place", tmp_path / "card").status == 4
    (tmp_path / "card" / ".Film-Archive").rmdir()
    (tmp_path / "card" / ".my.film-archive-notes.txt").write_text("keep me")
    (tmp_path / "card" / ".c.zip.film-archive-work").write_text("ours")
    made = film_archive(capfd, "create", tmp_path / "b.zip", tmp_path / "card", "--json").document
    assert [left["path"].rpartition("/")[2] for left in made["left_out"]] == [".c.zip.film-archive-work"]
    listed = film_archive(capfd, "ls", tmp_path / "b.zip", "--json").document["members"]
    assert "card/.my.film-archive-notes.txt" in [member["path"] for member in listed]


def test_real_media_with_the_longest_names(tmp_path: Path, capfd: Capture) -> None:
    clip = make_clip(ClipSpec(name="a", width=96, height=54, frames=3), tmp_path)
    card = tmp_path / "card"
    card.mkdir()
    for length in (248, 249, 251):
        (card / ("n" * length + ".mov")).write_bytes(clip.read_bytes())
    assert film_archive(capfd, "probe", card).status == 0
    made = film_archive(capfd, "create", tmp_path / "a.zip", card, "--proxies", "thumbnail", "--json").document
    assert (made["proxies"], made["warnings"]) == (3, [])


def test_what_is_called_media_and_is_none_is_told(tmp_path: Path, capfd: Capture) -> None:
    card = tmp_path / "card"
    card.mkdir()
    (card / "empty.mov").touch()
    (card / "text.mov").write_text("no movie")
    (card / "notes.txt").touch()
    for number in range(3):
        (card / f"shot.{number:04}.dpx").write_bytes(b"garbage")
    made = film_archive(capfd, "create", tmp_path / "a.zip", card, "--json").document
    assert len(made["warnings"]) == 3
    assert all(any(name in warning for warning in made["warnings"]) for name in ("empty.mov", "text.mov", "shot."))


def test_ctrl_c_within_a_lock_is_ctrl_c(tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("film_archive.workflows.listing.list_members", lambda *arguments, **options: in_a_lock(KeyboardInterrupt))
    done = film_archive(capfd, "ls", tmp_path)
    assert (done.status, done.errors) == (130, "film-archive: Stopped; nothing unfinished was left.\n")


def test_what_can_not_be_archived_ends_with_12_and_our_own_leftovers_do_not(tmp_path: Path, capfd: Capture) -> None:
    card = tmp_path / "card"
    card.mkdir()
    (card / "a.txt").write_text("a")
    (card / ".x.zip.film-archive-journal").write_text("ours")
    archive = tmp_path / "a.zip"
    made = film_archive(capfd, "create", archive, card)
    assert made.status == 0
    assert f"note: {card}/.x.zip.film-archive-journal is an unfinished file" in made.output

    more = tmp_path / "more"
    more.mkdir()
    (more / "b.txt").write_text("b")
    os.mkfifo(more / "pipe")
    (more / ".x.zip.film-archive-journal").write_text("ours")
    for arguments in (("create", tmp_path / "b.zip", more), ("add", archive, more)):
        planned = film_archive(capfd, *arguments, "--dry-run")
        assert planned.status == film_archive(capfd, *arguments, "--dry-run", "--json").status == 12
        assert f"left out: {more}/pipe is a pipe (FIFO)" in planned.output
        done = film_archive(capfd, *arguments, "--json")
        assert done.status == 12
        assert {Path(left["path"]).name: left["ours"] for left in done.document["left_out"]} == {
            ".x.zip.film-archive-journal": True,
            "pipe": False,
        }
        assert film_archive(capfd, "check", arguments[1]).status == 0

    (card / ".film-archive").mkdir()
    (card / ".film-archive" / "manifest.jsonl").write_text("another's")
    assert film_archive(capfd, "create", tmp_path / "c.zip", card).status == 12


def test_extract_into_a_folder_that_is_not_there(tmp_path: Path, capfd: Capture) -> None:
    clip = make_clip(ClipSpec(name="a", width=96, height=54, frames=3), tmp_path)
    for more in ((), ("--dry-run",)):
        done = film_archive(capfd, "extract", clip, "--in", "0", "--out", "1", "-o", tmp_path / "nodir" / "e.mov", *more)
        assert done.status == 3
        assert f"There is no folder {tmp_path}/nodir to put e.mov into; make it" in done.errors


@pytest.mark.parametrize("verb", ["probe", "ls", "check", "repair", "serve"])
def test_what_is_not_there_is_told_with_what_to_do(tmp_path: Path, capfd: Capture, verb: str) -> None:
    done = film_archive(capfd, verb, tmp_path / "none.zip")
    assert done.status == 3
    assert "No such file or directory; look for its name" in done.errors + done.output
