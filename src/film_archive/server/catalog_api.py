"""`/api/v1/catalog/…`: what the production's catalog knows, of drives, volumes and cartridges on the shelf as well.

A catalog tells of more than what is served, so only who may see every ROOT may ask it; an address has what lies below one.
Its database is loaded by servers that have one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request

from film_archive.core.errors import NotFound, Refused
from film_archive.server.asking import access_of, base_of, failures
from film_archive.server.documents import CatalogContent, CatalogFindings, CatalogPlace
from film_archive.server.holdings import Holdings

if TYPE_CHECKING:
    from film_archive.catalog.catalog import Catalog
    from film_archive.library.finding import KnownCopy

_FAILURES = failures(
    {
        403: "The token is for some roots only.",
        404: "The server has no catalog, or that knows of no such content.",
        422: "The request is wrong.",
    }
)


def open_catalog(where: str | os.PathLike[str]) -> Catalog:
    """A catalog that is there; raises NotFound, Damaged, Refused."""
    from film_archive.catalog.catalog import Catalog

    return Catalog.open(where, must_exist=True)


def catalog_router(catalog: Catalog | None, holdings: Holdings) -> APIRouter:
    """What can be asked of a catalog; without one each answer says so."""
    router = APIRouter(prefix="/api/v1/catalog", tags=["catalog"], responses=_FAILURES)

    def asked(request: Request) -> Catalog:
        if access_of(request).roots is not None:
            raise Refused("This token is for some roots only, and the catalog knows of more than these.")
        if catalog is None:
            raise NotFound("This server was started without a catalog; `serve --catalog` gives it one.")
        return catalog

    def place(request: Request, copy: KnownCopy) -> CatalogPlace:
        path = holdings.path_below(Path(copy.path)) if copy.online else None
        return CatalogPlace(
            kind=copy.kind,
            device=copy.device,
            label=copy.label,
            path=copy.inner,
            online=copy.online,
            size=copy.size,
            verified=copy.verified,
            verified_by=copy.verified_by,
            sequence=copy.sequence,
            gone=copy.gone,
            url=None if path is None else base_of(request) + path,
        )

    @router.get("/search")
    def search(
        request: Request,
        q: Annotated[str, Query(min_length=1, max_length=200, description="A part of a file's or a folder's name.")],
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> CatalogFindings:
        """Files and sequences in whose name, or folder's name, a text is found, on devices that are here or are not."""
        from film_archive.library import finding

        found = finding.find(asked(request), q, limit=limit + 1).found
        return CatalogFindings(query=q, found=[place(request, each) for each in found[:limit]], complete=len(found) <= limit)

    @router.get("/where")
    def where(
        request: Request,
        digest: Annotated[str, Query(pattern="^[0-9a-fA-F]{32}$", description="XXH3-128 of the content, 32 hex digits.")],
    ) -> CatalogContent:
        """Every known copy of a content, and on how many devices a verified one is."""
        from film_archive.library import finding

        known = finding.where_digest(asked(request), digest)
        return CatalogContent(
            digests=known.digests,
            size=known.size,
            copies=[place(request, each) for each in known.copies],
            devices=known.devices,
        )

    return router
