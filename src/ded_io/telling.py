"""What an ingest tells while it runs and when it has ended: the log, progress, plans, summaries, the report."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ded_io.models import ShotInfo
from ded_io.stages.base import LOGGER
from film_archive.core import files
from film_archive.core.errors import from_os_error
from film_archive.core.source import printable

SCHEMA_VERSION = 1
"""Of the report."""
_EVERY = 24
"""Frames between two lines of progress in the log."""


@contextmanager
def logging_to(*, verbose: bool, quiet: bool, log_file: str | None) -> Iterator[logging.Logger]:
    """The ingest's logger, shown on stderr and, if asked for, written to a file; as it was when the block is left."""
    logger = logging.getLogger(LOGGER)
    before = (logger.level, logger.propagate)
    shown = logging.StreamHandler(sys.stderr)
    shown.setLevel(logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO)
    shown.setFormatter(logging.Formatter("%(message)s"))
    handlers: list[logging.Handler] = [shown]
    if log_file is not None:
        try:
            written = logging.FileHandler(log_file, encoding="utf-8")
        except OSError as error:
            raise from_os_error(error, f"write {printable(log_file)}") from error
        written.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handlers.append(written)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield logger
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(before[0])
        logger.propagate = before[1]


class Lines:
    """Progress as lines in the log: where a stage is, every second of film."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def __call__(self, shot: ShotInfo, stage: str, done: int, total: int) -> None:
        if done % _EVERY == 0 and done != total:
            self._logger.debug("%s: %s %d of %d frames", shot.code, stage, done, total)


class Bars:
    """Progress as bars on a terminal, one for each shot under way."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._tasks: dict[str, Any] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, shot: ShotInfo, stage: str, done: int, total: int) -> None:
        with self._lock:
            task = self._tasks.get(shot.code)
            if task is None:
                task = self._tasks[shot.code] = self._progress.add_task(shot.code, total=total)
        self._progress.update(task, description=f"{shot.code} {stage}", completed=done, total=total)


def plan_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """A dry run of one shot, as lines: each command, each file and its bytes."""
    outputs = summary["outputs"]
    if outputs.get("frames"):
        yield (
            f"{summary['code']}: {outputs['frames']} frames {outputs['first_frame']}-{outputs['last_frame']} "
            f"of source frames {outputs['source_first']}-{outputs['source_last']}"
        )
    else:
        yield f"{summary['code']}:"
    total = 0
    for act in summary.get("plan", ()):
        size = act["size"]
        total += size or 0
        yield f"  {act['does']:<8} {act['subject']}" + (f"  {size} bytes" if size is not None else "")
    for error in summary["errors"]:
        yield f"  can't be done: {error}"
    yield f"  about {total} bytes would be written"


def ending_lines(summaries: Sequence[Mapping[str, Any]], *, quiet: bool = False) -> Iterator[str]:
    """What became of each shot, and of all; last what still waits for Kitsu, which the exit status does not tell.

    `quiet` leaves what nobody has to act upon, and what was told as an error: QC's findings and what waits stay.
    """
    for each in summaries:
        outputs = each["outputs"]
        if quiet:
            yield from _findings(each)
        elif not each["overall_success"]:
            yield f"{each['code']}: failed: {each['errors'][0] if each['errors'] else 'no reason was told'}"
            if outputs.get("work"):
                yield f"{each['code']}: its frames so far are in {outputs['work']}; the next run goes on from there"
        elif each["unchanged"]:
            yield f"{each['code']}: unchanged, {outputs['container']}"
        else:
            yield f"{each['code']}: {outputs['frames']} frames, {outputs['container'] or 'not placed'}"
            yield from _findings(each)
    good = sum(each["overall_success"] for each in summaries)
    if len(summaries) > 1 and not quiet:
        yield f"{good} of {len(summaries)} shots"
    waiting = [each["code"] for each in summaries if each["pending"]]
    if waiting:
        yield f"pending: {', '.join(waiting)} not yet in Kitsu; `ded-io kitsu sync` registers what waits"


def _findings(summary: Mapping[str, Any]) -> Iterator[str]:
    """What QC found odd about a shot."""
    return (f"{summary['code']}: {warning}" for warning in summary["warnings"] if warning.startswith("QC: "))


def write_report(where: str, summary: Mapping[str, Any]) -> None:
    """Write the report; "-" prints it."""
    from pydantic_core import to_json

    data = to_json({"schema_version": SCHEMA_VERSION, **summary}, indent=2) + b"\n"
    if where == "-":
        sys.stdout.write(data.decode())
        return
    path = Path(where)
    files.make_folders(path.absolute().parent)
    files.write_atomically(path, data, replace=True)
