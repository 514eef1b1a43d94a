"""Trees of small files for tests of the library."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def write(folder: Path, contents: dict[str, bytes], *, mtime: float = 1_500_000_000) -> Path:
    """Files below a folder, all of one time."""
    for name, data in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (mtime, mtime))
    return folder


def snapshot(folder: Path) -> dict[str, tuple[bytes, int, int] | str | None]:
    """Everything below a folder: bytes, time and mode of files; where links point; None for folders."""
    found: dict[str, tuple[bytes, int, int] | str | None] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        status = path.lstat()
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_dir():
            found[name] = None
        elif not path.is_file():
            found[name] = "a pipe, a socket or a device"
        else:
            found[name] = (path.read_bytes(), status.st_mtime_ns, status.st_mode)
    return found


def contents(folder: Path) -> dict[str, bytes | None]:
    """The bytes of all files below a folder; None for folders."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in sorted(folder.rglob("*"))
    }


def require_program(name: str) -> str:
    """Where a program is; skips the test without it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found
