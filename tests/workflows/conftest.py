"""The jobs as fixtures."""

from __future__ import annotations

import pytest

from tests.workflows.jobs import (
    JOBS,
    Job,
    adding_in_place,
    appending,
    cloning,
    creating,
    in_place,
    media,
    old,
    proxying,
    unpacking,
    with_proxies,
)

__all__ = [
    "adding_in_place",
    "appending",
    "cloning",
    "creating",
    "in_place",
    "job",
    "media",
    "old",
    "proxying",
    "unpacking",
    "with_proxies",
]


@pytest.fixture(params=JOBS)
def job(request: pytest.FixtureRequest) -> Job:
    """Each of the jobs in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Job)
    return found
