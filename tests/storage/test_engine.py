"""Databases through SQLAlchemy: made, opened again, brought up to date, refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from film_archive.core import devices
from film_archive.core.devices import Mount
from film_archive.core.errors import Damaged, NotFound, NotSupported, Refused, UsageError
from film_archive.storage.engine import Engine

METADATA = sa.MetaData()
TABLE = sa.Table("clip", METADATA, sa.Column("name", sa.String, primary_key=True), sa.Column("frames", sa.Integer))


def opened(path: Path, version: int = 1, **options: object) -> Engine:
    return Engine(path, METADATA, version=version, what="catalog", **options)  # type: ignore[arg-type]


def test_what_was_written_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "catalog.sqlite"
    engine = opened(path)
    with engine.writing() as connection:
        connection.execute(TABLE.insert(), [{"name": "a", "frames": 1}])
    with engine.writing() as connection:
        rows = [{"name": "a", "frames": 9}, {"name": "b", "frames": 2}]
        connection.execute(engine.insert(TABLE), rows)
        assert connection.execute(sa.select(TABLE.c.frames).where(TABLE.c.name == "a")).scalar() == 1
        connection.execute(engine.insert(TABLE, key=("name",), replace=("frames",)), rows)
    engine.close()
    engine = opened(path, must_exist=True)
    with engine.reading() as connection:
        assert connection.execute(sa.select(TABLE).order_by(TABLE.c.name)).all() == [("a", 9), ("b", 2)]
    assert (engine.size() or 0) > 0
    engine.close()


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    engine = opened(tmp_path / "c")
    def fail() -> None:
        with engine.writing() as connection:
            connection.execute(TABLE.insert().values(name="a", frames=1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with engine.reading() as connection:
        assert connection.execute(sa.select(TABLE)).all() == []
    engine.close()


def test_migrations_lead_from_version_to_version(tmp_path: Path) -> None:
    opened(tmp_path / "c").close()

    def add_reel(connection: sa.Connection) -> None:
        connection.exec_driver_sql("ALTER TABLE clip ADD COLUMN reel TEXT")

    def fill_reel(connection: sa.Connection) -> None:
        connection.exec_driver_sql("UPDATE clip SET reel = 'A001'")

    engine = opened(tmp_path / "c", 3, migrations={1: add_reel, 2: fill_reel})
    engine.close()
    with sqlite3.connect(tmp_path / "c") as raw:
        assert [row[1] for row in raw.execute("PRAGMA table_info(clip)")] == ["name", "frames", "reel"]
        assert raw.execute("SELECT value FROM meta").fetchall() == [("3",)]
    raw.close()
    with pytest.raises(NotSupported, match="newer version"):
        opened(tmp_path / "c", 2)


def test_a_migration_that_fails_leaves_what_was(tmp_path: Path) -> None:
    opened(tmp_path / "c").close()

    def fail(connection: sa.Connection) -> None:
        connection.exec_driver_sql("ALTER TABLE clip ADD COLUMN reel TEXT")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        opened(tmp_path / "c", 2, migrations={1: fail})
    opened(tmp_path / "c").close()


def test_what_is_no_database_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, but long enough to be one" * 100)
    with pytest.raises(Damaged, match="catalog rebuild"):
        opened(tmp_path / "text")
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE theirs (a)")
    other.commit()
    other.close()
    with pytest.raises(Refused, match="another program"):
        opened(tmp_path / "other")
    with pytest.raises(NotFound):
        opened(tmp_path / "missing", must_exist=True)
    with pytest.raises(Refused):
        opened(tmp_path)  # a folder


def test_a_network_share_is_refused_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "mounts", lambda: (Mount("/", "/", "cifs", "//server/share"),))
    with pytest.raises(Refused, match="PostgreSQL"):
        opened(tmp_path / "c")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("address", ["nonsense://x/y", "://"])
def test_addresses_that_lead_nowhere(address: str) -> None:
    with pytest.raises((NotSupported, UsageError)):
        Engine(address, METADATA, version=1)


def test_a_password_is_not_shown() -> None:
    with pytest.raises((NotSupported, UsageError)) as caught:
        Engine("nonsense://user:secret@host/db", METADATA, version=1)
    assert "secret" not in str(caught.value)


def test_a_writer_waits_for_no_reader(tmp_path: Path) -> None:
    engine = opened(tmp_path / "c")
    with engine.reading() as reader:
        assert reader.execute(sa.select(TABLE)).all() == []
        with engine.writing() as writer:
            writer.execute(TABLE.insert().values(name="a", frames=1))
        assert reader.execute(sa.select(TABLE)).all() == []  # one state, to the end
    engine.close()
