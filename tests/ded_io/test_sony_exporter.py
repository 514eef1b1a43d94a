"""Sony's exporter, by a stand-in: its command line, and everything that it does wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ded_io import config
from ded_io.models import ImageSequence
from ded_io.sony_exporter import Exporter, export, frame_problem
from film_archive.core.errors import NotSupported, ProgramFailed, UsageError
from tests.ded_io.exporter import set_mode, stand_in, told

TEN = (92, 101)


def run(folder: Path, *, first: int = TEN[0], last: int = TEN[1], number: int = 993, timeout: float = 60) -> ImageSequence:
    target = ImageSequence(folder / "dpx", "sht100", "dpx", number, number + last - first)
    export(
        Exporter(folder / "tool" / "rawexporter", False),
        folder / "clip.mxf",
        first,
        last,
        scratch=folder / "dpx" / "exporter",
        target=target,
        timeout=timeout,
        on_frame=lambda done: None,
    )
    return target


def source_of(path: Path) -> int:
    """Which source frame a frame of the stand-in's is."""
    return next(number for number in range(400) if (number * 7) % 256 == path.read_bytes()[2048])


def test_the_command_line(tmp_path: Path) -> None:
    exporter = Exporter(Path("/mnt/c/Program Files/Sony/RAW Viewer/rawexporter.exe"), True, "Debian")
    assert exporter.command(Path("/mnt/d/A001.mxf"), Path("/tmp/dpx"), "sht100", 92, 158, 993) == [
        *("/mnt/c/Program Files/Sony/RAW Viewer/rawexporter.exe", "--input", "D:\\A001.mxf"),
        *("--dir", "\\\\wsl.localhost\\Debian\\tmp\\dpx", "--output", "sht100", "--video", "dpx", "--in", "92", "--out", "158"),
        *("--start", "993", "--digits", "4", "--depth", "16", "--bake", "SGAMUT3CINE_SLOG3", "--display", "0"),
    ]


def test_options_are_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "SONY_OPTIONS", {"source": "-I", "folder": "-D", "digits": ""})
    command = Exporter(Path("/x"), False).command(Path("/a"), Path("/b"), "c", 0, 1, 1)
    assert command == ["/x", "-I", "/a", "-D", "/b"]


@pytest.mark.parametrize("mode", ["", "wide", "zero"])
def test_frames_get_their_names_whatever_the_exporter_calls_them(mode: str, tmp_path: Path) -> None:
    stand_in(tmp_path / "tool", mode)
    target = run(tmp_path)
    assert [path.name for path in sorted(target.directory.iterdir())] == [target.name(number) for number in range(993, 1003)]
    assert [source_of(path) for path in target.paths()] == list(range(92, 102))
    assert all(frame_problem(path) is None for path in target.paths())


@pytest.mark.parametrize(
    ("mode", "whole", "says"),
    [
        ("nothing", 0, "said that it was done, but wrote no DPX frame"),
        ("short", 3, "wrote 3 of 10 frames"),
        ("status", 3, "failed with status 9: decoder error 0x80"),
        ("half", 3, "is not whole: it has 1000 of 2816 bytes"),
        ("text", 3, "is no DPX"),
        ("more", 10, "wrote 1 frames more than it was told"),
    ],
)
def test_what_is_whole_is_kept(mode: str, whole: int, says: str, tmp_path: Path) -> None:
    stand_in(tmp_path / "tool", mode)
    with pytest.raises(ProgramFailed, match=says):
        run(tmp_path)
    frames = sorted((tmp_path / "dpx").glob("*.dpx")) if (tmp_path / "dpx").exists() else []
    assert [path.name for path in frames] == [f"sht100.{number:04d}.dpx" for number in range(993, 993 + whole)]
    assert [source_of(path) for path in frames] == list(range(92, 92 + whole))


def test_an_exporter_that_hangs_is_stopped(tmp_path: Path) -> None:
    stand_in(tmp_path / "tool", "hang")
    with pytest.raises(ProgramFailed, match="did not get further in 2 s and was stopped"):
        run(tmp_path, timeout=2)
    assert len(list((tmp_path / "dpx").glob("*.dpx"))) == 3
    set_mode(tmp_path / "tool", "")
    run(tmp_path, first=95, number=996)
    assert [source_of(path) for path in sorted((tmp_path / "dpx").glob("*.dpx"))] == list(range(92, 102))


def test_counts_that_differ(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        export(
            Exporter(Path("/x"), False), Path("/a"), 0, 5, scratch=tmp_path / "s",
            target=ImageSequence(tmp_path, "a", "dpx", 1, 5), timeout=1, on_frame=print,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_finding_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = stand_in(tmp_path / "tool")
    assert Exporter.find(str(program)) == Exporter(program, False)
    with pytest.raises(NotSupported, match="install Sony RAW Viewer"):
        Exporter.find("C:\\Program Files\\Sony\\none.exe")
    with pytest.raises(NotSupported, match="ingest those"):
        Exporter.find(config.SONY_CONVERTER)


def test_a_windows_program_is_found_where_wsl_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The drives are looked for under /mnt; here they are somewhere else."""
    program = stand_in(tmp_path / "mnt" / "c" / "Sony")
    monkeypatch.setattr("ded_io.sony_exporter.from_windows", lambda path: str(program))
    monkeypatch.setenv("WSL_DISTRO_NAME", "Debian")
    found = Exporter.find("C:\\Sony\\rawexporter.exe")
    assert (found.program, found.windows, found.distribution) == (program, True, "Debian")
    shutil.rmtree(tmp_path / "mnt")


def test_options_told(tmp_path: Path) -> None:
    stand_in(tmp_path / "tool")
    run(tmp_path)
    (call,) = told(tmp_path / "tool")
    assert (call["--in"], call["--out"], call["--start"], call["--bake"]) == ("92", "101", "993", "SGAMUT3CINE_SLOG3")
