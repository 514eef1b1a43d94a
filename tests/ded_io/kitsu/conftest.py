"""What the tests of the Kitsu client share: one real server for the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ded_io.kitsu.server import KitsuServer, kitsu_server


@pytest.fixture(scope="session")
def server() -> Iterator[KitsuServer]:
    """A real Kitsu server, its database empty when the session begins."""
    with kitsu_server() as running:
        yield running
