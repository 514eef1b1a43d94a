"""Devices: a file system is the same wherever it is mounted, and two are two."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from film_archive.core import devices
from film_archive.core.devices import Mount, locate, mount_of, path_on, paths_of
from film_archive.core.errors import NotFound
from tests.core.mounts import image, mounted


def test_a_path_is_below_its_innermost_mount() -> None:
    among = (
        Mount("/", "/", "ext4", "/dev/sda"),
        Mount("/", "/mnt/a", "xfs", "/dev/sdb"),
        Mount("/sub", "/mnt/a/deep", "btrfs", "/dev/sdc"),
        Mount("/", "/mnt/a", "exfat", "/dev/sdd"),
    )
    assert mount_of(Path("/mnt/ab/file"), among).source == "/dev/sda"
    assert mount_of(Path("/mnt/a/file"), among).source == "/dev/sdd"  # the later one covers the earlier
    assert mount_of(Path("/mnt/a/deep"), among).root == "/sub"


def test_escapes_in_the_list_of_mounts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    listing = tmp_path / "mountinfo"
    listing.write_text("1 2 8:1 / /mnt/A\\040card rw - exfat /dev/sd\\134x rw\nno line at all\n")
    monkeypatch.setattr(devices, "_MOUNTS", listing)
    assert devices.mounts() == (Mount("/", "/mnt/A card", "exfat", "/dev/sd\\x"),)


def test_a_share_is_known_by_its_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(devices, "mounts", lambda: (Mount("/", "/", "nfs4", "server:/dailies"),))
    located = locate(tmp_path)
    assert located.device.identity == "nfs4:server:/dailies"
    assert located.device.stable


def test_what_is_not_there_has_no_device(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        locate(tmp_path / "missing")


def test_files_of_one_folder_are_on_one_device(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").mkdir()
    one, other = locate(tmp_path / "a"), locate(tmp_path / "b")
    assert one.device == other.device
    assert one.inner == f"{locate(tmp_path).inner}/a"
    assert path_on(one.inner, paths_of(one.device.identity)) == tmp_path / "a"


@pytest.mark.parametrize("maker", ["mkfs.ext4", "mkfs.xfs"])
def test_a_drive_keeps_its_identity_under_another_name(tmp_path: Path, maker: str) -> None:
    with image(tmp_path / "one", maker, "-q") as mount:
        (mount / "card" / "clip").mkdir(parents=True)
        here = locate(mount / "card" / "clip")
        assert here.inner == "/card/clip"
        assert here.device.identity != locate(tmp_path).device.identity
        with mounted(tmp_path / "bound", "--bind", str(mount / "card")) as bound:
            there = locate(bound / "clip")
            assert there == here  # a part of it, mounted somewhere else
            assert path_on("/card/clip", paths_of(here.device.identity)) is not None
        assert path_on("/elsewhere", [Mount("/card", str(tmp_path / "bound"), "", "")]) is None
    assert paths_of(here.device.identity) == ()
    (tmp_path / "again").mkdir()
    file = tmp_path / "one.img"
    subprocess.run(["mount", "-o", "loop", file, tmp_path / "again"], check=True)
    try:
        assert locate(tmp_path / "again" / "card" / "clip") == here
    finally:
        subprocess.run(["umount", tmp_path / "again"], check=True)
