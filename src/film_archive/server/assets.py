"""The review page's own files, read (and compressed) once when the server starts; no path of a request is looked for on disk."""

from __future__ import annotations

import gzip
import re
import secrets
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.source import MemorySource
from film_archive.server.page_modules import joined
from film_archive.server.sending import Receive, Scope, Send, header, request_fields, send_error, send_reply
from film_archive.streaming.ranges import EntityTag, Representation
from film_archive.streaming.reply import reply_to

_FOLDER = Path(__file__).with_name("page")
_ENTRIES = ("screen.js", "app.js")
"""The modules that the page names: what shows the first picture, and all else."""
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FIELDS = (
    (
        "content-security-policy",
        # blob: is what a page's own MediaSource is called; no other page can make one of its names.
        (
            "default-src 'self'; media-src 'self' blob:; object-src 'none'; "
            "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class _Coded:
    """A file's bytes in one coding, and what HTTP says of them."""

    source: MemorySource
    content: Representation
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Asset:
    plain: _Coded
    gzipped: _Coded


class PageApplication:
    """`/` is the page; its modules, joined (see `page_modules`), and styles lie at `/page/NAME`."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        files = {file.name: file.read_bytes() for file in sorted(_FOLDER.iterdir()) if file.suffix in _TYPES}
        modules = {name: data.decode() for name, data in files.items() if name.endswith(".js")}
        others = {name: data for name, data in files.items() if name not in modules}
        sent = {**others, **{name: text.encode() for name, text in joined(modules, _ENTRIES).items()}}
        self._assets: Mapping[str, _Asset] = {f"/page/{name}": _asset(name, data) for name, data in sent.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        path = scope["path"].removeprefix(scope.get("app_root_path", scope.get("root_path", "")))
        asset = self._assets.get("/page/index.html" if path == "/" else path)
        if asset is None:
            await send_error(scope, send, 404, "There is nothing here.")
        elif scope["method"] not in ("GET", "HEAD"):
            await send_error(scope, send, 405, "The page can be read only: GET and HEAD.", ("allow", "GET, HEAD"))
        else:
            coded = asset.gzipped if takes_gzip(header(scope, b"accept-encoding") or "") else asset.plain
            reply = reply_to(request_fields(scope), coded.content, now=time.time(), boundary=secrets.token_hex(16))
            await send_reply(scope, receive, send, reply, coded.source, threads=self._threads, more_fields=coded.fields)


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding field has gzip (RFC 9110, 12.5.3); a weight of 0 refuses it."""
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in ("gzip", "x-gzip"):
            return re.fullmatch(r"\s*(q\s*=\s*0(\.0{0,3})?)\s*", weight) is None
    return False


def _asset(name: str, data: bytes) -> _Asset:
    content_type = _TYPES[Path(name).suffix]
    packed = gzip.compress(data, 9, mtime=0)
    return _Asset(
        _coded(data, name, content_type, _FIELDS),
        _coded(packed, name, content_type, (*_FIELDS, ("content-encoding", "gzip"))),
    )


def _coded(data: bytes, name: str, content_type: str, fields: tuple[tuple[str, str], ...]) -> _Coded:
    hasher = MultiHasher()
    hasher.update(data)
    tag = EntityTag(hasher.digests()[KEY])
    content = Representation(size=len(data), etag=tag, last_modified=None, content_type=content_type)
    return _Coded(MemorySource(data, name), content, (*fields, ("vary", "accept-encoding")))
