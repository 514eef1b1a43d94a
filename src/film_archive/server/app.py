"""`create_app`: the whole server as one ASGI application."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route

from film_archive import __version__
from film_archive.core.errors import FilmArchiveError
from film_archive.server.api import archive_router, health_router, session_router
from film_archive.server.assets import PageApplication
from film_archive.server.errors import error_body, status_of
from film_archive.server.gate import Gate, Token
from film_archive.server.holdings import Holdings
from film_archive.server.media import MediaApplication

_READERS = 32
"""Threads that read media: so many cold reads at once, before a further one waits. The event loop never does."""


def create_app(
    roots: Sequence[str | os.PathLike[str]], token: str | None = None, *, hosts: Collection[str] | None = None
) -> FastAPI:
    """An application over what lies below `roots` (folders, or single archives).

    With a `token` every request but those for the page's own files and /healthz has to show it; with `hosts` a
    request must name one of them as Host. Raises NotFound where a root is not there, UsageError where two have one
    name.
    """
    holdings = Holdings(roots)
    secret = Token(token) if token is not None else None
    threads = ThreadPoolExecutor(_READERS, thread_name_prefix="media")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        threads.shutdown(wait=False, cancel_futures=True)

    app = FastAPI(
        title="film-archive",
        version=__version__,
        description="Film archives over HTTP. Media bytes: GET /media/ARCHIVE/MEMBER, with ranges (RFC 9110).",
        lifespan=lifespan,
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )

    @app.exception_handler(FilmArchiveError)
    def failed(request: Request, error: FilmArchiveError) -> Response:
        status = status_of(error)
        return Response(error_body(status, holdings.public(str(error))), status, media_type="application/json")

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors())
        return Response(error_body(422, f"The request is wrong: {wrong}."), 422, media_type="application/json")

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        body = error_body(error.status_code, f"{error.detail}.")
        return Response(body, error.status_code, error.headers, media_type="application/json")

    app.include_router(health_router())
    app.include_router(session_router(secret))
    app.include_router(archive_router(holdings))
    app.mount("/media", MediaApplication(holdings, threads))
    page = PageApplication(threads)
    app.mount("/page", page)
    app.router.routes.append(Route("/", page))
    app.add_middleware(Gate, token=secret, hosts=hosts)
    return app
