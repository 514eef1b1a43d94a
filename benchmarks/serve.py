"""Ranges of a member out of an archive, from our server, against nginx serving the same bytes as a plain file."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measuring import fill, require_tool, room
from benchmarks.serve_load import Load, Order
from film_archive.archive.writer import ZipWriter
from film_archive.core.source import FileSource

MIB = 1 << 20
SIZES = (1, 4, 16, 64)
CONNECTIONS = (1, 8, 64, 256)
SECONDS = 2.0

NGINX = """
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    sendfile on;
    tcp_nopush on;
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""
"""Debian's settings for sending files, and no access log, as ours has none."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A running server: where the bytes are, and the processes that serve them."""

    name: str
    port: int
    path: str
    workers: tuple[int, ...]

    @property
    def private_megabytes(self) -> float:
        """The most that a worker has to itself."""
        return max(_private(pid) for pid in self.workers)


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement."""

    rate: float
    cpu: float
    """Seconds of processor for a gigabyte."""
    first_byte: float
    failed: int


def run(folder: Path, runs: int, *, sizes: tuple[int, ...] = SIZES, connections: tuple[int, ...] = CONNECTIONS) -> None:
    nginx = require_tool("nginx")
    size = room(folder, 1 << 30) // MIB * MIB
    plain = folder / "clip.mov"
    fill(plain, size)
    with FileSource(plain) as source, ZipWriter.create(folder / "day.zip") as writer:
        writer.add("clip.mov", source, identity="clip")
        writer.finish()
    with serving(folder / "day.zip", workers=2) as ours, _nginx(nginx, folder) as peer:
        for one in (ours, peer):
            _load(one, size, 64 * MIB, 4, 1.0)  # everything is in the page cache, and the code is warm
        _idle(ours, peer, size, runs)
        ratios: list[float] = []
        spent: list[float] = []
        first: list[float] = []
        failed = 0
        print(f"{'MiB':>4} {'conns':>5} {'GB/s':>6} {'nginx':>6} {'ratio':>6} {'CPU-s/GB':>9} {'nginx':>6} {'ratio':>6}"
              f" {'p50 ms':>7} {'nginx':>7} {'ratio':>6} {'MB':>5}")
        for mebibytes in sizes:
            for count in connections:
                cells: dict[str, list[Cell]] = {ours.name: [], peer.name: []}
                for number in range(runs):
                    for one in (ours, peer) if number % 2 else (peer, ours):
                        cells[one.name].append(_load(one, size, mebibytes * MIB, count, SECONDS))
                pairs = list(zip(cells[ours.name], cells[peer.name], strict=True))
                rate = statistics.median(a.rate / b.rate for a, b in pairs)
                cpu = statistics.median(a.cpu / b.cpu for a, b in pairs)
                byte = statistics.median(a.first_byte / b.first_byte for a, b in pairs)
                ratios.append(rate)
                spent.append(cpu)
                first.append(byte)
                failed += sum(cell.failed for cell in cells[ours.name])
                mine, theirs = (_medians(cells[name]) for name in (ours.name, peer.name))
                print(f"{mebibytes:4} {count:5} {mine.rate:6.2f} {theirs.rate:6.2f} {rate:6.2f} {mine.cpu:9.3f} {theirs.cpu:6.3f}"
                      f" {cpu:6.2f} {mine.first_byte * 1e3:7.2f} {theirs.first_byte * 1e3:7.2f} {byte:6.2f}"
                      f" {ours.private_megabytes:5.0f}", flush=True)  # fmt: skip
        print(f"throughput of nginx's: median {statistics.median(ratios):.2f} (bar 0.90), least {min(ratios):.2f} (bar 0.6)")
        print(f"CPU a GB of nginx's: median {statistics.median(spent):.2f} (bar 1.2), most {max(spent):.2f}")
        print(f"first byte under load of nginx's: median {statistics.median(first):.2f} (bar 1.25)")
        print(f"failed transfers: {failed} (bar 0); private memory of a worker: {ours.private_megabytes:.0f} MB (bar 60)")


def _idle(ours: Peer, peer: Peer, size: int, runs: int) -> None:
    for one in (ours, peer):
        cell = _medians([_load(one, size, MIB, 1, 0.5) for _ in range(runs)])
        print(f"first byte, idle, one connection: {one.name} {cell.first_byte * 1e3:.2f} ms (bar 1 ms)")


def _medians(cells: list[Cell]) -> Cell:
    return Cell(
        statistics.median(cell.rate for cell in cells),
        statistics.median(cell.cpu for cell in cells),
        statistics.median(cell.first_byte for cell in cells),
        sum(cell.failed for cell in cells),
    )


def _load(peer: Peer, size: int, length: int, connections: int, seconds: float) -> Cell:
    """One run of the client, in a process of its own."""
    order = Order(port=peer.port, path=peer.path, size=size, length=length, connections=connections,
                  seconds=seconds, workers=peer.workers)  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.serve_load", json.dumps(asdict(order))], capture_output=True, text=True, check=True
    )
    load = Load(**json.loads(done.stdout))
    return Cell(load.rate, load.cpu / (load.bytes / 1e9), statistics.median(load.first_bytes or [seconds]), load.failed)


@contextmanager
def serving(root: Path, *, workers: int) -> Iterator[Peer]:
    """Our server over an archive, as a user starts it."""
    code = "from film_archive.cli.main import run; run()"
    command = [sys.executable, "-c", code, "serve", str(root), "--port", "0", "--workers", str(workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            match = re.search(r":(\d+)/$", process.stdout.readline().strip())
            assert match is not None
            time.sleep(4)  # all workers have started
            running = [pid for pid in _children(process.pid) if "spawn_main" in _command(pid)] or [process.pid]
            yield Peer("film-archive", int(match[1]), f"/media/{root.name}/clip.mov", tuple(running))
        finally:
            process.terminate()


@contextmanager
def _nginx(program: str, folder: Path) -> Iterator[Peer]:
    port = 18080
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port))
    folder.chmod(0o755)
    command = [program, "-c", str(config), "-g", "daemon off;" + (" user root;" if os.geteuid() == 0 else "")]
    with subprocess.Popen(command) as process:
        try:
            time.sleep(1)
            yield Peer("nginx", port, "/clip.mov", tuple(_children(process.pid)))
        finally:
            process.terminate()


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")


def _private(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024
