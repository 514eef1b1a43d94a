"""Extraction jobs: parts of clips cut into files that wait to be fetched.

All workers of a server share a folder. A job's record there is a small JSON file that its worker alone writes; beside
it lie its lock (held while the job is unfinished, so that a job whose worker has died is known as failed), its progress,
its cut, and a mark when somebody wants it cancelled. A worker does one job at a time, in the order they came.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic_core import from_json, to_json

from film_archive.core import files, places
from film_archive.core.errors import FilmArchiveError, NotFound
from film_archive.server.access import Access
from film_archive.server.cuts import cut_name
from film_archive.server.errors import Busy
from film_archive.server.holdings import HeldClip, Holdings
from film_archive.server.metrics import Metrics
from film_archive.workflows.cuts import Cut, CutRequest, open_cut

MOST_UNFINISHED = 64
"""Jobs that may wait or run at once, over all workers."""
MOST_KEPT = 1000
KEPT_SECONDS = 24 * 3600
"""How long a finished job's cut waits to be fetched."""

_ID = re.compile(r"[0-9a-f]{16}")
_PROGRESS = struct.Struct("<Q")


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as its record says; `bytes_done` of about `bytes_total` are written."""

    id: str
    owner: str
    path: str
    """The clip, below /media/."""
    request: CutRequest
    name: str
    state: JobState
    created: float
    ended: float | None = None
    first_frame: int
    frames: int
    head_handle: int
    tail_handle: int
    start_timecode: str
    bytes_done: int = 0
    bytes_total: int
    error: str | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        return to_json(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> Job:
        values = from_json(data)
        values["request"] = CutRequest(**values["request"])
        values["state"] = JobState(values["state"])
        values["notes"] = tuple(values["notes"])
        return cls(**values)


def write_cut(cut: Cut, target: Path, *, on_bytes: files.OnBytes) -> None:
    """What a job does."""
    cut.to_file(target, on_bytes=on_bytes)


class _CancelledError(FilmArchiveError):
    """Somebody wants a job to end; raised in the middle of its work."""


class Jobs:
    """The jobs of a server, as one of its workers sees them. Safe for many threads."""

    def __init__(self, holdings: Holdings, folder: Path | None, metrics: Metrics) -> None:
        self._holdings = holdings
        self._metrics = metrics
        self._given = folder
        self._own: TemporaryDirectory[str] | None = None
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jobs")
        self._closing = threading.Event()

    def start(self, access: Access, path: str, request: CutRequest) -> Job:
        """Queue a cut of the clip at `path` (below /media/).

        What can't be cut is refused at once, as `open_cut` does; Refused, too, where too many jobs are waiting.
        """
        clip = self._holdings.seen_with(access).clip(path)
        cut = open_cut(clip.media.source, clip.frame_index(), clip.facts, request, digest=clip.digest)
        folder = self._folder()
        self._forget_old()
        known = [job for job in self._all() if not job.state.is_final]
        if len(known) >= MOST_UNFINISHED:
            raise Busy(f"{len(known)} extractions are waiting already, which is all this server takes; try again later.")
        job = Job(
            id=secrets.token_hex(8),
            owner=access.owner,
            path=path,
            request=request,
            name=cut_name(path, cut),
            state=JobState.QUEUED,
            created=time.time(),
            first_frame=cut.selection.frames.first,
            frames=cut.selection.frames.count,
            head_handle=cut.selection.head_handle,
            tail_handle=cut.selection.tail_handle,
            start_timecode=str(cut.start),
            bytes_total=cut.to_bytes().source.size,
            notes=cut.notes,
        )
        lock = os.open(folder / f"{job.id}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self._write(job)
        self._thread.submit(self._run, job, clip, lock)
        return job

    def get(self, access: Access, job_id: str) -> Job:
        """A job of this access's own; raises NotFound."""
        job = self._read(job_id) if _ID.fullmatch(job_id) else None
        if job is None or job.owner != access.owner:
            raise NotFound(f"There is no job {job_id[:40]!r}.")
        return job

    def list(self, access: Access) -> list[Job]:
        """The jobs of this access's own, the newest first."""
        own = (job for job in self._all() if job.owner == access.owner)
        return sorted(own, key=lambda job: job.created, reverse=True)

    def cancel(self, access: Access, job_id: str) -> Job:
        """Ask a job to end; one that has ended stays as it is."""
        job = self.get(access, job_id)
        if not job.state.is_final:
            files.write_atomically(self._folder() / f"{job.id}.cancel", b"", replace=True)
        return self.get(access, job_id)

    def remove(self, access: Access, job_id: str) -> None:
        """Cancel a job where it is unfinished, and forget it and its cut."""
        job = self.cancel(access, job_id)
        deadline = time.monotonic() + 10
        while not job.state.is_final:
            if time.monotonic() > deadline:
                raise Busy(f"Job {job.id} is still being ended; ask again.")
            time.sleep(0.02)
            job = self.get(access, job_id)
        self._remove(job)

    def file(self, access: Access, job_id: str) -> tuple[Job, Path]:
        """A finished job's cut; raises NotFound where it is not finished or failed."""
        job = self.get(access, job_id)
        if job.state is not JobState.DONE:
            raise NotFound(f"Job {job.id} is {job.state} and has no file" + (f": {job.error}" if job.error else "."))
        return job, self._file(job)

    def close(self) -> None:
        """End what runs, forget what waits."""
        self._closing.set()
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._own is not None:
            self._own.cleanup()

    # inside

    def _folder(self) -> Path:
        with self._lock:
            if self._given is None:
                self._own = TemporaryDirectory(prefix="film-archive-jobs-", dir=places.temporary())
                self._given = Path(self._own.name)
            folder = self._given / "jobs"
            folder.mkdir(mode=0o700, exist_ok=True)
            return folder

    def _file(self, job: Job) -> Path:
        return self._folder() / f"{job.id}{Path(job.name).suffix}"

    def _run(self, job: Job, clip: HeldClip, lock: int) -> None:
        """In the jobs' thread."""
        folder = self._folder()
        target = self._file(job)
        progress = os.open(folder / f"{job.id}.progress", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        done = 0

        def on_bytes(count: int) -> None:
            nonlocal done
            done += count
            files.write_at(progress, _PROGRESS.pack(done), 0)
            self._check(job)

        try:
            self._check(job)
            job = replace(job, state=JobState.RUNNING)
            self._write(job)
            cut = open_cut(clip.media.source, clip.frame_index(), clip.facts, job.request, digest=clip.digest)
            write_cut(cut, target, on_bytes=on_bytes)
            job = replace(job, state=JobState.DONE, bytes_done=target.stat().st_size, bytes_total=target.stat().st_size)
        except _CancelledError:
            job = replace(job, state=JobState.CANCELLED, bytes_done=done)
        except FilmArchiveError as error:
            job = replace(job, state=JobState.FAILED, bytes_done=done, error=self._holdings.public(str(error)))
        finally:
            if not job.state.is_final:  # a fault of ours; the thread's future has it
                job = replace(job, state=JobState.FAILED, bytes_done=done, error="The job failed by a fault of the server.")
            self._metrics.job_ended(job.state)
            self._write(replace(job, ended=time.time()))
            os.close(progress)
            os.close(lock)

    def _check(self, job: Job) -> None:
        if self._closing.is_set() or (self._folder() / f"{job.id}.cancel").exists():
            raise _CancelledError(f"Job {job.id} was cancelled.")

    def _write(self, job: Job) -> None:
        files.write_atomically(self._folder() / f"{job.id}.json", job.to_json(), replace=True)

    def _all(self) -> Iterator[Job]:
        for record in sorted(self._folder().glob("*.json")):
            job = self._read(record.stem) if _ID.fullmatch(record.stem) else None
            if job is not None:
                yield job

    def _read(self, job_id: str) -> Job | None:
        """A job as it is now: with its progress, and as failed where its worker has died."""
        folder = self._folder()
        try:
            job = Job.from_json((folder / f"{job_id}.json").read_bytes())
        except FileNotFoundError:
            return None
        if job.state.is_final:
            return job
        if not self._is_held(folder / f"{job_id}.lock"):
            job = Job.from_json((folder / f"{job_id}.json").read_bytes())  # it may have ended just now
            if not job.state.is_final:
                return replace(job, state=JobState.FAILED, error="The server's worker that did this job has died; ask anew.")
            return job
        with suppress(FileNotFoundError, struct.error):
            (done,) = _PROGRESS.unpack((folder / f"{job_id}.progress").read_bytes())
            return replace(job, bytes_done=min(done, job.bytes_total))
        return job

    @staticmethod
    def _is_held(lock: Path) -> bool:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _forget_old(self) -> None:
        finished = sorted((job for job in self._all() if job.state.is_final), key=lambda job: job.created)
        for count, job in enumerate(finished):
            if time.time() - (job.ended or job.created) > KEPT_SECONDS or len(finished) - count >= MOST_KEPT:
                self._remove(job)

    def _remove(self, job: Job) -> None:
        files.remove(self._file(job))
        for kind in ("cancel", "progress", "json", "lock"):
            files.remove(self._folder() / f"{job.id}.{kind}")
