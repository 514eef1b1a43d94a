"""What PostgreSQL has that a file has not: a server that can be away, and sessions that can be ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

pytest.importorskip("psycopg")
from film_archive.core.errors import FilmArchiveError, NotFound, NotSupported, Refused, StorageError, UsageError
from film_archive.storage.postgres import PostgresDatabase
from film_archive.testing import crash
from tests.servers.postgres import PostgresServer
from tests.servers.running import free_port


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.schema()


@pytest.fixture
def rows(url: str) -> Iterator[PostgresDatabase]:
    opened = PostgresDatabase(url)
    opened.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT)")
    yield opened
    opened.close()


def end_sessions(postgres: PostgresServer) -> None:
    """As a restart of the server would."""
    postgres.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL")


def test_a_transaction_whose_lock_was_lost_is_undone(postgres: PostgresServer, rows: PostgresDatabase) -> None:
    with rows.sharing():
        end_sessions(postgres)
        with pytest.raises(StorageError, match="what was not finished is undone"), rows.transaction() as transaction:
            transaction.execute("INSERT INTO rows VALUES (1, 'one')")
    assert rows.execute("SELECT * FROM rows") == []
    with rows.sharing(), rows.transaction() as transaction:
        transaction.execute("INSERT INTO rows VALUES (1, 'one')")


def test_a_connection_that_is_lost_in_a_transaction_undoes_it(postgres: PostgresServer, rows: PostgresDatabase) -> None:
    with pytest.raises(StorageError), rows.transaction() as transaction:  # noqa: PT012  what is undone stands in the block
        transaction.execute("INSERT INTO rows VALUES (1, 'one')")
        end_sessions(postgres)
        transaction.execute("INSERT INTO rows VALUES (2, 'two')")
    assert rows.execute("SELECT * FROM rows") == []


def test_a_commit_without_an_answer_is_not_taken_for_either(postgres: PostgresServer, rows: PostgresDatabase) -> None:
    with pytest.raises(StorageError, match="is not known; look at what is there"), rows.transaction() as transaction:  # noqa: PT012
        transaction.execute("INSERT INTO rows VALUES (1, 'one')")
        end_sessions(postgres)
    assert rows.execute("SELECT * FROM rows") == []


def test_connections_that_were_idle_for_long_are_looked_at(
    postgres: PostgresServer, rows: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("film_archive.storage.postgres._FRESH", 0.0)
    end_sessions(postgres)
    assert rows.execute("SELECT 1") == [(1,)]


def test_the_lock_of_a_process_that_is_killed_is_given_up(url: str, rows: PostgresDatabase) -> None:
    def die() -> None:
        with rows.sharing():
            os.kill(os.getpid(), signal.SIGKILL)

    rows.execute("SELECT 1")
    assert not crash.run(die).finished
    with rows.alone():
        pass


def test_a_fork_holds_nothing_that_its_parent_holds(rows: PostgresDatabase) -> None:
    with rows.sharing():
        def child() -> None:
            with rows.transaction() as transaction:
                transaction.execute("INSERT INTO rows VALUES (1, 'child')")

        assert crash.run(child).finished
        with rows.transaction() as transaction:
            transaction.execute("INSERT INTO rows VALUES (2, 'parent')")
    assert rows.execute("SELECT text FROM rows ORDER BY id") == [("child",), ("parent",)]


def test_what_is_held_one_way_is_not_held_the_other(rows: PostgresDatabase) -> None:
    with rows.sharing(), pytest.raises(StorageError, match="in another way"), rows.alone():
        pass


@pytest.mark.parametrize(
    ("address", "error", "words"),
    [
        ("://", UsageError, "write it like postgresql://"),
        ("mysql://host/show", NotSupported, "mysql is not supported"),
        ("postgresql://user:secret@127.0.0.1/show", UsageError, "PGPASSWORD"),
    ],
)
def test_addresses_that_will_not_do(address: str, error: type[FilmArchiveError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        PostgresDatabase(address)
    assert "secret" not in str(caught.value)


def test_servers_that_can_not_serve(postgres: PostgresServer) -> None:
    with pytest.raises(StorageError, match="can't be reached"):
        PostgresDatabase(f"postgresql://postgres@127.0.0.1:{free_port()}/show")
    with pytest.raises(NotFound, match="createdb"):
        PostgresDatabase(postgres.url.removesuffix("postgres") + "nothing")
    with pytest.raises(NotFound, match="no schema"):
        PostgresDatabase(f"{postgres.url}?options=-csearch_path%3Dnothing")
    postgres.ask("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(NotSupported, match="is encoded in LATIN1"):
        PostgresDatabase(postgres.url.removesuffix("postgres") + "latin")


def test_who_may_not_write_is_told(postgres: PostgresServer) -> None:
    postgres.ask("CREATE ROLE assistant LOGIN")
    database = PostgresDatabase(postgres.url.replace("postgres@", "assistant@"))
    with pytest.raises(Refused, match="permission denied"):
        database.execute("CREATE TABLE rows (id INTEGER)")
    database.close()


def test_a_text_that_can_not_be_kept(rows: PostgresDatabase) -> None:
    with pytest.raises(UsageError, match="can't keep a text"):
        rows.execute("INSERT INTO rows VALUES (1, :text)", {"text": "a\0b"})
