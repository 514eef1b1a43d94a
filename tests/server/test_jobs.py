"""Extraction jobs: their file is what `extract` writes; they can be watched, cancelled, and survive no dead worker."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("httpx")

from film_archive.core.errors import NotFound, StorageError
from film_archive.server import jobs as jobs_module
from film_archive.server.access import EVERYTHING, Access, Right
from film_archive.server.app import create_app
from film_archive.server.errors import Busy
from film_archive.server.holdings import Holdings
from film_archive.server.jobs import Job, Jobs, JobState
from film_archive.server.metrics import Metrics
from film_archive.workflows.cuts import CutRequest
from film_archive.workflows.extraction import extract
from tests.server.clients import ask
from tests.server.conftest import Production

ORDER = CutRequest("01:00:01:00", "01:00:02:00", None, 3)


@pytest.fixture
def jobs(production: Production, tmp_path: Path) -> Any:
    made = worker(production, tmp_path)
    yield made
    made.close()


def worker(production: Production, folder: Path) -> Jobs:
    return Jobs(Holdings([production.root]), folder, Metrics(folder))


def clip(production: Production) -> str:
    return f"{production.archive}/{production.member}"


def ended(jobs: Jobs, job: Job, access: Access = EVERYTHING) -> Job:
    deadline = time.monotonic() + 30
    while not (now := jobs.get(access, job.id)).state.is_final:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return now


class Gate:
    """Holds a job in the middle of its work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        real = jobs_module.write_cut

        def held(cut: Any, target: Path, *, on_bytes: Any) -> None:
            self.reached.set()
            assert self.open.wait(30)
            on_bytes(1000)
            real(cut, target, on_bytes=on_bytes)

        monkeypatch.setattr(jobs_module, "write_cut", held)


def test_over_http_from_start_to_file(production: Production, tmp_path: Path) -> None:
    app = create_app([production.root], work=tmp_path)
    order = {"path": clip(production), "in": "01:00:01:00", "out": "01:00:02:00", "handles": 3}
    started = ask(app, "/api/v1/jobs", "POST", json=order)
    assert started.status_code == 202
    job = started.json()
    assert started.headers["location"] == job["url"]
    assert (job["first_frame"], job["frames"], job["head_handle"], job["tail_handle"]) == (21, 30, 3, 3)
    deadline = time.monotonic() + 30
    while job["state"] not in ("done", "failed"):
        assert time.monotonic() < deadline
        job = ask(app, job["url"]).json()
    assert job["state"] == "done", job
    assert job["bytes_done"] == job["bytes_total"]
    what = f"{production.root / production.archive}::{production.member}"
    extract(what, tmp_path / "wanted.mov", in_point="01:00:01:00", out_point="01:00:02:00", handles=3)
    wanted = (tmp_path / "wanted.mov").read_bytes()
    answer = ask(app, job["file_url"])
    assert answer.content == wanted
    assert answer.headers["content-disposition"].startswith("attachment")
    part = ask(app, job["file_url"], fields={"Range": "bytes=100-199", "If-Range": answer.headers["etag"]})
    assert (part.status_code, part.content) == (206, wanted[100:200])
    assert ask(app, job["file_url"], "HEAD").headers["content-length"] == str(len(wanted))
    assert [one["id"] for one in ask(app, "/api/v1/jobs").json()["jobs"]] == [job["id"]]
    assert ask(app, job["url"], "DELETE").status_code == 204
    assert ask(app, job["url"]).status_code == 404
    assert ask(app, job["file_url"]).status_code == 404
    assert not list((tmp_path / "jobs").iterdir())
    assert 'film_archive_jobs_total{state="done"} 1' in ask(app, "/metrics").text


def test_what_can_not_be_cut_is_refused_at_once(production: Production, tmp_path: Path) -> None:
    app = create_app([production.root], work=tmp_path)
    good = {"path": clip(production), "in": "01:00:01:00", "out": "01:00:02:00"}
    for change, status in [
        ({"path": "absent.mov"}, 404),
        ({"path": "../etc/passwd"}, 404),
        ({"in": "09:00:00:00"}, 422),
        ({"out": None}, 422),
        ({"handles": -1}, 422),
        ({"surprise": 1}, 422),
        ({"path": "x" * 5000}, 422),
    ]:
        answer = ask(app, "/api/v1/jobs", "POST", json={**good, **change})
        assert answer.status_code == status, (change, answer.text)
    assert ask(app, "/api/v1/jobs", "POST", content=b"{").status_code == 422
    assert ask(app, "/api/v1/jobs").json() == {"jobs": []}
    for wrong in ["0" * 16, "..", "x", quote("../../etc"), "0" * 60]:
        assert ask(app, f"/api/v1/jobs/{wrong}").status_code == 404
        assert ask(app, f"/api/v1/jobs/{wrong}", "DELETE").status_code in (404, 405)


def test_progress_is_seen_by_every_worker(
    production: Production, jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    other = worker(production, tmp_path)
    job = jobs.start(EVERYTHING, clip(production), ORDER)
    assert gate.reached.wait(30)
    assert other.get(EVERYTHING, job.id).state is JobState.RUNNING
    with pytest.raises(NotFound, match="running"):
        other.file(EVERYTHING, job.id)
    gate.open.set()
    assert ended(other, job).state is JobState.DONE
    assert other.file(EVERYTHING, job.id)[1].stat().st_size == ended(other, job).bytes_total
    other.close()


def test_another_worker_can_cancel(
    production: Production, jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    other = worker(production, tmp_path)
    running = jobs.start(EVERYTHING, clip(production), ORDER)
    waiting = jobs.start(EVERYTHING, clip(production), ORDER)
    assert gate.reached.wait(30)
    other.cancel(EVERYTHING, running.id)
    other.cancel(EVERYTHING, waiting.id)
    gate.open.set()
    assert ended(jobs, running).state is JobState.CANCELLED
    assert ended(jobs, waiting).state is JobState.CANCELLED
    assert not list((tmp_path / "jobs").glob("*.mov")), "nothing half done is left"
    assert jobs.cancel(EVERYTHING, running.id).state is JobState.CANCELLED, "asking again changes nothing"
    other.remove(EVERYTHING, running.id)
    other.remove(EVERYTHING, waiting.id)
    assert not list((tmp_path / "jobs").iterdir())
    other.close()


def test_a_dead_workers_job_has_failed(production: Production, jobs: Jobs, tmp_path: Path) -> None:
    job = ended(jobs, jobs.start(EVERYTHING, clip(production), ORDER))
    record = tmp_path / "jobs" / f"{job.id}.json"
    record.write_bytes(record.read_bytes().replace(b'"state":"done"', b'"state":"running"'))
    dead = ended(jobs, job)  # the one that did it lets go of its lock after it has written that it is done
    assert dead.state is JobState.FAILED
    assert dead.error is not None
    assert "died" in dead.error
    jobs.remove(EVERYTHING, job.id)


def test_a_fault_of_the_disk_is_told(production: Production, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any, **named: Any) -> None:
        raise StorageError(f"Could not write {production.root}/x: no space.")

    monkeypatch.setattr(jobs_module, "write_cut", full)
    job = ended(jobs, jobs.start(EVERYTHING, clip(production), ORDER))
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "no space" in job.error
    assert str(production.root) not in job.error


def test_so_many_may_wait(production: Production, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "MOST_UNFINISHED", 3)
    gate = Gate(monkeypatch)
    started = [jobs.start(EVERYTHING, clip(production), ORDER) for _ in range(3)]
    with pytest.raises(Busy):
        jobs.start(EVERYTHING, clip(production), ORDER)
    gate.open.set()
    for job in started:
        assert ended(jobs, job).state is JobState.DONE
    assert ended(jobs, jobs.start(EVERYTHING, clip(production), ORDER)).state is JobState.DONE


def test_old_cuts_are_forgotten(production: Production, jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ended(jobs, jobs.start(EVERYTHING, clip(production), ORDER))
    monkeypatch.setattr(jobs_module, "KEPT_SECONDS", -1)
    second = ended(jobs, jobs.start(EVERYTHING, clip(production), ORDER))
    assert [job.id for job in jobs.list(EVERYTHING)] == [second.id]
    assert not list((tmp_path / "jobs").glob(f"{first.id}*"))


def test_each_token_sees_its_own(production: Production, jobs: Jobs) -> None:
    mine, theirs = Access(Right.JOBS, None, "mine"), Access(Right.JOBS, None, "theirs")
    job = jobs.start(mine, clip(production), ORDER)
    assert ended(jobs, job, mine).state is JobState.DONE
    assert jobs.list(theirs) == []
    for ask_for in (jobs.get, jobs.cancel, jobs.remove, jobs.file):
        with pytest.raises(NotFound):
            ask_for(theirs, job.id)


def test_closing_ends_what_runs(production: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    jobs = worker(production, tmp_path)
    running = jobs.start(EVERYTHING, clip(production), ORDER)
    assert gate.reached.wait(30)
    closing = threading.Thread(target=jobs.close)
    closing.start()
    time.sleep(0.05)
    gate.open.set()
    closing.join(30)
    assert not closing.is_alive()
    assert worker(production, tmp_path).get(EVERYTHING, running.id).state is JobState.CANCELLED
