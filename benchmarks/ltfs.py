"""LTFS: the index of a million files, and writing a file-backed cartridge with digests against cp and fsync."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import fill, room
from film_archive.catalog.catalog import Catalog
from film_archive.core.digest import digest_source
from film_archive.core.source import FileSource
from film_archive.tape.cataloguing import enter, seen_index
from film_archive.tape.drives.cartridge_config import new_config
from film_archive.tape.drives.file_backed import FileBackedDrive, create_cartridge
from film_archive.tape.formats import MEDIA
from film_archive.tape.ltfs.feeding import Fed, feed
from film_archive.tape.ltfs.index import Index, encode_index, in_records
from film_archive.tape.ltfs.index_reader import read_index
from film_archive.tape.ltfs.ring import FileToWrite
from film_archive.tape.ltfs.tree import Location, TapeAttribute, TapeExtent, TapeFile, TapeFolder, Times, Tree
from film_archive.tape.ltfs.volume import Volume

_FILES = 1_000_000
_SIZE = 8 << 30
_BLOCK = 524_288


def run(folder: Path, runs: int) -> None:
    index = folder / "index.xml"
    for name in ("write", "read", "catalog"):
        command = [sys.executable, "-m", "benchmarks.ltfs", name, str(index), str(_FILES)]
        told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        what = f"{name} the index of {_FILES:,} files (a process)"
        print(f"{what:60} {told['seconds']:7.1f} s  (CPU {told['cpu']:.1f} s), {told['megabytes']:.0f} MB of memory at most")
    print(f"{'its size':60} {index.stat().st_size / 1e6:7.0f} MB")
    index.unlink()
    index.with_suffix(".sqlite").unlink()
    _cartridges(folder, runs)


def _cartridges(folder: Path, runs: int) -> None:
    size = room(folder, 3 * _SIZE) // 3
    card, copy, tape = folder / "card", folder / "copy", folder / "tape"
    card.mkdir()
    parts = 4
    for number in range(parts):
        fill(card / f"A001C{number:03d}.mov", size // parts)
    files = sorted(card.iterdir())
    written = _Pair("write with XXH3-128 and SHA-256, format and commits", "cp, fsync", size)
    read = _Pair("read back and digest (XXH3-128)", "read the files and digest (XXH3-128)", size)
    for _ in range(runs):
        _clear(copy, tape)
        with written.peer():
            _copy(files, copy)
        _clear(copy)
        create_cartridge(tape, new_config(MEDIA["L8"]))
        with written.ours():
            fed = _write_tape(tape, files)
        with read.peer():
            for path in files:
                with FileSource(path) as source:
                    digest_source(source)
        with read.ours(), Volume.open(FileBackedDrive(tape, writable=False)) as volume:
            for name, file in volume.tree.all_files():
                with volume.open_file(name) as taped:
                    assert digest_source(taped)["xxh128"] == file.digests["xxh128"]
        print(f"the drive starved {fed.starved} times, {fed.starved_seconds:.2f} s; {fed.commits} commits")
    _clear(copy, tape)
    written.tell()
    read.tell()


class _Pair:
    """Two sides of a comparison: wall and CPU seconds of each run."""

    def __init__(self, ours: str, peer: str, size: int) -> None:
        self._names = (ours, peer)
        self._size = size
        self._times: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])

    def ours(self) -> contextlib.AbstractContextManager[None]:
        return self._timed(0)

    def peer(self) -> contextlib.AbstractContextManager[None]:
        return self._timed(1)

    @contextlib.contextmanager
    def _timed(self, side: int) -> Iterator[None]:
        begun, cpu = time.perf_counter(), _cpu()
        yield
        self._times[side].append((time.perf_counter() - begun, _cpu() - cpu))

    def tell(self) -> None:
        for name, times in zip(self._names, self._times, strict=True):
            speed = self._size / statistics.median(wall for wall, _ in times) / 1e6
            cpu = statistics.median(cpu for _, cpu in times)
            print(f"{name:60} {speed:7.0f} MB/s  (CPU {cpu:.1f} s for {self._size / 1e9:.2f} GB)")
        ratios = [peer / ours for (ours, _), (peer, _) in zip(*self._times, strict=True)]
        median = statistics.median(ratios)
        print(f"{'ratio ours / peer':60} {median:7.2f}  ({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} runs)")


def _cpu() -> float:
    """Seconds of processor that this process and its children have used."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _copy(files: list[Path], folder: Path) -> None:
    folder.mkdir()
    subprocess.run(["cp", "--reflink=never", *map(str, files), str(folder)], check=True)
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def _write_tape(tape: Path, files: list[Path]) -> Fed:
    with Volume.format(FileBackedDrive(tape), "FA0001", "Benchmark") as volume:
        listed = [
            FileToWrite(path.name, lambda path=path: FileSource(path), Times.all_of(path.stat().st_mtime_ns))  # type: ignore[misc]
            for path in files
        ]
        return feed(volume, listed, commit_every=4 << 30)


def _clear(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    os.sync()


def _tree(count: int) -> Tree:
    tree = Tree(TapeFolder(1, Times.all_of(10**18)))
    for number in range(count):
        digest = hashlib.sha256(b"%d" % number).hexdigest().encode()
        attributes = (
            TapeAttribute("ltfs.hash.xxhash128sum", digest[:32]),
            TapeAttribute("ltfs.hash.sha256sum", digest),
        )
        moment = 1_790_000_000_000_000_000 + number * 41_708_333
        extent = TapeExtent(0, "b", 7 + number * 24, 0, 12_000_000)
        file = TapeFile(tree.next_uid(), 12_000_000, Times.all_of(moment), (extent,), attributes)
        tree.add_file(f"show/reel {number // 5000:04}/A001C001_{number:08}.dpx", file)
    return tree


def _in_a_process(name: str, path: Path, count: int) -> None:
    """One side of the index benchmark, alone, so that its memory is its own."""
    if name == "write":
        index = Index("a8f9cb21-3434-4951-a1d0-40c233ffcac2", 3, 10**18, _tree(count), location=Location("b", 5))
        begun, cpu = time.perf_counter(), _cpu()
        with path.open("wb") as file:
            for record in in_records(encode_index(index), _BLOCK):
                file.write(record)
    else:
        begun, cpu = time.perf_counter(), _cpu()
        with path.open("rb") as file:
            found = read_index(iter(lambda: file.read(_BLOCK), b""))
        assert found.tree.files == count
        if name == "catalog":
            begun, cpu = time.perf_counter(), _cpu()
            with Catalog.open(path.with_suffix(".sqlite")) as catalog:
                enter(catalog, seen_index(found, "FA0001", "FA0001L9", "benchmark"), "tape import")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.perf_counter() - begun, "cpu": _cpu() - cpu, "megabytes": most}))


if __name__ == "__main__":
    _in_a_process(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
