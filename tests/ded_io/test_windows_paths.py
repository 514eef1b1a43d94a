"""Paths between WSL and Windows."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from ded_io.windows_paths import from_windows, is_windows_path, to_windows
from film_archive.core.errors import UsageError


@pytest.mark.parametrize(
    ("wsl", "windows"),
    [
        ("/mnt/c/path/to/file", "C:\\path\\to\\file"),
        ("/mnt/c/Program Files/Sony/RAW Viewer/rawexporter.exe", "C:\\Program Files\\Sony\\RAW Viewer\\rawexporter.exe"),
        ("/mnt/z/a", "Z:\\a"),
        ("/mnt/c/", "C:\\"),
        ("/home/me/a b.mxf", "\\\\wsl.localhost\\Debian\\home\\me\\a b.mxf"),
        ("/mnt/server/share/a", "\\\\wsl.localhost\\Debian\\mnt\\server\\share\\a"),
    ],
)
def test_both_ways(wsl: str, windows: str) -> None:
    assert to_windows(wsl, "Debian") == windows
    assert from_windows(windows) == wsl
    assert is_windows_path(windows)
    assert not is_windows_path(wsl)


def test_other_spellings() -> None:
    assert from_windows("c:/x/y") == "/mnt/c/x/y"
    assert from_windows("\\\\wsl$\\Debian\\tmp") == "/tmp"
    assert from_windows("/opt/rawexporter") == "/opt/rawexporter"
    assert to_windows("/mnt/c", None) == "C:\\"


PART = st.text("abcABC 12_-.", min_size=1, max_size=8).filter(lambda text: text.strip(". ") == text)
PARTS = st.lists(PART, min_size=1, max_size=5)


@given(PARTS, st.sampled_from(["/mnt/c/", "/", "/mnt/data/"]))
def test_there_and_back(parts: list[str], root: str) -> None:
    path = root + "/".join(parts)
    assert from_windows(to_windows(path, "Debian")) == path


@pytest.mark.parametrize(
    "path", ["relative", "", "/mnt/c/a:b", '/mnt/c/a"b', "/mnt/c/a?", "/mnt/c/a.", "/home/a /b", "/home/a\\b", "/a\nb"]
)
def test_what_windows_can_not_have(path: str) -> None:
    with pytest.raises(UsageError):
        to_windows(path, "Debian")


def test_linux_without_a_name() -> None:
    with pytest.raises(UsageError, match="WSL_DISTRO_NAME"):
        to_windows("/home/me", None)
