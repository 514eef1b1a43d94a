"""A production's library from the cards to the discs, as commands: real media and EXIF, cards, and ten years of mess.

Nothing is mocked: cards are copied and become safe to format, a drop folder is taken in, duplicates go into quarantine and
back, folders go onto volumes and back, and the reference implementation of ASC MHL agrees with every history.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from film_archive.testing.media import ClipSpec, make_clip
from tests.cli.running import Ran, film_archive
from tests.core.mounts import image
from tests.library.test_offload import ascmhl
from tests.library.trees import snapshot, write
from tests.media.making import jpeg_with_exif

YEARS = range(2015, 2025)


def clip(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    stem, _, container = name.rpartition(".")
    codec = "h264" if container == "mp4" else "prores_422"
    spec = ClipSpec(name=stem, container=container, codec=codec, width=160, height=90, frames=5)
    return make_clip(spec, folder)


def make_cards(place: Path) -> list[Path]:
    """Three cards of three makers, with real clips."""
    sony, gopro, arri = place / "A001", place / "GOPRO", place / "B001R2EX"
    clip(sony / "PRIVATE/M4ROOT/CLIP", "C0001.mp4")
    clip(sony / "PRIVATE/M4ROOT/CLIP", "C0002.mp4")
    write(sony, {"PRIVATE/M4ROOT/CLIP/C0001M01.XML": b"<NonRealTimeMeta/>"})
    (sony / "PRIVATE/M4ROOT/SUB").mkdir()
    clip(gopro / "DCIM/100GOPRO", "GX010001.mp4")
    write(gopro, {"DCIM/100GOPRO/GX010001.THM": jpeg_with_exif()})
    clip(arri / "B001R2EX", "B001C001_240911_R2EX.mov")
    return [sony, gopro, arri]


def make_mess(place: Path) -> Path:
    """Ten years of photos, clips, renders and leftovers, a third of them there more than once."""
    photo = jpeg_with_exif()
    film = clip(place / "2015", "A001C001_150911_R1AB.mov").read_bytes()
    for year in YEARS:
        own = b"%d" % year
        write(
            place / str(year),
            {
                **{f"IMG_{number}.JPG": photo + own + b"%d" % number for number in range(3)},
                "shoot/A001C001_150911_R1AB.mov": film,
                "shoot/A001C001_150911_R1AB.xmp": b"<xmp>" + own,
                "shoot/B001.mov": film + own,
                **{f"render/comp.{frame:04d}.exr": b"frame %d of " % frame + own for frame in range(1, 4)},
                "notes.txt": b"the same notes every year",
                "empty.txt": b"",
                os.fsdecode(b"caf\xe9.txt"): b"a name that is no UTF-8 " + own,
            },
            mtime=1_420_070_400 + (year - 2015) * 31_556_952,
        )
    for year in (2016, 2019):
        write(place / "old backup" / str(year), {path.relative_to(place / str(year)).as_posix(): path.read_bytes()
              for path in (place / str(year)).rglob("*") if path.is_file()})  # fmt: skip
    os.link(place / "2015/notes.txt", place / "2015/linked notes.txt")
    (place / "loop").symlink_to(place)
    os.mkfifo(place / "2017/pipe")
    return place


def test_a_library_from_cards_to_discs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    named = ("--catalog", tmp_path / "production.sqlite")

    def run(*words: object, status: int = 0) -> Ran:
        ran = film_archive(capfd, *words, *(() if "archive" in words else named))
        assert ran.status == status, ran.errors + ran.output
        return ran

    cards = make_cards(tmp_path / "cards")
    mess = make_mess(tmp_path / "mess")
    untouched = [snapshot(card) for card in cards]
    with (
        image(tmp_path / "raid", "mkfs.ext4", "-q", megabytes=32) as raid,
        image(tmp_path / "shuttle", "mkfs.ext4", "-q", megabytes=32) as shuttle,
    ):
        for card in cards:
            assert run("safe", card, status=10).output.rstrip().endswith("Do not format this card.")
            run("offload", card, raid)
            assert "1 of 2" in run("safe", card, status=10).output
            run("offload", card, shuttle, "--report", tmp_path / f"{card.name}.pdf")
            assert (tmp_path / f"{card.name}.pdf").read_bytes().startswith(b"%PDF")
            assert run("safe", card).output.startswith("YES")
        assert [snapshot(card) for card in cards] == untouched
        copies = [history.parent for drive in (raid, shuttle) for history in drive.rglob("ascmhl")]
        assert len(copies) == 6
        for copy in copies:
            agreed = ascmhl("diff", copy)
            assert agreed.returncode == 0, agreed.stdout + agreed.stderr
        run("library", "verify", raid)
        damaged = next(copy for copy in copies if copy.name == "A001" and raid in copy.parents)
        victim = damaged / "PRIVATE/M4ROOT/CLIP/C0002.mp4"
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 1
        times = (victim.stat().st_atime_ns, victim.stat().st_mtime_ns)
        victim.write_bytes(data)
        os.utime(victim, ns=times)
        run("library", "verify", raid, status=11)
        run("safe", cards[0], status=10)

    before = snapshot(mess)
    run("library", "crawl", mess, status=12)  # the pipe is told
    sets = run("library", "dupes", mess, "--master", mess / "2016", "--json").document["sets"]
    assert any(each["keep"].startswith(str(mess / "2016/")) and "old backup/2016" in each["duplicates"][-1] for each in sets)
    done = run("library", "sort", mess, "--master", mess / "2016", "--to", tmp_path / "quarantine", "--json").document
    assert done["moved"]
    assert not any(each["from"].startswith(str(mess / "2016/")) for each in done["moved"])
    assert snapshot(mess) != before
    run("library", "undo", "--from", tmp_path / "quarantine")
    assert snapshot(mess) == before  # byte for byte, with times and modes

    years = [mess / str(year) for year in YEARS if year != 2017]
    archived = run("library", "archive", *years, "--to", tmp_path / "discs", "--volume", "400000", "--json").document
    assert len(archived["volumes"]) > 1
    for volume in archived["volumes"]:
        run("library", "verify", volume["path"])
    run("library", "undo", "--from", tmp_path / "discs")
    assert {name: value for name, value in snapshot(mess).items() if value is not None} == {
        name: value for name, value in before.items() if value is not None
    }

    drop, photos = tmp_path / "drop", tmp_path / "photos"
    photos.mkdir()
    write(drop, {f"IMG_{number}.JPG": jpeg_with_exif() + b"%d" % number for number in range(3)})
    clip(drop / "A002/PRIVATE/M4ROOT/CLIP", "C0001.mp4")
    taken = run("library", "ingest", drop, photos, "--json").document
    assert {each["date_source"] for each in taken["dates"]} == {"media"}
    assert [card["name"] for card in taken["cards"]] == ["A002"]
    agreed = ascmhl("diff", photos)
    assert agreed.returncode == 0, agreed.stdout + agreed.stderr
