"""Databases: what a transaction promises, and what their errors become."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from film_archive.core import devices
from film_archive.core.errors import Damaged, NotFound, Refused, StorageError
from film_archive.storage.database import Database, SqliteDatabase
from film_archive.testing import crash


class Opening(Protocol):
    """Opens the same database, as each process would."""

    def __call__(self) -> Database: ...


@pytest.fixture(params=["sqlite", "postgresql"])
def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opening]:
    made: list[Database] = []
    url = request.getfixturevalue("postgres").schema() if request.param == "postgresql" else ""

    def opened() -> Database:
        from film_archive.storage.postgres import PostgresDatabase

        made.append(PostgresDatabase(url) if url else SqliteDatabase(tmp_path / "rows.sqlite"))
        return made[-1]

    yield opened
    for database in made:
        database.close()


@pytest.fixture
def rows(opening: Opening) -> Database:
    opened = opening()
    opened.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT)")
    return opened


def test_a_transaction_is_all_or_nothing(rows: Database) -> None:
    with rows.transaction() as transaction:
        transaction.execute_many("INSERT INTO rows VALUES (:id, :text)", [{"id": n, "text": str(n)} for n in range(3)])
    with pytest.raises(KeyError), rows.transaction() as transaction:  # noqa: PT012  what is undone stands in the block
        assert transaction.count("UPDATE rows SET text = 'x'") == 3
        raise KeyError
    assert rows.execute("SELECT text FROM rows ORDER BY id") == [("0",), ("1",), ("2",)]
    assert list(rows.stream("SELECT id FROM rows WHERE id > :least ORDER BY id", {"least": 0})) == [(1,), (2,)]
    rows.execute_many("INSERT INTO rows VALUES (:id, :text)", [])
    assert rows.count("DELETE FROM rows WHERE id > 0") == 2
    assert rows.tables() == ["rows"]
    assert rows.size() > 0
    assert rows.problems() == []


def test_bytes_text_and_numbers_come_back_as_they_were(rows: Database) -> None:
    words = rows.dialect
    rows.execute(f"CREATE TABLE kept (number {words.counter}, data {words.blob}, text {words.text}, large BIGINT)")
    texts = ["", "Zed", "a", "é", "e\u0301", "\U0001f3ac", "B"]
    kept = [{"data": bytes(range(256))[: 37 * at], "text": text, "large": 2**63 - 1} for at, text in enumerate(texts)]
    rows.execute_many("INSERT INTO kept (data, text, large) VALUES (:data, :text, :large)", kept)
    rows.execute("INSERT INTO kept (data, text, large) VALUES (:data, :text, :large)", dict.fromkeys(kept[0]))
    found = rows.execute("SELECT data, text, large FROM kept WHERE text IS NOT NULL ORDER BY text")
    assert [(bytes(data), text, large) for data, text, large in found] == sorted(
        [(row["data"], row["text"], row["large"]) for row in kept], key=lambda row: str(row[1]).encode()
    )
    assert [row[0] for row in rows.execute("SELECT number FROM kept ORDER BY number")] == list(range(1, 9))


def test_more_rows_than_are_held_at_once_are_streamed(rows: Database) -> None:
    rows.execute_many("INSERT INTO rows VALUES (:id, :text)", ({"id": n, "text": str(n)} for n in range(2500)))
    found = rows.stream("SELECT id FROM rows ORDER BY id")
    assert next(found) == (0,)
    with rows.transaction() as transaction:  # while the stream is open
        transaction.execute("DELETE FROM rows WHERE id = 2400")
        assert sum(1 for _ in transaction.stream("SELECT id FROM rows")) == 2499
    assert [row[0] for row in found] == list(range(1, 2500))  # one state, to the end
    next(rows.stream("SELECT id FROM rows"))  # and one that is not read to its end
    assert rows.execute("SELECT count(*) FROM rows") == [(2499,)]


def test_who_shares_waits_for_who_is_alone(opening: Opening, rows: Database) -> None:
    other = opening()
    order: list[str] = []

    def alone() -> None:
        with other.alone():
            order.append("alone")

    with rows.sharing():
        with rows.sharing(), opening().sharing(), rows.transaction() as transaction:
            transaction.execute("INSERT INTO rows VALUES (1, 'one')")
        waiting = threading.Thread(target=alone)
        waiting.start()
        order.append("shared")
        rows.execute("INSERT INTO rows VALUES (2, 'two')")
        assert order == ["shared"]
    waiting.join()
    assert order == ["shared", "alone"]
    with rows.alone(), rows.transaction() as transaction:
        transaction.execute("DELETE FROM rows")


def test_what_is_held_is_given_up_whatever_happens(opening: Opening, rows: Database) -> None:
    for _ in range(3):
        with pytest.raises(KeyError), rows.sharing(), rows.sharing():
            raise KeyError
        with pytest.raises(StorageError), rows.sharing():
            rows.execute("this is no statement")
    with opening().alone():
        pass


def test_who_holds_it_and_who_lets_go_may_be_two_threads(opening: Opening, rows: Database) -> None:
    held = contextlib.ExitStack()
    held.enter_context(rows.sharing())
    closing = threading.Thread(target=held.close)
    closing.start()
    closing.join()
    with opening().alone():
        pass


def test_a_wrong_statement_is_an_error_of_ours_and_leaves_the_database_usable(rows: Database) -> None:
    with pytest.raises(StorageError, match="what was not finished is undone"), rows.transaction() as transaction:
        transaction.execute_many("INSERT INTO rows VALUES (1, :text)", [{"text": "one"}, {"text": "again"}])
    assert rows.execute("SELECT count(*) FROM rows") == [(0,)]


def test_threads_that_count_at_once_lose_nothing(rows: Database) -> None:
    rows.execute("INSERT INTO rows VALUES (1, '0')")

    def count() -> None:
        for _ in range(20):
            with rows.transaction() as transaction:
                [(text,)] = transaction.execute("SELECT text FROM rows")
                transaction.execute("UPDATE rows SET text = :text", {"text": str(int(text) + 1)})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows.execute("SELECT text FROM rows") == [("80",)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_uses_connections_of_its_own(rows: Database) -> None:
    rows.execute("INSERT INTO rows VALUES (1, 'parent')")
    assert crash.run(lambda: rows.execute("INSERT INTO rows VALUES (2, 'child')")).finished
    assert rows.execute("SELECT text FROM rows ORDER BY id") == [("parent",), ("child",)]


def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "rows.sqlite").write_bytes(b"something else " * 100)
    with pytest.raises(Damaged, match=r"rows\.sqlite is damaged"):
        SqliteDatabase(tmp_path / "rows.sqlite").execute("SELECT 1")


def test_a_database_that_must_be_there_and_is_not(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is missing"):
        SqliteDatabase(tmp_path / "rows.sqlite", must_exist=True)


def test_network_shares_are_refused_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "share with blank" / "deep").mkdir(parents=True)
    mounts = tmp_path / "mountinfo"
    escaped = str(tmp_path / "share with blank").replace(" ", "\\040")
    mounts.write_text(
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"30 22 0:40 / {escaped} rw,relatime shared:5 - cifs //server/share rw\n"
        "a line that is something else\n"
    )
    monkeypatch.setattr(devices, "_MOUNTS", mounts)
    with pytest.raises(Refused, match=r"network share \(cifs\).*put the repository on a local disk"):
        SqliteDatabase(tmp_path / "share with blank" / "deep" / "rows.sqlite")
    SqliteDatabase(tmp_path / "rows.sqlite").execute("SELECT 1")
    monkeypatch.setattr(devices, "_MOUNTS", tmp_path / "nothing")
    SqliteDatabase(tmp_path / "share with blank" / "rows.sqlite").execute("SELECT 1")


def test_a_database_that_others_hold_too_long(opening: Opening, rows: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{type(rows).__module__}._PATIENCE", 0.01)
    other = opening()
    with rows.transaction(), pytest.raises(Refused, match="Another process has kept the database"), other.transaction():
        pass
