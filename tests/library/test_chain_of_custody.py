"""ASC MHL histories, read again by the reference implementation's own program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ascmhl")

from film_archive.core.digest import KEY, digest_source
from film_archive.core.errors import Damaged
from film_archive.core.source import FileSource
from film_archive.library.chain_of_custody import Proven, write_generation


def proven(folder: Path, name: str) -> Proven:
    with FileSource(folder / name) as source:
        return Proven(name, source.size, source.status.st_mtime_ns, digest_source(source)[KEY])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "a pull"
    (place / "sub").mkdir(parents=True)
    (place / "a.mov").write_bytes(b"a" * 1000)
    (place / "sub" / "b.dpx").write_bytes(b"b")
    (place / "own.json").write_bytes(b"{}")
    return place


def reference(*arguments: object) -> int:
    """The exit status of ASC's own program."""
    call = "from ascmhl.cli.ascmhl import mhltool_cli; mhltool_cli()"
    command = [sys.executable, "-c", call, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).returncode


def test_the_reference_reads_every_generation(folder: Path) -> None:
    first = write_generation(folder, [proven(folder, "a.mov"), proven(folder, "sub/b.dpx")], ignore=["own.json"])
    assert first is not None
    assert first.parent == folder / "ascmhl"
    assert reference("diff", folder) == 0
    (folder / "c.mov").write_bytes(b"c")
    assert reference("diff", folder) != 0  # a file that no list has
    second = write_generation(folder, [proven(folder, name) for name in ("a.mov", "c.mov")], ignore=["own.json"])
    assert second is not None
    assert second.name.startswith("0002_a pull_")
    assert b"a.mov" not in second.read_bytes()
    assert reference("diff", folder) == 0
    assert reference("create", folder, "-h", "xxh128") == 0
    (folder / "a.mov").write_bytes(b"A" * 1000)
    assert reference("create", folder, "-h", "xxh128") != 0  # it reads the files, and finds what has changed


def test_what_is_listed_already_makes_no_generation(folder: Path) -> None:
    write_generation(folder, [proven(folder, "a.mov")])
    before = sorted((folder / "ascmhl").iterdir())
    assert write_generation(folder, [proven(folder, "a.mov")]) is None
    assert sorted((folder / "ascmhl").iterdir()) == before
    assert sorted(path.name for path in folder.iterdir()) == ["a.mov", "ascmhl", "own.json", "sub"]


def test_a_relative_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    write_generation(Path(folder.name), [proven(folder, "a.mov")])
    assert write_generation(Path(folder.name), [proven(folder, "a.mov")]) is None


def test_a_file_that_is_not_what_it_was(folder: Path) -> None:
    write_generation(folder, [proven(folder, "a.mov")])
    before = {path: path.read_bytes() for path in (folder / "ascmhl").iterdir()}
    with pytest.raises(Damaged, match=r"a\.mov is not what"):
        write_generation(folder, [Proven("a.mov", 1000, 1, "00" * 16)])
    assert {path: path.read_bytes() for path in (folder / "ascmhl").iterdir()} == before


def test_a_history_that_does_not_hold(folder: Path) -> None:
    made = write_generation(folder, [proven(folder, "a.mov")])
    assert made is not None
    made.write_bytes(made.read_bytes() + b" ")
    with pytest.raises(Damaged, match="does not hold"):
        write_generation(folder, [proven(folder, "sub/b.dpx")])
    made.unlink()
    with pytest.raises(Damaged, match="lacks a hash list"):
        write_generation(folder, [proven(folder, "sub/b.dpx")])


def test_what_a_killed_run_left_is_removed(folder: Path) -> None:
    """It writes the list, then the chain that names it: a list of ours without a link in the chain is none."""
    made = write_generation(folder, [proven(folder, "a.mov")])
    assert made is not None
    stray = made.with_name("0002_a pull_2020-01-01_000000Z.mhl")
    stray.write_bytes(made.read_bytes())
    second = write_generation(folder, [proven(folder, "sub/b.dpx")], ignore=["own.json"])
    assert not stray.exists()
    assert second is not None
    assert reference("diff", folder) == 0
