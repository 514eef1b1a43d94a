"""Progress on stderr: a bar on a terminal, a quiet line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from film_archive.cli.output import size_text


@contextmanager
def progress(phase: str, total: int) -> Iterator[Callable[[int], None]]:
    """A phase of a verb: reading, writing, verifying, …; call with each count of bytes that is done."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        ) as bars:
            task = bars.add_task(phase, total=total)
            yield lambda count: bars.advance(task, count)
        return
    begun = said = time.monotonic()
    done = 0

    def advance(count: int) -> None:
        nonlocal done, said
        done += count
        now = time.monotonic()
        if now - said >= 10:
            said = now
            rate = done / (now - begun)
            print(f"{phase}: {size_text(done)} of {size_text(total)}, {size_text(rate)}/s", file=sys.stderr)

    yield advance
