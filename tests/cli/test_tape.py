"""The verbs of `tape` as people and scripts meet them: keys, statuses, one sentence where something is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from film_archive.core.timecode import FrameRange, FrameRate, Timecode
from film_archive.testing.media import ClipSpec, cached_clip
from tests.cli.running import Ran, film_archive
from tests.reading import assert_is_cut_of
from tests.tape.sets import below, make_files

SMALL = ("--capacity", "320MiB", "--format", "lto8")


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("FILM_ARCHIVE_SHELF", str(tmp_path / "shelf"))
    monkeypatch.setenv("FILM_ARCHIVE_CATALOG", str(tmp_path / "catalog.sqlite"))
    monkeypatch.chdir(tmp_path)
    make_files(tmp_path / "day", {"a.txt": 1000, "b/c.txt": 5})

    def verb(*arguments: object) -> Ran:
        return film_archive(capfd, "tape", *arguments)

    return verb


def test_from_plan_to_restore(run) -> None:  # type: ignore[no-untyped-def]  # a function of pytest's
    assert run("catalog", "--rebuild").status == 0
    planned = run("plan", "FILM", "day", *SMALL, "--json")
    assert planned.status == 0
    assert [one["status"] for one in planned.document["files"]] == ["planned", "planned"]
    dry = run("write", "FILM", "day", *SMALL, "--dry-run", "--json")
    assert dry.document["plan"] == planned.document["plan"]
    assert not Path("shelf/FA0001").exists()
    written = run("write", "FILM", "day", *SMALL, "--copies", "2", "--verify", "--json")
    assert (written.status, written.document["verified"], written.document["problems"]) == (0, True, [])
    assert [(one["volser"], one["barcode"], one["files"]) for one in written.document["cartridges"]] == [
        ("FA0001", "FA0001L8", 2), ("FA0002", "FA0002L8", 2)
    ]  # fmt: skip
    assert {"path", "cartridge", "status", "digest"} <= set(written.document["files"][0])
    assert run("verify", "FA0001", "--json").document["problems"] == []
    assert "2 files" in run("ls").output
    assert run("list", "FA0002", "--json").document["files"][0]["path"] == "day/a.txt"
    assert "day/b/c.txt" in run("find", "c.txt").output
    assert run("find", "nothing").status == 3
    pick = run("restore", "c.txt", "-o", "out", "--dry-run")
    assert "Pick list" in pick.output
    assert not Path("out").exists()
    restored = run("restore", "c.txt", "-o", "out", "--json")
    assert (restored.status, [one["status"] for one in restored.document["files"]]) == (0, ["restored"])
    assert Path("out/day/b/c.txt").read_bytes() == Path("day/b/c.txt").read_bytes()
    assert run("locate", "FA0001", "--to", "vault", "--note", "shelf 3").status == 0
    assert "here, vault" in run("ls").output
    assert run("catalog", "--html", "shelf.html", "--csv", "all.csv").status == 0
    assert len(run("catalog", "--json").document["files"]) == 4
    assert run("catalog", "--index", "FA0001", "-o", "FA0001L8.xml").status == 0
    assert run("import", "FA0001L8.xml", "--dry-run", "--json").document["cartridges"] == ["FA0001L8"]
    assert run("import", "FA0001L8.xml").status == 0
    migrated = run("migrate", "FA0001", "--to", "NEW", *SMALL)
    assert migrated.status == 0
    assert "read back and right" in migrated.output


def test_wrong_requests_are_one_sentence(run) -> None:  # type: ignore[no-untyped-def]  # a function of pytest's
    for status, arguments in (
        (2, ("plan", "FILM", "day", "--capacity", "much")),
        (2, ("verify", "--sample", "200%")),
        (2, ("catalog",)),
        (2, ("write", "FILM", "day", "--drive", "nothing")),
        (2, ("restore", "--in", "01:00:00:00", "-o", "out")),
        (2, ("restore", "--in", "soon", "--out", "2", "-o", "out")),
        (2, ("write", "FILM", "day", *SMALL, "--digest", "nothing")),
        (3, ("verify",)),
        (3, ("verify", "FA0009")),
        (3, ("plan", "FILM", "nowhere")),
        (3, ("restore", "x", "-o", "out")),
        (3, ("find", "x")),
        (5, ("plan", "FILM", "day", "--format", "lto3")),
    ):
        ran = run(*arguments)
        assert ran.status == status, (arguments, ran)
        assert ran.errors.count("\n") <= 4
    assert not Path("shelf").exists()
    assert run("format", "ABC001", *SMALL).status == 0
    assert run("write", "FILM", "day", *SMALL).status == 0
    taken = run("restore", "-o", "day/a.txt")
    assert (taken.status, "exists and is not a folder; nothing was written" in taken.errors) == (4, True)
    refused = run("format", "ABC001", *SMALL)
    assert refused.status == 4
    assert "not blank" in refused.errors


def test_a_set_is_written_in_one_drive_without_a_catalog(run) -> None:  # type: ignore[no-untyped-def]
    """The cartridge before is out when the next one is begun: the shelf knows what it has."""
    make_files(Path("card"), {f"{number:04}.txt": number + 1 for number in range(700)})
    statuses = []
    for serial in ("AAA001", "AAA002"):
        assert run("format", serial, "--drive", "file:drive", *SMALL).status == 0
        statuses.append(run("write", "FILM", "card", "--drive", "file:drive").status)
        Path("drive").rename(serial)
    assert statuses == [12, 0]
    missing = {}
    for serial in ("AAA001", "AAA002"):
        back = run("restore", "-o", "out", "--drive", f"file:{serial}", "--json")
        assert back.status == 12
        [away] = (one for one in back.document["cartridges"] if not one["here"])
        missing[away["barcode"]] = {file["path"] for file in back.document["files"] if file["status"] == "missing"}
        assert len(back.document["files"]) == 700
        assert away["files"] == len(missing[away["barcode"]])
    assert set(missing) == {"AAA001L8", "number 2 of FILM"}  # nobody could know which one would be the second
    assert sorted(path for paths in missing.values() for path in paths) == sorted(below(Path("card")))
    assert below(Path("out/card")) == below(Path("card"))
    refused = run("write", "FILM", "card", "--drive", "file:AAA001", "--drive", "file:AAA002", "--copies", "2")
    assert (refused.status, "is number 2 of copy 1 of FILM" in refused.errors) == (4, True)


def test_a_set_of_three_cartridges_of_which_one_is_lost(run, footage: Path) -> None:  # type: ignore[no-untyped-def]
    """Planned, written, verified; one cartridge is deleted, the rest comes back, and a part of a clip by its timecode."""
    show = make_files(Path("show"), {f"stills/{number:04}.txt": number + 1 for number in range(1200)})
    spec = ClipSpec(name="A001C001", frames=96, start=Timecode.from_string("01:00:00:00", FrameRate(24)), reel="A001")
    original = cached_clip(spec, footage)
    shutil.copy2(original, show / "a.mov")
    planned = run("plan", "FILM2024001", "show", *SMALL, "--json").document["cartridges"]
    written = run("write", "FILM2024001", "show", *SMALL, "--verify", "--json")
    assert (written.status, written.document["verified"]) == (0, True)
    assert [one["barcode"] for one in planned] == [one["barcode"] for one in written.document["cartridges"]]
    on = {file["path"]: file["cartridge"] for file in written.document["files"]}
    assert {*on.values()} == {"FA0001", "FA0002", "FA0003"}
    assert run("verify").status == 0
    shutil.rmtree("shelf/FA0002")
    rest = run("restore", "--set", "FILM2024001", "-o", "out", "--json")
    assert rest.status == 12
    assert {file["path"] for file in rest.document["files"] if file["status"] == "missing"} == {
        path for path, serial in on.items() if serial == "FA0002"
    }
    assert below(Path("out/show")).items() == {(path, data) for path, data in below(show).items() if on[path] != "FA0002"}
    part = run("restore", "a.mov", "--in", "01:00:01:00", "--out", "01:00:02:00", "-o", "part", "--json")
    assert part.status == 0
    [cut] = Path("part").rglob("*.mov")
    assert_is_cut_of(cut, spec, original, FrameRange(24, 48))
    assert 0 < part.document["bytes_read"] < original.stat().st_size
