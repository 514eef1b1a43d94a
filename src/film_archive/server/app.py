"""`create_app`: the whole server as one ASGI application."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from film_archive import __version__
from film_archive.core.errors import FilmArchiveError
from film_archive.server.access import Grant, Guard, require_roots
from film_archive.server.api import archive_router, health_router, session_router
from film_archive.server.assets import PageApplication
from film_archive.server.at_once import AtOnce
from film_archive.server.catalog_api import catalog_router, open_catalog
from film_archive.server.clip_api import clip_router
from film_archive.server.errors import error_body, status_of
from film_archive.server.gate import SAFE_FIELDS, Gate
from film_archive.server.hls import PlaylistApplication
from film_archive.server.holdings import Holdings
from film_archive.server.job_api import job_router
from film_archive.server.jobs import Jobs
from film_archive.server.list_api import list_router
from film_archive.server.media import MediaApplication
from film_archive.server.metrics import Metrics
from film_archive.server.sending import Application, Receive, Scope, Send, encoded, route_path

_READERS = 32
"""Threads that read media: so many cold reads at once, before a further one waits. The event loop never does."""


class ServerApplication:
    """Hands requests on by the first part of their path: what plays film goes straight to who sends it, the rest to
    `api` (FastAPI), through `gate` all of it.
    """

    def __init__(self, api: FastAPI, media: MediaApplication, planes: Mapping[str, Application], guard: Guard,
                 hosts: Collection[str] | None, metrics: Metrics) -> None:  # fmt: skip
        self.api = api
        self._media = media
        self._planes: Mapping[str, Application] = {**planes, "media": media}
        self._gate = Gate(self._dispatch, guard, hosts, metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._gate(scope, receive, send)

    def at_once(self, scope: Scope) -> AtOnce | None:
        """The answer to a plain request where it needs nothing that waits; None where the long way has to be gone."""
        if not scope["path"].startswith("/media/") or not self._gate.admits(scope):
            return None
        found = self._media.at_once(scope)
        if found is None:
            return None
        reply, run, more_fields = found
        fields = (*encoded((*reply.fields, *more_fields)), *SAFE_FIELDS)
        return AtOnce(reply.status, fields, run, self._gate.note(scope, reply.status, run.length))

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # the server's own start and end
            await self.api(scope, receive, send)
            return
        first = route_path(scope).removeprefix("/").partition("/")[0]
        await self._planes.get(first, self.api)(scope, receive, send)


class CompressedDocuments(GZipMiddleware):
    """Compresses what the API says; not the files of jobs, whose ranges are those of the files as they are."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and route_path(scope).endswith("/file"):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(
    roots: Sequence[str | os.PathLike[str]],
    token: str | None = None,
    *,
    hosts: Collection[str] | None = None,
    grants: Sequence[Grant] = (),
    follow_links: bool = False,
    work: Path | None = None,
    worker: int = 0,
    catalog: str | os.PathLike[str] | None = None,
) -> ServerApplication:
    """An application over what lies below `roots` (folders, or single archives).

    With tokens (`token` has every right) every request but those for the page's own files and /healthz has to show one;
    with `hosts` a request must name one of them as Host. `work` is the folder in which all workers of a server keep
    jobs and counts; without it jobs are kept in a folder of their own for as long as the application runs. `catalog`, a
    file or a database's URL, can be searched. Raises NotFound where a root or the catalog is not there, UsageError where
    two roots have one name.
    """
    holdings = Holdings(roots, follow_links=follow_links)
    guard = Guard([*([] if token is None else [Grant(token)]), *grants])
    require_roots(grants, [root.label for root in holdings.roots])
    threads = ThreadPoolExecutor(_READERS, thread_name_prefix="media")
    metrics = Metrics(work, worker)
    jobs = Jobs(holdings, work, metrics)
    known = None if catalog is None else open_catalog(catalog)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            jobs.close()
            if known is not None:
                known.close()
            threads.shutdown(wait=False, cancel_futures=True)

    api = _api(holdings, lifespan=lifespan)
    api.include_router(health_router(metrics))
    api.include_router(session_router(guard))
    api.include_router(clip_router(holdings))  # before archives, whose path may have slashes
    api.include_router(archive_router(holdings))
    api.include_router(catalog_router(known, holdings))
    api.include_router(job_router(jobs))
    api.include_router(list_router(holdings))
    page = PageApplication(threads)
    planes: dict[str, Application] = {
        "hls": PlaylistApplication(holdings, threads),
        "page": page,
        "": page,
    }
    return ServerApplication(api, MediaApplication(holdings, threads), planes, guard, hosts, metrics)


def _api(holdings: Holdings, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    """FastAPI with our errors."""
    api = FastAPI(
        title="film-archive",
        version=__version__,
        description="Film archives over HTTP. Media bytes: GET /media/ARCHIVE/MEMBER, with ranges (RFC 9110).",
        lifespan=lifespan,
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    api.add_middleware(CompressedDocuments, minimum_size=2048, compresslevel=4)

    @api.exception_handler(FilmArchiveError)
    def failed(request: Request, error: FilmArchiveError) -> Response:
        status = status_of(error)
        return Response(error_body(status, holdings.public(str(error))), status, media_type="application/json")

    @api.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors())
        return Response(error_body(422, f"The request is wrong: {wrong}."), 422, media_type="application/json")

    @api.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        body = error_body(error.status_code, f"{error.detail}.")
        return Response(body, error.status_code, error.headers, media_type="application/json")

    return api
