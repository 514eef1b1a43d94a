"""Killing a job before and after each of its calls to the system: what was there is whole, and the next run completes it."""

from __future__ import annotations

from collections.abc import Callable

from film_archive.testing import crash, faults
from film_archive.testing.faults import Kill

Step = Callable[[], object]


def kill_at_calls(work: Step, step: int, *, prepare: Step, whole: Step, again: Step, finished: Step, least: int = 1) -> None:
    """Kill `work` before and after each `step`-th call; it has `least` of them or more.

    Before each kill `prepare` puts things as they were, after it `whole` looks at what is there, `again` runs the job once
    more, and `finished` looks whether all is as it has to be.
    """
    prepare()
    with faults.counting() as calls:
        work()
    assert len(calls) >= least
    for number in range(0, len(calls), step):
        for when in Kill:
            prepare()

            def killed(number: int = number, when: Kill = when) -> None:
                with faults.failing(number, when):
                    work()

            try:
                assert not crash.run(killed).finished
                whole()
                crash.run(again)
                finished()
            except BaseException as error:
                error.add_note(f"killed {when.name} call {number}, {calls[number]}")
                raise
