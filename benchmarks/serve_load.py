"""A client that only counts: ranges of one address over many connections, from one process, as fast as they come.

Received bytes are dropped inside the system (MSG_TRUNC, tcp(7)), so that the client takes as little of the machine as
it can. Counting begins when all connections are served. Run as
a process: `python -m benchmarks.serve_load '{"port": …}'` prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import random
import select
import socket
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to ask for: ranges of `length` bytes at random places of `path`, for `seconds`."""

    port: int
    path: str
    size: int
    """Bytes of the whole."""
    length: int
    connections: int
    seconds: float
    workers: tuple[int, ...] = ()
    """The server's processes, whose processor time is counted."""
    seed: int = 1


@dataclass(slots=True)
class Load:
    """What came: body bytes, whole answers, failed ones, and seconds to each answer's first byte."""

    seconds: float = 0.0
    cpu: float = 0.0
    """Seconds of processor that the server's workers used meanwhile, in the system and outside."""
    bytes: int = 0
    answers: int = 0
    failed: int = 0
    first_bytes: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Gigabytes a second."""
        return self.bytes / self.seconds / 1e9


class _Client:
    """One connection."""

    def __init__(self, order: Order, chance: random.Random) -> None:
        self._order = order
        self._chance = chance
        self.socket = socket.create_connection(("127.0.0.1", order.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = b""
        self._left = 0
        self._asked = 0.0
        self._waiting = True

    def ask(self) -> None:
        order = self._order
        first = self._chance.randrange(0, order.size - order.length + 1, 4096)
        request = f"GET {order.path} HTTP/1.1\r\nHost: 127.0.0.1:{order.port}\r\nRange: bytes={first}-"
        self._head, self._left, self._waiting = b"", -1, True
        self._asked = time.perf_counter()
        self.socket.sendall(f"{request}{first + order.length - 1}\r\n\r\n".encode())

    def take(self, load: Load, scratch: bytearray) -> bool:
        """Take what is there; False where the answer is not what was asked for."""
        if self._left < 0:
            return self._take_head(load)
        count = self.socket.recv_into(scratch, min(self._left, len(scratch)), socket.MSG_TRUNC)
        return self._count(load, count) if count else False

    def _take_head(self, load: Load) -> bool:
        data = self.socket.recv(65536)
        if self._waiting:
            load.first_bytes.append(time.perf_counter() - self._asked)
            self._waiting = False
        self._head += data
        head, end, body = self._head.partition(b"\r\n\r\n")
        if not end:
            return bool(data)
        if not head.startswith(b"HTTP/1.1 206") or f"ontent-Length: {self._order.length}".lower().encode() not in head.lower():
            return False
        self._left = self._order.length
        return self._count(load, len(body)) if body else True

    def _count(self, load: Load, count: int) -> bool:
        load.bytes += count
        self._left -= count
        if self._left == 0:
            load.answers += 1
            self.ask()
        return True


def cpu(processes: tuple[int, ...]) -> float:
    """Seconds of processor that processes have used."""
    fields = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in processes)
    return sum(int(field[11]) + int(field[12]) for field in fields) / _TICK


def run(order: Order) -> Load:
    """Ask until the time is over; a broken connection is counted and opened again."""
    chance = random.Random(order.seed)
    load = Load()
    scratch = bytearray(1 << 20)
    poll = select.epoll()
    clients: dict[int, _Client] = {}

    def connect() -> None:
        client = _Client(order, chance)
        clients[client.socket.fileno()] = client
        poll.register(client.socket.fileno(), select.EPOLLIN)
        client.ask()

    def turn(seconds: float) -> float:
        begun = time.perf_counter()
        while (passed := time.perf_counter() - begun) < seconds:
            take_all()
        return passed

    def take_all() -> None:
        for number, _ in poll.poll(0.1):
            client = clients[number]
            try:
                well = client.take(load, scratch)
            except ConnectionError:
                well = False
            if not well:
                load.failed += 1
                poll.unregister(number)
                clients.pop(number).socket.close()
                connect()

    for _ in range(order.connections):
        connect()
    while len(load.first_bytes) < order.connections:  # all are served
        take_all()
    turn(order.seconds / 5)
    load.bytes, load.answers, load.first_bytes = 0, 0, []
    before = cpu(order.workers)
    load.seconds = turn(order.seconds)
    load.cpu = cpu(order.workers) - before
    for client in clients.values():
        client.socket.close()
    return load


if __name__ == "__main__":
    result = run(Order(**json.loads(sys.argv[1])))
    print(json.dumps(asdict(result)))
