"""`probe` of folders and of the archives that were made of them: the same clips."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from film_archive.archive.reader import open_archive
from film_archive.workflows.listing import list_members
from film_archive.workflows.probing import probe_all
from film_archive.workflows.production import add_to_archive, create_archive
from film_archive.workflows.unpacking import unpack_archive
from tests.cli.running import film_archive
from tests.media import making
from tests.workflows.making import check, contents

RED = "card/A001_C003_1204R5.RDC/A001_C003_1204R5"


def make_card(folder: Path, parts: tuple[int, ...] = (1, 2, 3)) -> Path:
    """A card with a spanned recording, a sequence from -2 to 1, and two shots of one name."""
    card = folder / "card"
    red = card / "A001_C003_1204R5.RDC"
    red.mkdir(parents=True, exist_ok=True)
    for part in parts:
        name = f"A001_C003_1204R5_{part:03d}.R3D"
        red.joinpath(name).write_bytes(making.r3d(name))
    for name in ("neg/a.-002", "neg/a.-001", "neg/a.0000", "neg/a.0001", *(f"two/b.{n:04d}" for n in (1, 2, 500, 501))):
        place = card / f"{name}.dpx"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(making.image("dpx") + name.encode())
    return card


@pytest.mark.parametrize("in_place", [False, True])
def test_a_folder_and_its_archive_have_the_same_clips(tmp_path: Path, in_place: bool) -> None:
    card = make_card(tmp_path)
    on_disk = probe_all([str(card)])
    target = card if in_place else tmp_path / "a.zip"
    above = "" if in_place else "card/"
    made = create_archive(target, () if in_place else [card], in_place=in_place, proxies=())
    in_archive = probe_all([str(target)])
    assert made.clips == len(on_disk.media) == len(in_archive.media) == 4
    assert (on_disk.failed, in_archive.failed) == ((), ())
    assert [each.facts.frames for each in on_disk.media] == [each.facts.frames for each in in_archive.media] == [None, 4, 2, 2]
    with list_members(target) as listing:
        clips = [member for member in listing.members if member.media is not None]
    first = f"{RED}_001.R3D".removeprefix("" if above else "card/")
    assert [member.path for member in clips] == [
        first, f"{above}neg/a.%04d.dpx", f"{above}two/b.%04d.dpx", f"{above}two/b.500-501%04d.dpx",
    ]  # fmt: skip
    assert clips[0].parts == tuple(first.replace("_001.", f"_00{number}.") for number in (1, 2, 3))
    with open_archive(target) as archive:
        assert [archive.member(path).part_of for path in clips[0].parts] == [None, first, first]
    assert check(target).ok
    unpack_archive(target, tmp_path / "out")
    for place in card.rglob("*"):
        if place.is_file() and ".film-archive" not in place.parts:
            assert (tmp_path / "out" / above / place.relative_to(card)).read_bytes() == place.read_bytes()


def test_the_parts_of_a_clip_are_named(tmp_path: Path) -> None:
    card = make_card(tmp_path)
    create_archive(tmp_path / "a.zip", [card], proxies=())
    on_disk, in_archive = (probe_all([str(where)]).to_json()["media"][0] for where in (card, tmp_path / "a.zip"))
    assert on_disk["parts"] == [f"{tmp_path}/{RED}_00{number}.R3D" for number in (1, 2, 3)]
    assert in_archive["parts"] == [f"{tmp_path}/a.zip::{RED}_00{number}.R3D" for number in (1, 2, 3)]
    told = "it is spanned over 3 files; these are the facts of the first"
    assert told in on_disk["diagnostics"]
    assert told in in_archive["diagnostics"]
    named = probe_all([in_archive["path"], f"{tmp_path}/a.zip::card/neg/a.%04d.dpx"])
    assert [each.facts.frames for each in named.media] == [None, 4]
    assert list(named.media[0].parts) == in_archive["parts"]


def test_a_part_that_comes_later_is_tied_to_the_first(tmp_path: Path) -> None:
    target = tmp_path / "a.zip"
    create_archive(target, [make_card(tmp_path, (1, 2))], proxies=())
    add_to_archive(target, [make_card(tmp_path / "more", (3,)) / "A001_C003_1204R5.RDC"], proxies=())
    assert len(probe_all([str(target)]).media) == 5, "it came in under another folder, and is a clip of its own"
    late = tmp_path / "late" / "card"
    make_card(tmp_path / "late", (4,))
    for name in ("neg", "two"):
        for place in (late / name).iterdir():
            place.unlink()
    made = add_to_archive(target, [late], proxies=())
    assert made.clips == 0
    found = probe_all([str(target)])
    assert len(found.media) == 5
    assert [part.rpartition("_")[2] for part in found.media[0].parts] == ["001.R3D", "002.R3D", "004.R3D"]
    assert len(contents(target)) == 4 + 8 + 1


def test_a_part_that_is_damaged_is_told(tmp_path: Path) -> None:
    card = make_card(tmp_path)
    broken = card / "A001_C003_1204R5.RDC" / "A001_C003_1204R5_002.R3D"
    broken.write_bytes(b"")
    made = create_archive(tmp_path / "a.zip", [card], proxies=())
    assert made.clips == 4
    assert any(broken.name in warning for warning in made.warnings), made.warnings


def test_what_is_no_file_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    card = make_card(tmp_path)
    os.mkfifo(card / "neg" / "pipe.dpx")
    (card / "neg" / "link").symlink_to("/dev/null")
    (card / "neg" / "below").symlink_to(card / "two")
    found = probe_all([str(card)])
    assert (len(found.media), found.failed, found.exit_status) == (4, (), 0)
    assert [(left.path, left.reason) for left in found.left_out] == [
        (f"{card}/neg/link", "is a device"), (f"{card}/neg/pipe.dpx", "is a pipe (FIFO)"),
    ]  # fmt: skip
    made = create_archive(tmp_path / "a.zip", [card], proxies=())
    assert [left.reason for left in made.left_out] == ["is a pipe (FIFO)"], "a link is archived as one"
    assert f"left out: {card}/neg/pipe.dpx is a pipe (FIFO)" in film_archive(capfd, "probe", card).output


def test_the_media_in_another_program_s_zip(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.zip"
    with zipfile.ZipFile(foreign, "w") as archive:
        archive.writestr("a.dpx", making.image("dpx"))
        archive.writestr("b.mov", b"no movie at all")
        archive.writestr("notes.txt", b"text")
    found = probe_all([str(foreign)])
    assert [each.path for each in found.media] == [f"{foreign}::a.dpx"]
    assert [each.path for each in found.failed] == [f"{foreign}::b.mov"]
