"""`film-archive repo …`: what the verbs print, what they end with, and a show from the locked cut to the export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from film_archive.versioning import switching
from tests.archive.making import check, contents, make_archive
from tests.cli.running import Ran, film_archive
from tests.test_docs import documented_keys
from tests.versioning.making import LARGE, noise, on_disk, unsync, write

Capture = pytest.CaptureFixture[str]
FOOTAGE = {"footage/a.mov": LARGE, "footage/b.mov": noise(3000, 2), "notes.txt": b"locked"}


class Show:
    """Verbs in a work tree."""

    def __init__(self, capfd: Capture, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.capfd, self.root, self._patch = capfd, root, monkeypatch

    def run(self, *arguments: object, status: int = 0) -> Ran:
        self._patch.chdir(self.root)
        ran = film_archive(self.capfd, "repo", *arguments)
        assert ran.status == status, ran
        return ran

    def json(self, *arguments: object, status: int = 0) -> dict[str, Any]:
        return self.run(*arguments, "--json", status=status).document

    def at(self, root: Path) -> Show:
        return Show(self.capfd, root, self._patch)


def elsewhere(request: pytest.FixtureRequest) -> list[str]:
    """What `init` is told for metadata in PostgreSQL and contents in a bucket, of real servers."""
    bucket = request.getfixturevalue("buckets").bucket()
    return ["--database", request.getfixturevalue("postgres").schema(), "--store", f"s3://{bucket}/show"]


@pytest.fixture
def show(
    request: pytest.FixtureRequest, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> Show:
    """A work tree with a first commit on the branch `main`; with the parameter "elsewhere" the repository is on servers."""
    unsync(monkeypatch)
    monkeypatch.setattr(switching, "wait_a_tick", lambda: None)
    root = tmp_path / "show"
    write(root, FOOTAGE)
    made = Show(capfd, root, monkeypatch)
    made.run("init", *(elsewhere(request) if getattr(request, "param", "") == "elsewhere" else ()))
    made.run("add", ".")
    made.run("commit", "-m", "Lock the cut")
    return made


@pytest.mark.parametrize("show", ["here", "elsewhere"], indirect=True)
def test_a_day_in_the_life(show: Show, tmp_path: Path) -> None:
    """Lock the cut, branch for colour and for VFX, merge both with one conflict, export, clean up."""
    show.run("branch", "colour")
    show.run("branch", "vfx/vendor-a", "main", "-d", "shots 10 to 40")
    show.run("checkout", "colour", tmp_path / "colour")
    show.run("checkout", "vfx/vendor-a", tmp_path / "vfx", "footage")
    colour, vfx = show.at(tmp_path / "colour"), show.at(tmp_path / "vfx")
    write(colour.root, {"footage/a.mov": LARGE[::-1], "grade.cdl": b"cdl"})
    colour.run("add", ".")
    colour.run("commit", "-m", "Grade")
    write(vfx.root, {"footage/a.mov": LARGE[1:], "footage/new.exr": noise(900, 4)})
    vfx.run("add", "footage")
    vfx.run("commit", "-m", "Comp")
    assert show.run("merge", "colour").status == 0
    refused = show.json("merge", "vfx/vendor-a", status=10)
    assert (refused["merged"], [one["path"] for one in refused["conflicts"]]) == (False, ["footage/a.mov"])
    assert refused["conflicts"][0]["ours"]["size"] == len(LARGE)
    assert refused["conflicts"][0]["theirs"]["size"] == len(LARGE) - 1
    assert show.json("merge", "vfx/vendor-a", "--both", "footage/*", "--dry-run")["merged"]
    assert set(on_disk(show.root)) == {*FOOTAGE, "grade.cdl"}
    merged = show.json("merge", "vfx/vendor-a", "--both", "footage/*")
    assert merged["added"] == ["footage/a~vfx-vendor-a.mov", "footage/new.exr"]
    expected = {
        **FOOTAGE,
        "footage/a.mov": LARGE[::-1],
        "footage/a~vfx-vendor-a.mov": LARGE[1:],
        "footage/new.exr": noise(900, 4),
        "grade.cdl": b"cdl",
    }
    assert on_disk(show.root) == expected
    assert show.run("status").output.endswith("Everything is committed.\n")
    show.run("export", "main", tmp_path / "final.zip")
    assert check(tmp_path / "final.zip").ok
    found = contents(tmp_path / "final.zip")
    assert {path: data for path, data in found.items() if not path.startswith(".film-archive/")} == expected
    show.run("branch", "vfx/vendor-a", "--delete", status=4)  # it is checked out
    show.run("gc", "--dry-run")
    show.run("gc", "--grace", "0")
    assert show.json("verify")["ok"]
    assert [commit["message"] for commit in show.json("log")["commits"]] == [
        "Merge vfx/vendor-a into main",
        "Merge colour into main",
        "Comp",
        "Grade",
        "Lock the cut",
        "Begin main",
    ]
    graph = show.run("log", "--graph").output.splitlines()
    assert sum("*" in line for line in graph) == 6


@pytest.mark.parametrize("show", ["elsewhere"], indirect=True)
def test_another_machine_joins_a_repository_on_servers(show: Show, tmp_path: Path) -> None:
    where = json.loads((show.root / ".film-archive-repo" / "elsewhere.json").read_text())
    database = ["--database", where["database"]]
    other = show.at(tmp_path)
    assert "repo checkout main FOLDER" in other.run("init", tmp_path / "other", *database, status=4).errors
    other.run("checkout", "main", tmp_path / "work", "--repo", tmp_path / "other")
    work = show.at(tmp_path / "work")
    assert on_disk(work.root) == FOOTAGE
    write(work.root, {"footage/c.mov": LARGE[::-1]})
    work.run("add", ".")
    work.run("commit", "-m", "From the other machine")
    assert show.json("log")["commits"][0]["message"] == "From the other machine"
    assert show.json("verify")["ok"] is True
    assert not list(tmp_path.rglob("content"))
    assert not list(tmp_path.rglob("metadata.sqlite"))
    show.run("init", tmp_path / "third", *database, "--store", tmp_path / "elsewhere", status=4)
    show.run("init", tmp_path / "third", "--store", where["store"], status=4)  # whose database is another
    show.run("init", show.root / ".film-archive-repo", "--bare", *database, "--store", "s3://other/show", status=4)


def test_branches_of_an_archive_without_a_work_tree(show: Show, tmp_path: Path) -> None:
    master = make_archive(tmp_path / "master.zip", {"a.mov": LARGE})
    bare = tmp_path / "branches"
    show.run("init", "--bare", bare)
    made = show.json("branch", "grade", master, "--repo", bare)
    assert (made["files"], made["archive"]) == (4, str(master))
    (tmp_path / "graded.mov").write_bytes(b"graded")
    show.run("add", tmp_path / "graded.mov", "--as", "graded/a.mov", "--repo", bare)
    show.run("add", tmp_path / "graded.mov", "--under", "more", "--repo", bare)
    show.run("rm", "a.mov", "--repo", bare)
    show.run("mv", "more/graded.mov", "final.mov", "--repo", bare)
    status = show.json("status", "--repo", bare)
    assert (status["added"], status["removed"]) == (["final.mov", "graded/a.mov"], ["a.mov"])
    committed = show.json("commit", "-m", "Grade", "--repo", bare)
    assert (committed["added"], committed["removed"]) == (2, 1)
    differences = show.json("diff", "--repo", bare)
    assert (differences["added"], differences["removed"]) == (["final.mov", "graded/a.mov"], ["a.mov"])
    show.run("branch", "second", "grade", "--repo", bare)
    assert [branch["name"] for branch in show.json("branches", "--repo", bare)["branches"]] == ["grade", "second"]
    show.run("commit", "-m", "which?", "--repo", bare, status=2)  # more than one branch, no work tree
    assert show.json("stats", "--repo", bare)["borrowed"] == 0
    master.rename(tmp_path / "moved.zip")
    adopted = show.json("adopt", "--from", tmp_path / "moved.zip", "--repo", bare)
    assert adopted["missing"] == []


def test_a_borrowed_branch_offline_is_told_and_not_exported(show: Show, tmp_path: Path) -> None:
    master = make_archive(tmp_path / "master.zip", {"a.mov": LARGE[2:]})
    show.run("branch", "grade", master)
    master.rename(tmp_path / "away.zip")
    assert "not where it was" in show.run("export", "grade", tmp_path / "out.zip", status=3).errors
    assert not (tmp_path / "out.zip").exists()
    assert "can't be had" in show.run("checkout", "grade", tmp_path / "grade", status=3).errors
    assert not (tmp_path / "grade").exists()
    found = show.json("verify")
    assert (found["ok"], [one["path"] for one in found["offline"]]) == (True, ["a.mov"])
    assert show.json("adopt", "grade", status=12)["missing"] == ["a.mov"]
    assert show.json("stats")["offline"] == len(LARGE) - 2


def test_damage_is_status_11(show: Show) -> None:
    stored = (show.root / ".film-archive-repo/content").glob("??/*")
    [place] = [place for place in stored if place.stat().st_size == len(LARGE)]
    place.chmod(0o644)
    place.write_bytes(LARGE[::-1])
    found = show.json("verify", status=11)
    assert [one["path"] for one in found["problems"]] == ["footage/a.mov"]
    assert "There is damage" in show.run("verify", status=11).output


def test_locks_keep_others_out(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    show.run("lock", "footage", "--reason", "conform")
    assert [one["path"] for one in show.json("lock")["locks"]] == ["footage"]
    for module in ("opened", "refs", "repository"):
        monkeypatch.setattr(f"film_archive.versioning.{module}.user", lambda: "another")
    write(show.root, {"footage/b.mov": b"theirs", "notes.txt": b"theirs"})
    assert "locked by" in show.run("commit", "-a", "-m", "theirs", status=4).errors
    show.run("unstage", "footage")
    show.run("commit", "-m", "notes alone")
    assert "conform" in show.run("lock", "footage/a.mov", status=4).errors
    show.run("unlock", "footage", status=4)
    show.run("unlock", "footage", "--force")
    assert show.json("lock")["locks"] == []
    show.run("commit", "-a", "-m", "theirs")


def test_renames_are_renames(show: Show) -> None:
    show.run("mv", "footage", "plates")
    expected = [{"from": f"footage/{name}", "to": f"plates/{name}"} for name in ("a.mov", "b.mov")]
    assert show.json("status")["renamed"] == expected
    show.run("commit", "-m", "Rename")
    assert show.json("diff", show.json("log")["commits"][1]["id"])["renamed"] == expected
    assert show.json("where", "plates/a.mov")["places"][0]["branch"] == "main"


def test_what_is_wrong_is_one_sentence_with_its_status(show: Show, tmp_path: Path) -> None:
    cases: list[tuple[tuple[object, ...], int]] = [
        (("branch", "../x"), 2),
        (("branch", "main"), 4),
        (("branch", "x", "nothing"), 3),
        (("merge", "nothing"), 3),
        (("merge", "main"), 2),
        (("merge", "main", "--resolve", "mine"), 2),
        (("checkout", "nothing"), 3),
        (("checkout", "main", show.root), 4),
        (("commit", "-m", "nothing"), 4),
        (("commit",), 2),
        (("add", "nothing"), 3),
        (("add", "/etc/hostname"), 2),
        (("rm", "nothing"), 3),
        (("mv", "nothing", "x"), 3),
        (("diff", "main", "ffffff"), 3),
        (("export", "main", show.root / "notes.txt"), 4),
        (("gc", "--keep", "soon"), 2),
        (("chunking", "*.mov", "--off"), 2),
        (("verify", "--part", "4/3"), 2),
        (("where", "nothing"), 3),
        (("lock", "../x"), 2),
        (("unlock", "notes.txt"), 3),
        (("status", "--repo", tmp_path), 3),
        (("init",), 4),
        (("init", tmp_path / "a", "--store", "gs://show"), 2),
        (("init", tmp_path / "a", "--database", "nonsense"), 2),
        (("init", tmp_path / "a", "--database", "mysql://host/show", "--store", tmp_path), 5),
        (("init", tmp_path / "a", "--database", "postgresql://me:secret@host/show"), 2),
        (("init", tmp_path / "a", "--store", tmp_path / "b", "--endpoint", "http://host"), 2),
    ]
    for arguments, status in cases:
        errors = show.run(*arguments, status=status).errors
        assert errors, arguments
        if arguments != ("commit",):
            assert errors.count("\n") == 1, errors


def test_what_is_stored_as_chunks_is_said_and_taken_back(show: Show) -> None:
    assert show.json("chunking")["patterns"] == []
    assert "No files are" in show.run("chunking").output
    assert "*.mov, footage/*" in show.run("chunking", "*.mov", "footage/*").output
    assert show.json("chunking")["patterns"] == ["*.mov", "footage/*"]
    clip = noise(4_500_000, 7)
    write(show.root, {"long.mov": clip})
    show.run("add", "long.mov")
    show.run("commit", "-m", "Long")
    before = show.json("stats")["stored"]
    write(show.root, {"long.mov": b"another head" + clip[12:]})
    show.run("commit", "-a", "-m", "Head")
    assert show.json("stats")["stored"] - before < 1_100_000
    assert show.json("verify")["ok"]
    assert show.json("chunking", "--off")["patterns"] == []


def test_json_has_the_documented_keys(show: Show, tmp_path: Path) -> None:
    keys = documented_keys()
    make_archive(tmp_path / "master.zip", {"c.mov": b"c"})
    write(show.root, {"new": b"new", "old": b"old"})
    commands: list[tuple[str, tuple[object, ...]]] = [
        ("repo init", ("init", tmp_path / "another")),
        ("repo branch", ("branch", "vfx")),
        ("repo branches", ("branches",)),
        ("repo add, rm and unstage", ("add", "new", "old")),
        ("repo add, rm and unstage", ("unstage", "old")),
        ("repo commit", ("commit", "-m", "new")),
        ("repo add, rm and unstage", ("rm", "new")),
        ("repo mv", ("mv", "notes.txt", "docs.txt")),
        ("repo status", ("status",)),
        ("repo commit", ("commit", "-m", "moved")),
        ("repo diff", ("diff", "vfx", "--media")),
        ("repo merge", ("merge", "vfx")),
        ("repo log", ("log",)),
        ("repo checkout", ("checkout", "vfx", tmp_path / "vfx")),
        ("repo checkout", ("checkout", "vfx")),
        ("repo export", ("export", "main", tmp_path / "out.zip")),
        ("repo import", ("import", tmp_path / "master.zip", "--under", "vendor")),
        ("repo adopt", ("adopt",)),
        ("repo lock and unlock", ("lock", "docs.txt")),
        ("repo lock and unlock", ("unlock", "docs.txt")),
        ("repo chunking", ("chunking", "*.mov")),
        ("repo gc", ("gc",)),
        ("repo verify", ("verify", "--part", "1/2")),
        ("repo stats", ("stats",)),
        ("repo where", ("where", "footage/a.mov")),
    ]
    for heading, arguments in commands:
        document = show.json(*arguments)
        assert set(document) - {"schema_version"} == keys[heading], heading
    commits = show.json("log")["commits"]
    assert set(commits[0]) == keys["Commits"]
    assert set(show.json("where", "footage/a.mov")["places"][0]) == keys["Places of contents"]
    assert set(show.json("branches")["branches"][0]) == keys["repo branch"]
    changes = show.json("diff", commits[-1]["id"])["changes"]
    assert set(changes[0]) == keys["Changes"]
