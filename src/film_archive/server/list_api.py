"""`/api/v1/lists`: selects as an edit list, to be saved by whoever asks. Nothing is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from film_archive.core.errors import NotSupported
from film_archive.server.asking import access_of, failures
from film_archive.server.holdings import Holdings
from film_archive.streaming.opened import making_sense
from film_archive.workflows.selects import Select, write_selects

MOST_SELECTS = 1000
_TYPES = {"edl": "text/plain", "otio": "application/json", "ale": "text/plain", "csv": "text/csv"}
_FAILURES = failures(
    {
        400: "The body is no JSON.",
        404: "No such archive or clip.",
        413: "The body is too long.",
        422: "A clip has no such frames, or the request is wrong.",
    }
)


class SelectOrder(BaseModel):
    """Frames of a clip."""

    model_config = ConfigDict(extra="forbid")

    archive: str = Field(max_length=4096)
    member: str = Field(description="The clip's path in the archive.", max_length=4096)
    first: int = Field(ge=0, le=1 << 53, description="The first frame's number, from 0.")
    end: int = Field(ge=1, le=1 << 53, description="The number after the last one's.")
    note: Annotated[str, StringConstraints(max_length=200)] = ""


class ListOrder(BaseModel):
    """A list to write; its events stand in the order of its selects, one after the other from 01:00:00:00."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["edl", "otio", "ale", "csv"]
    title: str = Field(default="Selects", min_length=1, max_length=100)
    selects: list[SelectOrder] = Field(min_length=1, max_length=MOST_SELECTS)


class ListDocument(BaseModel):
    name: str = Field(description="What to call the file.")
    media_type: str
    text: str = Field(description="The file, to be saved as UTF-8.")
    lost: list[str] = Field(description="What the format could not hold, a sentence each.")


def list_router(holdings: Holdings) -> APIRouter:
    router = APIRouter(prefix="/api/v1/lists", tags=["lists"], responses=_FAILURES)

    @router.post("")
    def write_list(request: Request, order: ListOrder) -> ListDocument:
        """Selects as CMX 3600 EDL, OpenTimelineIO, ALE or CSV, with reels and source timecode as the archives know them."""
        access = access_of(request)
        seen = holdings.seen_with(access)
        selects = [_select(seen, each) for each in order.selects]
        written = write_selects(selects, order.format, order.title)
        return ListDocument(
            name=written.name,
            media_type=_TYPES[order.format],
            text=written.data.decode(),
            lost=list(written.lost),
        )

    return router


def _select(holdings: Holdings, order: SelectOrder) -> Select:
    held = holdings.archive(order.archive)
    member = held.opened.member(order.member)
    with making_sense(held.opened.archive.name, member.path):
        facts = member.media
    if facts is None:
        raise NotSupported(f"{member.path} is no clip that the archive knows; it can't stand in a list.")
    return Select(member.path, facts, order.first, order.end, order.note)
