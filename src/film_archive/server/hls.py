"""`/hls/ARCHIVE/MEMBER/master.m3u8`, and beside it a playlist for each proxy, `SIZE.m3u8`."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from urllib.parse import quote

from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import FilmArchiveError, NotFound, NotSupported
from film_archive.core.member import Member, ProxyRecord
from film_archive.core.source import MemorySource, printable
from film_archive.server.holdings import HeldArchive, Holdings
from film_archive.server.sending import (
    ACCESS,
    Receive,
    Scope,
    Send,
    request_fields,
    route_path,
    send_error,
    send_failure,
    send_reply,
)
from film_archive.streaming.fragments import FragmentIndex, read_fragments
from film_archive.streaming.hls import Rendition, master_playlist, media_playlist
from film_archive.streaming.opened import OpenedArchive
from film_archive.streaming.ranges import EntityTag, Representation
from film_archive.streaming.reply import reply_to

PLAYLIST = "application/vnd.apple.mpegurl"
_KEPT = 256


class Fragments:
    """The fragment indexes that were asked for lately. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[object, str], FragmentIndex] = OrderedDict()

    def of(self, opened: OpenedArchive, path: str) -> FragmentIndex:
        """The index of a proxy of an archive; raises as `read_fragments` does."""
        key = (opened.stamp, path)
        with self._lock:
            index = self._kept.get(key)
            if index is not None:
                self._kept.move_to_end(key)
                return index
        index = read_fragments(opened.source(opened.member(path)))
        with self._lock:
            self._kept[key] = index
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return index


def proxies_of(held: HeldArchive, member: Member, fragments: Fragments) -> list[tuple[ProxyRecord, FragmentIndex]]:
    """A member's proxies that can be played in pieces, the smallest first; raises NotSupported where there are none."""
    name = f"{held.name.path}::{printable(member.path)}"
    found: list[tuple[ProxyRecord, FragmentIndex]] = []
    reasons: list[str] = []
    for proxy in member.proxies:
        try:
            found.append((proxy, fragments.of(held.opened, proxy.path)))
        except (NotSupported, NotFound) as error:
            reasons.append(str(error))
    if reasons and not found:
        raise NotSupported(f"No proxy of {name} can be played in pieces: {reasons[0]}")
    if not found:
        raise NotSupported(f"{name} has no proxies, so it can't be played in pieces; `proxy ARCHIVE` makes them.")
    return found


def playlist_url(member_path: str, base: str, size: str = "master") -> str:
    """The address of a playlist; `member_path` is what the clip's addresses have below /media/."""
    return base + quote(f"/hls/{member_path}/{size}.m3u8")


class PlaylistApplication:
    """GET and HEAD of playlists. Those of a clip change with its archive only."""

    def __init__(self, holdings: Holdings, threads: Executor) -> None:
        self._holdings = holdings
        self._threads = threads
        self._fragments = Fragments()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await send_error(scope, send, 405, "Playlists can be read only: GET and HEAD.", ("allow", "GET, HEAD"))
            return
        holdings = self._holdings.seen_with(scope[ACCESS])
        base = scope.get("root_path") or ""
        path = route_path(scope).removeprefix("/hls").removeprefix("/")
        make: Callable[[], str] = lambda: self._playlist(holdings, path, base)  # noqa: E731  # for one call in a thread
        try:
            text = await asyncio.get_running_loop().run_in_executor(self._threads, make)
        except FilmArchiveError as error:
            await send_failure(scope, send, error, holdings.public(str(error)))
            return
        data = text.encode()
        hasher = MultiHasher()
        hasher.update(data)
        tag = EntityTag(hasher.digests()[KEY])
        content = Representation(size=len(data), etag=tag, last_modified=None, content_type=PLAYLIST)
        reply = reply_to(request_fields(scope), content, now=time.time(), boundary=secrets.token_hex(16))
        await send_reply(scope, receive, send, reply, MemorySource(data), threads=self._threads)

    def _playlist(self, holdings: Holdings, path: str, base: str) -> str:
        clip_path, _, name = path.rpartition("/")
        size, dot, kind = name.rpartition(".")
        if kind != "m3u8" or not dot or not clip_path:
            raise NotFound(f"There is no playlist {printable(path)}; a clip's is at /hls/ARCHIVE/MEMBER/master.m3u8.")
        clip = holdings.clip(clip_path)
        if clip.held is None or clip.member is None:
            raise NotSupported(f"{printable(clip_path)} lies in no archive, so it has no proxies to play.")
        held = clip.held
        renditions = {
            proxy.size: Rendition(fragments, playlist_url(clip_path, base, proxy.size), base + held.path_url(proxy.path))
            for proxy, fragments in proxies_of(held, clip.member, self._fragments)
        }
        if size == "master":
            return master_playlist(list(renditions.values()))
        if size not in renditions:
            raise NotFound(f"{printable(clip_path)} has no proxy {printable(size)}; it has {', '.join(renditions)}.")
        return media_playlist(renditions[size])
