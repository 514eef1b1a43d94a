"""Digests of frames in archives: `create --frame-digests`, `check --frames`, and cuts that are held against them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from film_archive.archive import layout
from film_archive.archive.reader import open_archive
from film_archive.core.errors import Damaged, NotFound
from film_archive.media.probe import index
from film_archive.testing.media import ClipSpec, cached_clip
from film_archive.testing.stills import SequenceSpec, cached_sequence
from film_archive.workflows.extraction import extract
from tests.cli.running import film_archive

SPEC = ClipSpec(name="A001C001", width=96, height=54, frames=24)
PLATE = SequenceSpec(name="sh", frames=6, width=96, height=54)


@pytest.fixture(params=["zip", "folder"])
def archived(request: pytest.FixtureRequest, footage: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    card = tmp_path / "card"
    card.mkdir()
    shutil.copy2(cached_clip(SPEC, footage), card)
    for path in cached_sequence(PLATE, footage):
        shutil.copy2(path, card)
    (card / "notes.txt").write_text("no clip")
    target = tmp_path / "day.zip" if request.param == "zip" else card
    place = ("--in-place", card) if request.param == "folder" else (target, card)
    assert film_archive(capfd, "create", *place, "--proxies", "none", "--frame-digests").status == 0
    return target


def clip_of(archive: Path) -> str:
    with open_archive(archive) as opened:
        return next(member.path for member in opened.originals() if member.path.endswith(".mov"))


def damage(archive: Path, member_path: str, at: int) -> None:
    """Change a byte of a member."""
    with open_archive(archive) as opened:
        member = opened.member(member_path)
    file = archive if archive.is_file() else archive / member_path
    with file.open("r+b") as opened_file:
        opened_file.seek((member.offset or 0) + at)
        byte = opened_file.read(1)
        opened_file.seek(-1, 1)
        opened_file.write(bytes([byte[0] ^ 1]))


def test_check_tells_the_frames_that_changed(archived: Path, footage: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = film_archive(capfd, "check", archived, "--frames", "--json")
    assert (whole.status, whole.document["ok"]) == (0, True)
    table = index(cached_clip(SPEC, footage))
    for number in (5, 6, 11):
        damage(archived, clip_of(archived), table.frame(number).offset + 20)
    plain = film_archive(capfd, "check", archived, "--json")
    assert plain.status == 11
    assert not any("of its 24 frames" in problem["what"] for problem in plain.document["problems"])
    told = film_archive(capfd, "check", archived, "--frames", "--json")
    assert told.status == 11
    assert [problem["what"] for problem in told.document["problems"] if "of its 24 frames" in problem["what"]] == [
        "of its 24 frames 3 changed: 5–6, 11"
    ]


def test_cuts_of_whole_frames_are_made_and_others_are_not(archived: Path, footage: Path, tmp_path: Path) -> None:
    what = f"{archived}::{clip_of(archived)}"
    assert extract(what, tmp_path / "whole.mov", in_point="0", out_point="24").frames_checked == 24
    damage(archived, clip_of(archived), index(cached_clip(SPEC, footage)).frame(7).offset + 20)
    assert extract(what, tmp_path / "before.mov", in_point="0", out_point="7").frames_checked == 7
    with pytest.raises(Damaged, match=r"frames 7 are not what was archived"):
        extract(what, tmp_path / "over.mov", in_point="3", out_point="9")
    assert not (tmp_path / "over.mov").exists()


def test_files_of_a_sequence_have_digests_anyway(archived: Path, tmp_path: Path) -> None:
    with open_archive(archived) as opened:
        sequence = next(member for member in opened.originals() if member.sequence is not None)
        paths = [member.path for member in sequence.frame_members()]
    what = f"{archived}::{sequence.path}"
    assert extract(what, tmp_path / "whole", in_point=str(PLATE.first_number), duration="6", rate="24").frames_checked == 6
    damage(archived, paths[2], 3000)
    with pytest.raises(Damaged, match=r"frames 86402 are not"):
        extract(what, tmp_path / "over", in_point=str(PLATE.first_number), duration="6", rate="24")
    assert not (tmp_path / "over").exists()


def test_without_the_option_there_are_none(footage: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "plain.zip"
    assert film_archive(capfd, "create", target, cached_clip(SPEC, footage), "--proxies", "none").status == 0
    with open_archive(target) as opened, pytest.raises(NotFound):
        opened.member(layout.sums_path(clip_of(target)))
    assert film_archive(capfd, "check", target, "--frames").status == 0
    done = extract(f"{target}::{clip_of(target)}", tmp_path / "cut.mov", in_point="0", out_point="5")
    assert done.frames_checked == 0


def test_a_killed_create_goes_on_with_them(footage: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The same command again, and `add`, write the same digests as a run in one go."""
    media = cached_clip(SPEC, footage)
    arguments = (media, "--proxies", "none", "--frame-digests")
    assert film_archive(capfd, "create", tmp_path / "one.zip", *arguments).status == 0
    (tmp_path / "other.txt").write_text("first")
    assert film_archive(capfd, "create", tmp_path / "two.zip", tmp_path / "other.txt").status == 0
    assert film_archive(capfd, "add", tmp_path / "two.zip", *arguments).status == 0
    sums = []
    for target in (tmp_path / "one.zip", tmp_path / "two.zip"):
        with open_archive(target) as opened:
            sums.append(opened.read(layout.sums_path(clip_of(target))))
    assert sums[0] == sums[1]
    assert len(sums[0]) == 16 * SPEC.frames
