"""Asking an application in this process, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

httpx = pytest.importorskip("httpx")

from film_archive.server.access import EVERYTHING
from film_archive.server.sending import ACCESS


def ask(app: Any, path: str, method: str = "GET", fields: Mapping[str, str] | None = None, **more: Any) -> Any:
    """One request through ASGI; the path is sent as it stands, without tidying."""

    async def run() -> Any:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=fields) as client:
            return await client.request(method, path, **more)

    return asyncio.run(run())


async def call(
    app: Any,
    path: str,
    *,
    method: str = "GET",
    fields: Mapping[str, str] | None = None,
    disconnect_after: int | None = None,
) -> list[dict[str, Any]]:
    """The very messages that an application sends; the client goes away after so many of them."""
    sent: list[dict[str, Any]] = []
    gone = asyncio.Event()
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if disconnect_after is not None and len(sent) >= disconnect_after:
            gone.set()
        await asyncio.sleep(0)

    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in (fields or {}).items()]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 1),
        ACCESS: EVERYTHING,  # as the gate has it, for applications that are asked without one
    }
    await app(scope, receive, send)
    return sent
