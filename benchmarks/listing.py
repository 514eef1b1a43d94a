"""Listing an archive of 100,000 members, as a whole process, against a peer that lists the same zip."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.measuring import Side, child, compare
from film_archive.archive.writer import ZipWriter
from film_archive.core.source import MemorySource

MEMBERS = 100_000
_ZIPFILE = "import sys, zipfile\nfor e in zipfile.ZipFile(sys.argv[1]).infolist(): print(e.filename, e.file_size, e.CRC)"


def run(folder: Path, runs: int) -> None:
    archive = folder / "many.zip"
    with ZipWriter.create(archive) as writer:
        for number in range(MEMBERS):
            name = f"footage/day{number // 5000:02d}/A{number // 1000:03d}C{number % 1000:03d}.xml"
            writer.add(name, MemorySource(b"<clip/>"), identity=name)
        writer.finish()
    print(f"{MEMBERS} members, {archive.stat().st_size / 1e6:.0f} MB, warm; whole processes")
    ours = [sys.executable, "-c", "from film_archive.cli.main import run; run()", "ls", str(archive), "--json"]
    python = Side("python zipfile: names, sizes, CRCs", _quietly([sys.executable, "-c", _ZIPFILE, str(archive)]))
    listing = Side("film-archive ls --json: whole manifest", _quietly(ours))
    compare(listing, python, runs=runs)
    zipinfo = shutil.which("zipinfo")
    if zipinfo is None:
        print("zipinfo is not installed here; install unzip to compare with it, too")
    else:
        compare(listing, Side("zipinfo", _quietly([zipinfo, str(archive)])), runs=runs)
    print(f"film-archive ls --json: at most {child(ours)[1]:.0f} MB of memory")


def _quietly(command: list[str]) -> Callable[[], object]:
    return lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
