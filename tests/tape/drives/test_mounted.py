"""Volumes that the system mounts, with programs that stand in for `mkltfs`, `ltfs` and `fusermount`.

The stand-ins do what is seen of the real ones: refuse, mount (a folder gets the attributes that the mount would have), go on
working after the unmount has returned. Against the real ones: tests/tape/test_reference.py.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from film_archive.core.errors import (
    FilmArchiveError,
    NotFound,
    NotSupported,
    ProgramFailed,
    Refused,
    UsageError,
)
from film_archive.tape.drives.mounted import LtfsPrograms, MountedVolume, format_mounted
from film_archive.tape.ltfs.tree import TapeAttribute, Times
from tests.tape.making import NOW, SERIAL

if not hasattr(os, "setxattr"):
    pytest.skip("extended attributes can't be set on this system", allow_module_level=True)

MKLTFS = """
import pathlib, sys
arguments = sys.argv[1:]
pathlib.Path(HERE, "mkltfs-arguments").write_text("\\n".join(arguments))
if pathlib.Path(HERE, "formatted").exists() and "--force" not in arguments:
    print("LTFS15047E Medium is already formatted (0).", file=sys.stderr)
    sys.exit(1)
if pathlib.Path(HERE, "broken").exists():
    print("LTFS15017E Cannot open the device.", file=sys.stderr)
    sys.exit(1)
pathlib.Path(HERE, "formatted").touch()
"""

LTFS = """
import os, pathlib, sys, time
arguments = sys.argv[1:]
pathlib.Path(HERE, "ltfs-arguments").write_text("\\n".join(arguments))
root = pathlib.Path(arguments[-1])
if pathlib.Path(HERE, "broken").exists():
    print("12 LTFS11005I Mounting the volume.", file=sys.stderr)
    print("12 LTFS17142E The medium has no end of data.", file=sys.stderr)
    sys.exit(1)
os.setxattr(root, "user.ltfs.volumeUUID", b"A8F9CB21-3434-4951-A1D0-40C233FFCAC2")
os.setxattr(root, "user.ltfs.volumeSerial", b"FA0001")
os.setxattr(root, "user.ltfs.indexGeneration", b"7")
while not pathlib.Path(HERE, "unmounted").exists():
    time.sleep(0.01)
time.sleep(0.3)  # the unmount has returned long ago
pathlib.Path(HERE, "written").touch()
sys.exit(int(pathlib.Path(HERE, "status").read_text()) if pathlib.Path(HERE, "status").exists() else 0)
"""

UNMOUNT = """
import pathlib, sys
busy = pathlib.Path(HERE, "busy")
if busy.exists():
    busy.unlink()
    print("umount: target is busy", file=sys.stderr)
    sys.exit(1)
if pathlib.Path(HERE, "stuck").exists():
    print("umount: not permitted", file=sys.stderr)
    sys.exit(1)
pathlib.Path(HERE, "unmounted").touch()
"""


@pytest.fixture
def software(tmp_path: Path) -> LtfsPrograms:
    try:
        os.setxattr(tmp_path, "user.test", b"1")
    except OSError:
        pytest.skip("the temporary folder takes no extended attributes")
    for name, text in (("mkltfs", MKLTFS), ("ltfs", LTFS), ("unmount", UNMOUNT)):
        program = tmp_path / name
        program.write_text(f"#!{sys.executable}\nHERE = {str(tmp_path)!r}\n{text}")
        program.chmod(0o755)
    return LtfsPrograms(
        *("file", str(tmp_path / "mkltfs"), str(tmp_path / "ltfs"), (str(tmp_path / "unmount"),)), mounting=20, unmounting=20
    )


def mounted(tmp_path: Path, software: LtfsPrograms, *, writable: bool = True) -> MountedVolume:
    root = tmp_path / "mount"
    root.mkdir(exist_ok=True)
    return MountedVolume("/dev/sg9", writable=writable, mount_point=root, software=software)


def test_formatting(tmp_path: Path, software: LtfsPrograms) -> None:
    format_mounted("/dev/sg9", SERIAL, "Show A", block_size=524288, software=software)
    assert (tmp_path / "mkltfs-arguments").read_text().split("\n") == [
        *("--device=/dev/sg9", "--tape-serial=FA0001", "--backend=file", "--volume-name=Show A", "--blocksize=524288")
    ]
    with pytest.raises(Refused, match="to be erased"):
        format_mounted("/dev/sg9", SERIAL, software=software)
    format_mounted("/dev/sg9", SERIAL, erase=True, software=software)
    (tmp_path / "broken").touch()
    with pytest.raises(ProgramFailed, match="Cannot open the device"):
        format_mounted("/dev/sg9", SERIAL, erase=True, software=software)
    with pytest.raises(UsageError):
        format_mounted("/dev/sg9", "FILM2024001", software=software)


def test_without_the_software() -> None:
    missing = LtfsPrograms(mkltfs="no-mkltfs-here", ltfs="no-ltfs-here")
    with pytest.raises(NotSupported, match="install"):
        format_mounted("/dev/sg9", SERIAL, software=missing)
    with pytest.raises(NotSupported, match="install"):
        MountedVolume("/dev/sg9", software=missing)


def test_closing_waits_for_the_program(tmp_path: Path, software: LtfsPrograms) -> None:
    with mounted(tmp_path, software) as volume:
        assert (volume.serial, volume.volume_uuid, volume.generation) == (
            *("FA0001", "a8f9cb21-3434-4951-a1d0-40c233ffcac2", 7),
        )
        assert volume.fact("ltfs.nothing") == ""
        assert not (tmp_path / "written").exists()
    assert (tmp_path / "written").exists()
    volume.close()
    arguments = (tmp_path / "ltfs-arguments").read_text()
    assert "devname=/dev/sg9" in arguments
    assert "sync_type=unmount" in arguments
    assert "\nro\n" not in arguments


def test_mounted_for_reading(tmp_path: Path, software: LtfsPrograms) -> None:
    with mounted(tmp_path, software, writable=False) as volume:
        with pytest.raises(Refused, match="for reading"):
            volume.write_file("a", [b""], Times.all_of(NOW))
        with pytest.raises(Refused):
            volume.commit()
    assert "\nro\n" in (tmp_path / "ltfs-arguments").read_text()


def test_a_cartridge_that_does_not_mount(tmp_path: Path, software: LtfsPrograms) -> None:
    (tmp_path / "broken").touch()
    with pytest.raises(ProgramFailed, match="LTFS17142E The medium has no end of data"):
        mounted(tmp_path, software)


def test_a_mount_that_is_busy_for_a_while(tmp_path: Path, software: LtfsPrograms) -> None:
    volume = mounted(tmp_path, software)
    (tmp_path / "busy").touch()
    volume.close()
    assert (tmp_path / "written").exists()


def test_a_mount_that_cannot_be_unmounted(tmp_path: Path, software: LtfsPrograms) -> None:
    volume = mounted(tmp_path, software)
    (tmp_path / "stuck").touch()
    with pytest.raises(Refused, match="not finished"):
        volume.close()
    (tmp_path / "stuck").unlink()
    volume.close()
    assert (tmp_path / "written").exists()


def test_a_program_that_could_not_finish(tmp_path: Path, software: LtfsPrograms) -> None:
    volume = mounted(tmp_path, software)
    (tmp_path / "status").write_text("4")
    with pytest.raises(ProgramFailed, match="status 4"):
        volume.close()


def test_files_are_written_with_their_attributes_and_times(tmp_path: Path, software: LtfsPrograms) -> None:
    digest = TapeAttribute("ltfs.hash.sha256sum", b"0" * 64)
    with mounted(tmp_path, software) as volume:
        volume.make_folder("empty", Times.all_of(NOW), [TapeAttribute("acme.folder", b"1")])
        written = volume.write_file("a/b.mov", [b"one", b"two"], Times.all_of(NOW), attributes=lambda: [digest], readonly=True)
        assert (written.length, written.attributes, written.readonly) == (6, (digest,), True)
        assert volume.uncommitted == 6
        volume.set_attributes("", [TapeAttribute("acme.set", b"1 of 2")])
        volume.commit("a comment")
        assert volume.uncommitted == 0
        assert volume.fact("ltfs.commitMessage") == "a comment"
        (volume.root / "link").symlink_to("a/b.mov")
        assert [(path, file.target) for path, file in volume.walk()] == [("link", "a/b.mov"), ("a/b.mov", None)]
        with volume.open_file("a/b.mov") as source:
            assert source.read_at(0, 10) == b"onetwo"
        assert (volume.root / "a/b.mov").stat().st_mtime_ns == NOW
        with pytest.raises(NotFound):
            volume.file("nobody")


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, software: LtfsPrograms) -> None:
    def breaking() -> object:
        yield b"one"
        raise ZeroDivisionError

    with mounted(tmp_path, software) as volume:
        volume.write_file("taken", [b"1"], Times.all_of(NOW))
        with pytest.raises(Refused):
            volume.write_file("taken", [b"2"], Times.all_of(NOW))
        with pytest.raises(ZeroDivisionError):
            volume.write_file("broken", breaking(), Times.all_of(NOW))  # type: ignore[arg-type]
        with pytest.raises(FilmArchiveError):
            volume.write_file("x" * 300, [b""], Times.all_of(NOW))
        assert [path for path, _ in volume.walk()] == ["taken"]
        assert (volume.root / "taken").read_bytes() == b"1"
