"""Requests that can be answered at once: a plain GET of bytes that lie in one run of an open file.

A player that seeks, or many that play, ask for ranges of the same few files again and again. Where a request is the
plainest there is, and its address was looked up a moment ago, its answer follows without waiting for anything. Whatever
is out of the ordinary is left to the long way, which answers the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from film_archive.core.source import OpenRun
from film_archive.server.sending import Scope

_PLAIN = re.compile(
    rb"GET (/[!-~]*) HTTP/1\.1\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n)+)\r\n"
)
"""A whole request without a body: request line, fields (RFC 9112, 3 and 5; no line is folded), and nothing behind."""
_LONGEST = 16_384
_NOT_PLAIN = {
    *(b"content-length", b"transfer-encoding", b"te", b"trailer", b"upgrade", b"expect", b"http2-settings"),
    *(b"proxy-connection", b"keep-alive"),
}
"""Fields that say something about the connection or of a body."""


def read_request(data: bytes) -> Scope | None:
    """An ASGI scope of a plain request that is all of `data`; None where it is anything else."""
    match = _PLAIN.fullmatch(data) if len(data) <= _LONGEST else None
    if match is None:
        return None
    fields: list[tuple[bytes, bytes]] = []
    seen: set[bytes] = set()
    for line in match[2].split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        if name in seen or name in _NOT_PLAIN or (name == b"connection" and value.lower() != b"keep-alive"):
            return None
        seen.add(name)
        fields.append((name, value))
    if b"host" not in seen:
        return None
    raw_path, _, query = match[1].partition(b"?")
    if b"#" in match[1] or raw_path.startswith(b"//"):
        return None
    path = raw_path.decode("ascii")
    return {
        "type": "http",
        "method": "GET",
        "path": unquote(path) if "%" in path else path,
        "raw_path": raw_path,
        "query_string": query,
        "headers": fields,
        "root_path": "",
    }


@dataclass(frozen=True, slots=True)
class AtOnce:
    """An answer whose body is one run of a file. `ended` has to hear, once, whether all of it was sent."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    run: OpenRun
    ended: Callable[[bool], None]

    def head(self, more_fields: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Status line and fields as they go over the wire (RFC 9112, 4)."""
        lines = [_STATUS_LINES[self.status]]
        for name, value in (*more_fields, *self.fields):
            lines += [name, b": ", value, b"\r\n"]
        lines.append(b"\r\n")
        return b"".join(lines)


_STATUS_LINES = {200: b"HTTP/1.1 200 OK\r\n", 206: b"HTTP/1.1 206 Partial Content\r\n"}
