"""Small file systems of many kinds, mounted for a test where this machine lets us."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, *arguments: str) -> Iterator[Path]:
    """`mount ARGUMENTS FOLDER`, for root only; skips the test where it can't be done."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("mounting needs root")
    program = shutil.which("mount")
    if program is None:
        pytest.skip("mount is not installed")
    folder.mkdir()
    done = subprocess.run([program, *arguments, folder], capture_output=True, text=True, timeout=60)
    if done.returncode:
        pytest.skip(f"mount {' '.join(arguments)} does not work here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True, timeout=60)


@contextmanager
def tmpfs(folder: Path, options: str) -> Iterator[Path]:
    with mounted(folder, "-t", "tmpfs", "-o", options, "tmpfs") as made:
        yield made


@contextmanager
def image(folder: Path, maker: str, *options: str, megabytes: int = 320) -> Iterator[Path]:
    """A file system in a sparse file, made by `maker` ("mkfs.xfs") and mounted through a loop device."""
    program = shutil.which(maker) or shutil.which(maker, path="/usr/sbin:/sbin")
    if program is None:
        pytest.skip(f"{maker} is not installed")
    file = folder.with_suffix(".img")
    with file.open("wb") as made:
        made.truncate(megabytes << 20)
    done = subprocess.run([program, *options, file], capture_output=True, text=True, timeout=60)
    if done.returncode:
        pytest.skip(f"{maker} does not work here: {done.stderr.strip()}")
    with mounted(folder, "-o", "loop", str(file)) as folder:
        yield folder
