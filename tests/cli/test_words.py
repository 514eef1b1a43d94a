"""What verbs say to people: the same numbers for the same things, paths as they were given, and nothing of what is not known."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from film_archive.core import files
from film_archive.core.errors import NoSpace
from film_archive.testing.media import ClipSpec, make_clip
from film_archive.workflows.demo import run_demo
from film_archive.workflows.extraction import extract
from tests.cli.running import film_archive
from tests.core.mounts import tmpfs
from tests.workflows.making import sources, write_tree

Capture = pytest.CaptureFixture[str]
PROGRAM = [sys.executable, "-c", "from film_archive.cli.main import run; run()"]


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A clip without a start timecode, and files of all kinds."""
    folder = sources(tmp_path / "card", size=500)
    make_clip(ClipSpec(name="a", width=96, height=54, frames=30), folder)
    return folder


def number(text: str, pattern: str) -> int:
    found = re.search(pattern, text)
    assert found is not None, text
    return int(found[1])


def test_members_are_the_same_everywhere(tmp_path: Path, card: Path, capfd: Capture) -> None:
    for named in (("create", tmp_path / "a.zip", card), ("create", "--in-place", card)):
        made = film_archive(capfd, *named, "--proxies", "64x36").output
        archive = named[1] if named[1] != "--in-place" else card
        members = number(made, r": (\d+) members, ")
        assert "1 clip and 1 proxy" in made
        assert number(film_archive(capfd, "check", archive).output, r"^(\d+) members, ") == members
        everything = film_archive(capfd, "ls", archive, "--all").output.splitlines()
        assert number(everything[-1], r"^(\d+) members \(1 clip\)") == members == len(everything) - 1
        shown = film_archive(capfd, "ls", archive).output.splitlines()
        hidden = number(shown[-1], r"; (\d+) more are our own data, hidden")
        assert len(shown) - 1 + hidden == members
        assert len(film_archive(capfd, "ls", archive, "--json").document["members"]) == members
        assert film_archive(capfd, "check", archive, "--json").document["members_checked"] == members


def test_no_start_timecode(tmp_path: Path, card: Path, capfd: Capture) -> None:
    said = film_archive(capfd, "probe", card / "a.mov").output
    assert "30 frames, no start timecode" in said
    ran = film_archive(capfd, "proxy", card / "a.mov", "-o", tmp_path / "out", "--sizes", "64x36")
    assert ran.status == 0
    assert "30 frames without a start timecode" in ran.output
    assert "None" not in ran.output
    assert "None" not in film_archive(capfd, "probe", card / "a.mov").output


def test_paths_are_said_as_they_were_given(
    tmp_path: Path, card: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert film_archive(capfd, "create", "a.zip", "card/card", "--proxies", "none").output.startswith("a.zip: ")
    assert film_archive(capfd, "add", "a.zip", "card/zero", "--proxies", "none").output.startswith("a.zip: ")
    assert film_archive(capfd, "add", "a.zip", "card/plates", "--json").document["archive"] == "a.zip"


NOTHING_TO_MEND = (
    "Nothing was wrong with the structure; nothing is to be done.\n"
    "The members' bytes were not read: `check` does that, and what it finds damaged comes from another copy.\n"
)


def test_repair_that_has_nothing_to_do(tmp_path: Path, card: Path, capfd: Capture) -> None:
    film_archive(capfd, "create", tmp_path / "a.zip", card, "--proxies", "none")
    ran = film_archive(capfd, "repair", tmp_path / "a.zip", "--dry-run")
    assert (ran.status, ran.output) == (0, NOTHING_TO_MEND)
    assert film_archive(capfd, "repair", tmp_path / "a.zip", "--dry-run", "--json").document["would"] == []


def test_unpack_says_what_it_left_out(tmp_path: Path, capfd: Capture) -> None:
    media = write_tree(tmp_path / "media", {"a": b"a"})
    (media / "out").symlink_to("/etc")
    film_archive(capfd, "create", tmp_path / "a.zip", media)
    ran = film_archive(capfd, "unpack", tmp_path / "a.zip", tmp_path / "out")
    assert ran.status == 12
    assert "left out: media/out points out of the archive" in ran.output
    assert "1 link left out" in ran.output
    document = film_archive(capfd, "unpack", tmp_path / "a.zip", tmp_path / "out2", "--json").document
    assert [left["path"] for left in document["skipped"]] == ["media/out"]


def test_a_failure_says_its_path_once(tmp_path: Path, card: Path, capfd: Capture) -> None:
    (card / "text.mov").write_text("no film")
    ran = film_archive(capfd, "probe", card)
    assert ran.status == 12
    assert ran.output.count(str(card / "text.mov")) == 1
    ran = film_archive(capfd, "proxy", card / "text.mov", card / "a.mov", "-o", tmp_path / "out", "--sizes", "64x36")
    assert ran.status == 12
    assert ran.output.count(str(card / "text.mov")) == 1


def test_a_dry_run_of_proxy(tmp_path: Path, card: Path, capfd: Capture) -> None:
    ran = film_archive(capfd, "proxy", card / "a.mov", "-o", tmp_path / "out", "--dry-run")
    assert "Would make 2 proxies of 1 clip." in ran.output
    assert not (tmp_path / "out").exists()
    assert film_archive(capfd, "proxy", card / "a.mov", "-o", tmp_path / "out", "--abandon").output.startswith("There was")


# Disks that are full


def test_a_cut_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = make_clip(ClipSpec(name="long", width=320, height=180, frames=48), tmp_path)
    with tmpfs(tmp_path / "small", "size=64k") as disk:
        with pytest.raises(NoSpace) as raised:
            extract(
                str(clip), disk / "cut.mov", in_point="00:00:00:00", out_point="00:00:02:00", start="00:00:00:00"
            )
        assert list(disk.iterdir()) == []
    said = str(raised.value)
    missing = number(said, r"about (\d+) bytes are missing")
    assert 0 < missing < clip.stat().st_size
    assert "nothing was left there. Run the same command again when there is room." in said
    assert str(disk / "cut.mov") in said


def test_the_demo_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tmpfs(tmp_path / "small", "size=256k") as disk:
        with pytest.raises(NoSpace, match=r"The demo in .* needs \d+ bytes .* \d+ bytes are missing; nothing was written"):
            run_demo(disk / "demo", lambda text: None)
        assert list(disk.iterdir()) == []
        monkeypatch.setattr(files, "require_space", lambda *arguments: None)
        with pytest.raises(NoSpace) as raised:
            run_demo(disk / "demo", lambda text: None)
        assert f"remove {disk / 'demo'}, and run it where there is room" in str(raised.value)


def test_in_place_on_a_full_disk(tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
    with tmpfs(tmp_path / "small", "size=1m") as disk:
        folder = write_tree(disk / "folder", {f"{n:03}.bin": b"x" for n in range(200)})
        monkeypatch.setattr(files, "require_space", lambda *arguments: None)
        (disk / "filling").write_bytes(bytes(files.free_space(disk) - 8192))
        ran = film_archive(capfd, "create", "--in-place", folder, "--proxies", "none")
        assert ran.status == 6
        assert "bytes are missing" in ran.errors
        assert "run the same command again when there is room, or with --abandon" in ran.errors
        (disk / "filling").unlink()
        assert film_archive(capfd, "create", "--in-place", folder, "--proxies", "none").status == 0
        assert film_archive(capfd, "check", folder).status == 0


# Serving


def test_serve_prints_one_document(tmp_path: Path) -> None:
    write_tree(tmp_path / "media", {"a.txt": b"a"})
    command = [*PROGRAM, "serve", str(tmp_path / "media"), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = ""
        while not text.rstrip().endswith("\n}"):
            line = process.stdout.readline()
            assert line, "it ended before it listened"
            text += line
        address = json.loads(text)["address"]
        deadline = time.monotonic() + 60
        while True:  # it listens; until it answers, Ctrl-C would stop its start
            try:
                urllib.request.urlopen(f"{address}healthz", timeout=10).close()
                break
            except OSError:
                assert time.monotonic() < deadline
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    document = json.loads(text)
    assert document["address"].startswith("http://127.0.0.1:")
    assert (document["roots"], document["workers"], document["needs_token"]) == ([str(tmp_path / "media")], 1, False)
    assert (process.returncode, rest) == (0, "")


def test_serve_says_what_can_not_be_served(tmp_path: Path, capfd: Capture) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for what, status in (("pipe", 5), ("loop", 4), ("missing", 3)):
        ran = film_archive(capfd, "serve", tmp_path / what, "--port", "0", "--json")
        assert ran.status == ran.document["error"]["status"] == status
        assert ran.errors.count("\n") == 1


def test_repair_tells_what_it_can_not_bring_back(tmp_path: Path, capfd: Capture) -> None:
    card = write_tree(tmp_path / "card", {"a.txt": b"a" * 50, "b.txt": b"b"})
    assert film_archive(capfd, "create", "--in-place", card).status == 0
    (card / "a.txt").unlink()
    (card / "b.txt").write_bytes(b"longer")
    planned = film_archive(capfd, "repair", card, "--dry-run")
    assert planned.status == film_archive(capfd, "repair", card, "--dry-run", "--json").status == 12
    assert "lost: a.txt: is not there" in planned.output
    ran = film_archive(capfd, "repair", card)
    assert ran.status == 12
    assert "lost: a.txt: is not there; bring it back from another copy" in ran.output
    assert "lost: b.txt: has 6 bytes instead of 1" in ran.output
    assert "Nothing was wrong" not in ran.output


def test_an_archive_is_not_added_to_itself(tmp_path: Path, capfd: Capture) -> None:
    write_tree(tmp_path / "card", {"a.txt": b"a"})
    assert film_archive(capfd, "create", tmp_path / "a.zip", tmp_path / "card").status == 0
    before = (tmp_path / "a.zip").read_bytes()
    for more in ((), ("--dry-run",)):
        ran = film_archive(capfd, "add", tmp_path / "a.zip", tmp_path / "a.zip", *more)
        assert (ran.status, "can't be added to itself" in ran.errors) == (4, True)
    assert (tmp_path / "a.zip").read_bytes() == before


def test_a_dry_run_sees_the_disk(tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(tmp_path / "card", {"a.bin": b"a" * 50_000})
    monkeypatch.setattr(files, "free_space", lambda folder: 20_000)
    ran = film_archive(capfd, "create", "--dry-run", tmp_path / "a.zip", tmp_path / "card")
    assert ran.status == 6
    assert "bytes are missing" in ran.errors
