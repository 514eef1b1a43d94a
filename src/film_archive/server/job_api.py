"""`/api/v1/jobs…`: extraction jobs as JSON, and their files."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Receive, Scope, Send

from film_archive.core.errors import Refused
from film_archive.core.source import FileSource
from film_archive.server.access import Access, Right
from film_archive.server.asking import access_of, base_of, failures
from film_archive.server.cuts import MOST_HANDLES, disposition
from film_archive.server.documents import JobDocument, JobList, job_document
from film_archive.server.jobs import Jobs
from film_archive.server.sending import request_fields, send_reply
from film_archive.streaming.ranges import EntityTag, Representation
from film_archive.streaming.reply import reply_to
from film_archive.streaming.representation import media_type
from film_archive.workflows.cuts import CutRequest

_FAILURES = failures(
    {
        400: "The body is no JSON.",
        403: "The token gives no right to jobs.",
        404: "No such job, clip or file.",
        413: "The body is too long.",
        422: "The clip can't be cut there, or the request is wrong.",
        429: "Too many jobs are waiting.",
    }
)
_JobId = Annotated[str, Path(description="As the job's document has it.", max_length=64)]
_readers = ThreadPoolExecutor(8, thread_name_prefix="job-files")


class ExtractionOrder(BaseModel):
    """What to cut. Give either `out` or `duration`."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(description="The clip, as behind /media/: ARCHIVE/MEMBER, or a file.", max_length=4096)
    in_: str = Field(alias="in", description="Source timecode of the first frame.", max_length=64, examples=["01:00:10:00"])
    out: str | None = Field(default=None, description="The frame after the last (exclusive).", max_length=64)
    duration: str | None = Field(default=None, max_length=64)
    handles: int = Field(default=0, ge=0, le=MOST_HANDLES, description="Frames more at both ends, as far as there are.")


class FileResponse(Response):
    """A job's file with all that HTTP asks of ranges and conditions."""

    def __init__(self, source: FileSource, name: str, tag: str) -> None:
        super().__init__()
        self._source = source
        self._name = name
        self._tag = tag

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        modified = int(self._source.status.st_mtime)
        content = Representation(
            size=self._source.size, etag=EntityTag(self._tag), last_modified=modified, content_type=media_type(self._name)
        )
        reply = reply_to(request_fields(scope), content, now=time.time(), boundary=secrets.token_hex(16))
        fields = (("content-disposition", disposition(self._name)),)
        await send_reply(scope, receive, send, reply, self._source, threads=_readers, more_fields=fields)


def job_router(jobs: Jobs) -> APIRouter:
    """Each token sees the jobs that it has started."""
    router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=_FAILURES)

    @router.post("", status_code=202)
    def start_job(request: Request, order: ExtractionOrder, response: Response) -> JobDocument:
        """Cut a part of a clip into a file: starts at once or when those before it are done."""
        wanted = CutRequest(order.in_, order.out, order.duration, order.handles)
        job = jobs.start(_working(request), order.path, wanted)
        document = job_document(job, base_of(request))
        response.headers["location"] = document.url
        return document

    @router.get("")
    def list_jobs(request: Request) -> JobList:
        """The token's own jobs, the newest first."""
        return JobList(jobs=[job_document(job, base_of(request)) for job in jobs.list(access_of(request))])

    @router.get("/{job}")
    def get_job(request: Request, job: _JobId) -> JobDocument:
        """A job and how far it is."""
        return job_document(jobs.get(access_of(request), job), base_of(request))

    @router.post("/{job}/cancel", status_code=202)
    def cancel_job(request: Request, job: _JobId) -> JobDocument:
        """Ask a job to end; one that has ended stays as it is."""
        return job_document(jobs.cancel(_working(request), job), base_of(request))

    @router.delete("/{job}", status_code=204)
    def remove_job(request: Request, job: _JobId) -> None:
        """Cancel a job where it is unfinished, and forget it and its file."""
        jobs.remove(_working(request), job)

    @router.head("/{job}/file", include_in_schema=False)
    @router.get(
        "/{job}/file",
        response_class=Response,
        responses={
            200: {
                "description": "The cut, in the clip's own format where that can be cut.",
                "content": {"video/quicktime": {}, "application/mxf": {}, "audio/wav": {}},
            },
            206: {"description": "A part of it."},
            304: {"description": "It is what the client has."},
            412: {"description": "It is not what the client has."},
            416: {"description": "It has no such part."},
        },
    )
    def get_file(request: Request, job: _JobId) -> Response:
        """What a finished job has made, with ranges (RFC 9110)."""
        found, path = jobs.file(access_of(request), job)
        return FileResponse(FileSource(path, found.name), found.name, f"{found.id}-{found.bytes_total:x}")

    return router



def _working(request: Request) -> Access:
    """The request's access, if it may start and end jobs."""
    access = access_of(request)
    if access.right is not Right.JOBS:
        raise Refused("This token reads; it gives no right to jobs.")
    return access
