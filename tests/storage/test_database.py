"""Databases: what a transaction promises, and what their errors become."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from film_archive.core import devices
from film_archive.core.errors import Damaged, NotFound, Refused, StorageError
from film_archive.storage import database
from film_archive.storage.database import SqliteDatabase
from film_archive.testing import crash


@pytest.fixture
def rows(tmp_path: Path) -> SqliteDatabase:
    opened = SqliteDatabase(tmp_path / "rows.sqlite")
    opened.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT)")
    return opened


def test_a_transaction_is_all_or_nothing(rows: SqliteDatabase) -> None:
    with rows.transaction() as transaction:
        transaction.execute_many("INSERT INTO rows VALUES (:id, :text)", [{"id": n, "text": str(n)} for n in range(3)])
    with pytest.raises(KeyError), rows.transaction() as transaction:  # noqa: PT012  what is undone stands in the block
        assert transaction.count("UPDATE rows SET text = 'x'") == 3
        raise KeyError
    assert rows.execute("SELECT text FROM rows ORDER BY id") == [("0",), ("1",), ("2",)]
    assert list(rows.stream("SELECT id FROM rows WHERE id > :least ORDER BY id", {"least": 0})) == [(1,), (2,)]


def test_a_wrong_statement_is_an_error_of_ours_and_leaves_the_database_usable(rows: SqliteDatabase) -> None:
    with pytest.raises(StorageError, match="what was not finished is undone"), rows.transaction() as transaction:
        transaction.execute_many("INSERT INTO rows VALUES (1, :text)", [{"text": "one"}, {"text": "again"}])
    assert rows.execute("SELECT count(*) FROM rows") == [(0,)]


def test_threads_that_count_at_once_lose_nothing(rows: SqliteDatabase) -> None:
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
def test_a_fork_uses_connections_of_its_own(rows: SqliteDatabase) -> None:
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


def test_a_database_that_others_hold_too_long(rows: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_PATIENCE", 0.01)
    other = SqliteDatabase(rows.path)
    with rows.transaction(), pytest.raises(Refused, match="Another process has kept the database"), other.transaction():
        pass
