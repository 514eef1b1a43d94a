"""A server in this process, for tests that need real connections."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("fastapi")

from film_archive.server import zerocopy
from film_archive.server.app import create_app


class Served:
    """A server in this process, with its own thread and event loop."""

    def __init__(self, root: Path, implementation: str | None = None, **more: Any) -> None:
        """`implementation`: which of uvicorn's, with zero copy; None is uvicorn as it is."""
        protocol = "auto" if implementation is None else zerocopy.protocol_over(implementation)
        self.config = uvicorn.Config(
            create_app([root], **more),
            loop="asyncio",
            http=protocol,
            ws="none",
            proxy_headers=False,
            log_config=None,
            access_log=False,
        )
        self.server = uvicorn.Server(self.config)
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],))
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join()
        self.socket.close()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def get(self, path: str, **fields: str) -> tuple[int, dict[str, str], bytes]:
        connection = self.connect()
        try:
            connection.request("GET", path, headers=fields)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()
