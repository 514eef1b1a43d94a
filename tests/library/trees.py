"""Trees of small files for tests of the library."""

from __future__ import annotations

import os
from pathlib import Path


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
        else:
            found[name] = (path.read_bytes(), status.st_mtime_ns, status.st_mode)
    return found
