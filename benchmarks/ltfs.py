"""LTFS: the index of a million files, and writing a file-backed cartridge with digests against cp and fsync."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measuring import child, fill, room
from film_archive.core.source import FileSource
from film_archive.tape.drives.cartridge_config import new_config
from film_archive.tape.drives.file_backed import FileBackedDrive, create_cartridge
from film_archive.tape.formats import MEDIA
from film_archive.tape.ltfs.feeding import FileToWrite, feed
from film_archive.tape.ltfs.index import Index, encode_index, in_records
from film_archive.tape.ltfs.index_reader import read_index
from film_archive.tape.ltfs.tree import Location, TapeAttribute, TapeExtent, TapeFile, TapeFolder, Times, Tree
from film_archive.tape.ltfs.volume import Volume

_FILES = 1_000_000
_SIZE = 8 << 30
_BLOCK = 524_288


def run(folder: Path, runs: int) -> None:
    index = folder / "index.xml"
    for name in ("write", "read"):
        seconds, memory = child([sys.executable, "-m", "benchmarks.ltfs", name, str(index), str(_FILES)])
        print(f"{name + f' the index of {_FILES:,} files (a process)':60} {seconds:7.1f} s   {memory:6.0f} MB")
    print(f"{'its size':60} {index.stat().st_size / 1e6:7.0f} MB")
    index.unlink()
    _writing(folder, runs)


def _writing(folder: Path, runs: int) -> None:
    size = room(folder, 3 * _SIZE) // 3
    card, copy, tape = folder / "card", folder / "copy", folder / "tape"
    card.mkdir()
    parts = 4
    for number in range(parts):
        fill(card / f"A001C{number:03d}.mov", size // parts)
    files = sorted(card.iterdir())
    ratios, ours_speed, peer_speed = [], [], []
    for count in range(runs):
        _clear(copy, tape)
        begun = time.perf_counter()
        copy.mkdir()
        subprocess.run(["cp", "--reflink=never", *map(str, files), str(copy)], check=True)
        for path in copy.iterdir():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
        peer = time.perf_counter() - begun
        _clear(copy, tape)
        create_cartridge(tape, new_config(MEDIA["L8"]))
        begun = time.perf_counter()
        starved, waited, commits = _write_tape(tape, files)
        ours = time.perf_counter() - begun
        ratios.append(peer / ours)
        ours_speed.append(size / ours / 1e6)
        peer_speed.append(size / peer / 1e6)
        print(
            f"run {count + 1}: {size / 1e9:.2f} GB, ours {ours_speed[-1]:.0f} MB/s (starved {starved} times, {waited:.2f} s, "
            f"{commits} commits), cp + fsync {peer_speed[-1]:.0f} MB/s"
        )
    _clear(copy, tape)
    print(f"{'write with XXH3-128 and SHA-256, format and commits':60} {statistics.median(ours_speed):7.0f} MB/s")
    print(f"{'cp, fsync':60} {statistics.median(peer_speed):7.0f} MB/s")
    print(f"{'ratio ours / cp':60} {statistics.median(ratios):7.2f}   ({min(ratios):.2f} to {max(ratios):.2f}, {runs} runs)")


def _write_tape(tape: Path, files: list[Path]) -> tuple[int, float, int]:
    with Volume.format(FileBackedDrive(tape), "FA0001", "Benchmark") as volume:
        listed = [
            FileToWrite(path.name, lambda path=path: FileSource(path), Times.all_of(path.stat().st_mtime_ns))  # type: ignore[misc]
            for path in files
        ]
        fed = feed(volume, listed, commit_every=4 << 30)
    return fed.starved, fed.starved_seconds, fed.commits


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
        begun = time.perf_counter()
        with path.open("wb") as file:
            for record in in_records(encode_index(index), _BLOCK):
                file.write(record)
    else:
        begun = time.perf_counter()
        with path.open("rb") as file:
            found = read_index(iter(lambda: file.read(_BLOCK), b""))
        assert found.tree.files == count
    print(json.dumps({"seconds": time.perf_counter() - begun}))


if __name__ == "__main__":
    _in_a_process(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
