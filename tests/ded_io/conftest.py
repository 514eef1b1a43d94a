"""What the tests of DED-IO share: one real Kitsu server for the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ded_io.kitsu.account import Account
from ded_io.kitsu.connection import connect
from tests.ded_io.kitsu.server import EMAIL, PASSWORD, KitsuServer, kitsu_server


@pytest.fixture(scope="session")
def kitsu() -> Iterator[KitsuServer]:
    """A real Kitsu server, its database empty when the session begins."""
    with kitsu_server() as running:
        yield running


@pytest.fixture(scope="session")
def admin(kitsu: KitsuServer) -> Account:
    """The administrator, logged in by a token; logging in by password takes half a second each time."""
    with connect(Account(kitsu.host, email=EMAIL, password=PASSWORD)) as session:
        return Account(kitsu.host, token=session._client.access_token)
