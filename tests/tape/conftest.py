"""The kinds of drive that everything about tapes is tested with."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tape.making import Bench, FolderBench, MemoryBench


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """A folder on a file system in memory, where there is one: making things durable costs nothing there."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(params=["folder", "memory"])
def bench(request: pytest.FixtureRequest, quick_folder: Path) -> Bench:
    return FolderBench(quick_folder / "cartridge") if request.param == "folder" else MemoryBench()


@pytest.fixture
def folder_bench(quick_folder: Path) -> FolderBench:
    return FolderBench(quick_folder / "cartridge")


@pytest.fixture
def memory_bench() -> MemoryBench:
    return MemoryBench()
