"""Things come over in order, few wait, and Ctrl-C never leaves the other thread hanging."""

from __future__ import annotations

import os
import threading

import pytest

from film_archive.core.handover import HandOver
from film_archive.testing import crash


def test_things_come_in_order_until_the_end() -> None:
    way: HandOver[int | None] = HandOver(3)
    got: list[int | None] = []
    thread = threading.Thread(target=lambda: got.extend(way.taken()))
    thread.start()
    for number in (1, None, 2, 3, 4, 5):
        way.put(number)
    way.end()
    thread.join()
    assert got == [1, None, 2, 3, 4, 5]


def test_few_wait() -> None:
    way: HandOver[int] = HandOver(2)
    given: list[int] = []

    def give() -> None:
        for number in range(5):
            way.put(number)
            given.append(number)
        way.end()

    thread = threading.Thread(target=give)
    thread.start()
    for expected, number in enumerate(way.taken()):
        assert number == expected
        assert len(given) <= expected + 3
    thread.join()


def test_the_end_can_be_said_where_nothing_is_taken() -> None:
    way: HandOver[int] = HandOver(1)
    way.put(1)
    way.end()
    assert list(way.taken()) == [1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="interrupting needs fork")
def test_interrupted_at_any_instant() -> None:
    def work() -> None:
        way: HandOver[int] = HandOver(2)
        thread = threading.Thread(target=lambda: list(way.taken()), daemon=True)
        thread.start()
        try:
            for number in range(200):
                way.put(number)
        finally:
            way.end()
            thread.join()

    assert crash.interrupt_often(work, 300, seed=1) > 20
