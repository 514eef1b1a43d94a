"""Counting phases, from one thread and from many."""

from __future__ import annotations

import threading

import pytest

from film_archive.core.progress import Count, Phase, Progress, quiet


def test_phases_are_counted_apart() -> None:
    heard: list[tuple[Phase, Count]] = []
    progress = Progress(lambda phase, count: heard.append((phase, count)))
    progress.expect(Phase.READING, size=100, clips=2)
    progress.add(Phase.READING, size=30)
    progress.bytes_of(Phase.READING)(20)
    progress.add(Phase.READING, clips=1)
    progress.add(Phase.VERIFYING, size=7)
    assert progress.count(Phase.READING) == Count(50, 100, 1, 2)
    assert progress.count(Phase.VERIFYING) == Count(size=7)
    assert progress.count(Phase.WRITING) == Count()
    assert heard == [
        (Phase.READING, Count(0, 100, 0, 2)),
        (Phase.READING, Count(30, 100, 0, 2)),
        (Phase.READING, Count(50, 100, 0, 2)),
        (Phase.READING, Count(50, 100, 1, 2)),
        (Phase.VERIFYING, Count(7)),
    ]


@pytest.mark.parametrize(
    ("count", "fraction"),
    [
        (Count(), None),
        (Count(size=5), None),
        (Count(25, 100), 0.25),
        (Count(25, 100, 3, 4), 0.25),
        (Count(0, 0, 3, 4), 0.75),
        (Count(200, 100), 1.0),
    ],
)
def test_how_much_is_done(count: Count, fraction: float | None) -> None:
    assert count.fraction == fraction


def test_many_threads_count() -> None:
    heard: list[int] = []
    progress = Progress(lambda phase, count: heard.append(count.size))

    def work() -> None:
        for _ in range(500):
            progress.add(Phase.WRITING, size=3, clips=1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert progress.count(Phase.WRITING) == Count(size=12_000, clips=4000)
    assert heard == list(range(3, 12_001, 3))  # in order, none lost


def test_who_listens_can_stop_the_work() -> None:
    def stop(phase: Phase, count: Count) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Progress(stop).add(Phase.READING, size=1)


def test_quiet() -> None:
    progress = quiet()
    progress.add(Phase.READING, size=5)
    assert progress.count(Phase.READING).size == 5
    assert quiet().count(Phase.READING).size == 0
