"""Counting phases, from one thread and from many."""

from __future__ import annotations

import threading

import pytest

from film_archive.core.progress import Count, Phase, Progress, quiet


def test_phases_are_counted_apart() -> None:
    heard: list[tuple[Phase, Count]] = []
    progress = Progress(lambda phase, count: heard.append((phase, count)))
    progress.expect(Phase.READING, 100)
    progress.begin(Phase.READING, "a.mov")
    progress.add(Phase.READING, 30)
    progress.counting(Phase.READING)(20)
    progress.add(Phase.VERIFYING, 7)
    progress.expect(Phase.READING, -200)
    assert progress.count(Phase.READING) == Count(50, 0, "a.mov")
    assert progress.count(Phase.VERIFYING) == Count(7)
    assert progress.count(Phase.WRITING) == Count()
    assert heard == [
        (Phase.READING, Count(0, 100)),
        (Phase.READING, Count(0, 100, "a.mov")),
        (Phase.READING, Count(30, 100, "a.mov")),
        (Phase.READING, Count(50, 100, "a.mov")),
        (Phase.VERIFYING, Count(7)),
        (Phase.READING, Count(50, 0, "a.mov")),
    ]


def test_frames_are_counted_where_pictures_are_encoded() -> None:
    assert [phase for phase in Phase if phase.counts_frames] == [Phase.ENCODING]


def test_many_threads_count() -> None:
    heard: list[int] = []
    progress = Progress(lambda phase, count: heard.append(count.done))

    def work() -> None:
        for _ in range(500):
            progress.add(Phase.WRITING, 3)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert progress.count(Phase.WRITING) == Count(12_000)
    assert heard == list(range(3, 12_001, 3))  # in order, none lost


def test_who_listens_can_stop_the_work() -> None:
    def stop(phase: Phase, count: Count) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Progress(stop).add(Phase.READING, 1)


def test_quiet() -> None:
    progress = quiet()
    progress.add(Phase.READING, 5)
    assert progress.count(Phase.READING).done == 5
    assert quiet().count(Phase.READING).done == 0
