"""Repositories of which not all lies in one folder: begun, opened, joined, refused, brought up to date."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, NotSupported, Refused, UsageError
from film_archive.storage.database import Database, SqliteDatabase
from film_archive.versioning import metadata
from film_archive.versioning.elsewhere import Elsewhere
from film_archive.versioning.metadata import Identity, bring_up_to_date, create_tables
from film_archive.versioning.repository import Repository
from film_archive.versioning.verifying import verify
from tests.servers.buckets import BucketServer
from tests.servers.postgres import PostgresServer
from tests.versioning.making import LARGE, held, noise, unsync


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    unsync(monkeypatch)


def begun(root: Path, where: Elsewhere) -> Repository:
    """A repository with one large file on `main`."""
    repository = Repository(root, where)
    main = repository.empty_branch("main")
    (root.parent / "file").write_bytes(LARGE)
    repository.add_file(main.id, root.parent / "file", "a.mov")
    return repository


def test_contents_in_another_folder(tmp_path: Path) -> None:
    where = Elsewhere.named(store=str(tmp_path / "raid"))
    begun(tmp_path / "repo", where).close()
    assert not (tmp_path / "repo" / "content").exists()
    again = Repository(tmp_path / "repo")
    assert held(again.opened, "main") == {"a.mov": LARGE}
    assert verify(again.opened).ok
    again.close()
    again = Repository(tmp_path / "repo", where)
    again.begin()
    again.close()
    with pytest.raises(Refused, match="lies elsewhere than asked for"):
        Repository(tmp_path / "repo", Elsewhere.named(store=str(tmp_path / "other"))).begin()


def test_a_share_that_is_not_mounted_is_not_taken_for_an_empty_store(tmp_path: Path) -> None:
    begun(tmp_path / "repo", Elsewhere.named(store=str(tmp_path / "raid"))).close()
    (tmp_path / "raid").rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(Refused, match="share is mounted"):
            Repository(tmp_path / "repo").opened  # noqa: B018  what it raises is looked at
        (tmp_path / "raid").mkdir(exist_ok=True)
    (tmp_path / "repo" / "format").unlink()  # as if a run had been killed in `init`
    with pytest.raises(Refused, match="share is mounted"):
        Repository(tmp_path / "repo", Elsewhere.named(store=str(tmp_path / "raid"))).begin()
    (tmp_path / "raid").rmdir()
    (tmp_path / "away").rename(tmp_path / "raid")
    repository = Repository(tmp_path / "repo", Elsewhere.named(store=str(tmp_path / "raid")))
    repository.begin()
    assert held(repository.opened, "main") == {"a.mov": LARGE}
    repository.close()


def test_a_store_has_one_repository(tmp_path: Path) -> None:
    where = Elsewhere.named(store=str(tmp_path / "raid"))
    begun(tmp_path / "repo", where).close()
    with pytest.raises(Refused, match="has the contents of the repository"):
        Repository(tmp_path / "other", where).begin()
    assert not (tmp_path / "other" / "format").exists()
    shutil.copytree(tmp_path / "raid", tmp_path / "copy")
    Repository(tmp_path / "third", Elsewhere.named(store=str(tmp_path / "raid 3"))).begin().close()
    shutil.rmtree(tmp_path / "raid 3")
    (tmp_path / "copy").rename(tmp_path / "raid 3")
    with pytest.raises(Refused, match="has the contents of the repository"):
        Repository(tmp_path / "third").opened  # noqa: B018  what it raises is looked at


def test_a_repository_is_joined_through_its_database(
    postgres: PostgresServer, buckets: BucketServer, tmp_path: Path
) -> None:
    where = Elsewhere.named(database=postgres.schema(), store=f"s3://{buckets.bucket()}/shows/one/", endpoint=buckets.endpoint)
    begun(tmp_path / "repo", where).close()
    joined = Repository(tmp_path / "other", Elsewhere.named(database=where.database))
    joined.begin()
    assert held(joined.opened, "main") == {"a.mov": LARGE}
    assert joined.opened.database.size() > 0
    joined.close()
    for store in ("s3://another/shows/one", str(tmp_path)):
        with pytest.raises(Refused, match=r"are in s3://.*, not in"):
            Repository(tmp_path / "third", Elsewhere.named(database=where.database, store=store)).begin()
    with pytest.raises(UsageError, match="all reach them"):
        Repository(tmp_path / "third", Elsewhere.named(database=postgres.schema())).begin()
    text = (tmp_path / "repo" / "elsewhere.json").read_text()
    assert not any(secret in text for secret in buckets.environment().values() if secret != buckets.endpoint)


def test_a_database_of_something_else_is_refused(postgres: PostgresServer, tmp_path: Path) -> None:
    from film_archive.storage.postgres import PostgresDatabase

    url = postgres.schema()
    other = PostgresDatabase(url)
    with pytest.raises(NotFound, match="There is no repository in the database"):
        _opened_by_hand(tmp_path / "repo", url)
    other.execute("CREATE TABLE meta (key TEXT, value TEXT)")
    other.close()
    with pytest.raises(Refused, match="tables of something else"):
        Repository(tmp_path / "new", Elsewhere.named(database=url, store=str(tmp_path / "raid"))).begin()
    assert not (tmp_path / "raid").exists()


def _opened_by_hand(root: Path, url: str) -> None:
    root.mkdir()
    (root / "format").write_bytes(b"film-archive repository 2\n")
    Elsewhere(database=url).write(root)
    Repository(root).opened  # noqa: B018  what it raises is looked at


@pytest.mark.parametrize(
    ("text", "error"),
    [("", Damaged), ("[]", Damaged), ('{"schema_version": 1}', Damaged), ('{"schema_version": 2}', NotSupported)],
)
def test_what_says_where_it_lies_and_does_not(tmp_path: Path, text: str, error: type[FilmArchiveError]) -> None:
    begun(tmp_path / "repo", Elsewhere.named(store=str(tmp_path / "raid"))).close()
    (tmp_path / "repo" / "elsewhere.json").write_text(text)
    with pytest.raises(error, match=r"elsewhere\.json"):
        Repository(tmp_path / "repo").opened  # noqa: B018  what it raises is looked at


def test_a_repository_in_one_folder_is_written_as_ever(tmp_path: Path) -> None:
    """Earlier versions read it."""
    begun(tmp_path / "repo", Elsewhere()).close()
    assert (tmp_path / "repo" / "format").read_bytes().startswith(b"film-archive repository 1\n")
    assert not (tmp_path / "repo" / "elsewhere.json").exists()
    database = SqliteDatabase(tmp_path / "repo" / "metadata.sqlite")
    assert database.execute("SELECT name, value FROM meta") == [("schema_version", "1")]
    database.close()
    assert not (tmp_path / "repo" / "content" / "repository").exists()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_tables_of_an_earlier_version_are_brought_up_to_date(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    database: Database
    if kind == "sqlite":
        database = SqliteDatabase(tmp_path / "metadata.sqlite")
    else:
        server = request.getfixturevalue("postgres")
        from film_archive.storage.postgres import PostgresDatabase

        database = PostgresDatabase(server.schema())
    create_tables(database, Identity("", ""))
    create_tables(database, Identity("another", "quicker"))  # changes nothing
    assert metadata.identity_of(database) == ("", "")
    monkeypatch.setattr(metadata, "SCHEMA_VERSION", 3)
    broken = {1: "ALTER TABLE locks ADD COLUMN until BIGINT", 2: "ALTER TABLE nothing ADD COLUMN x {blob}"}
    monkeypatch.setattr(metadata, "_MIGRATIONS", broken)
    with pytest.raises(FilmArchiveError, match="undone"):
        bring_up_to_date(database)
    monkeypatch.setattr(metadata, "_MIGRATIONS", {**broken, 2: "UPDATE locks SET until = 0"})
    bring_up_to_date(database)
    bring_up_to_date(database)
    assert database.execute("SELECT until FROM locks") == []
    monkeypatch.setattr(metadata, "SCHEMA_VERSION", 2)
    with pytest.raises(NotSupported, match="later version"):
        bring_up_to_date(database)
    database.execute("DELETE FROM meta")
    with pytest.raises(Damaged, match="does not say what it is"):
        bring_up_to_date(database)
    database.close()


_COMMITS = """
import sys
from pathlib import Path
from film_archive.versioning.collecting import clean_up
from film_archive.versioning.repository import Repository
root, number = Path(sys.argv[1]), sys.argv[2]
repository = Repository(root)
for count in range(3):
    if number == "0":
        clean_up(repository.opened, keep_days=0, grace_days=0, dry_run=False)
    else:
        file = root.parent / f"{number} {count}"
        repository.add_file(repository.opened.refs.named("main").id, file, f"{number}/{count}.mov")
repository.close()
"""


def test_processes_commit_and_clean_up_at_once_on_servers(
    postgres: PostgresServer, buckets: BucketServer, tmp_path: Path
) -> None:
    where = Elsewhere.named(database=postgres.schema(), store=f"s3://{buckets.bucket()}/show")
    repository = begun(tmp_path / "repo", where)
    expected = {"a.mov": LARGE}
    for number in (1, 2):
        for count in range(3):
            expected[f"{number}/{count}.mov"] = noise(3000 if count else 9_000_000, number * 10 + count)
            (tmp_path / f"{number} {count}").write_bytes(expected[f"{number}/{count}.mov"])
    words = [sys.executable, "-c", _COMMITS, tmp_path / "repo"]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    children = [subprocess.Popen([*words, str(number)], stdin=subprocess.DEVNULL, env=variables) for number in range(2)]
    for count in range(3):
        repository.add_file(repository.opened.refs.named("main").id, tmp_path / f"2 {count}", f"2/{count}.mov")
    assert [child.wait() for child in children] == [0, 0]
    assert held(repository.opened, "main") == expected
    assert verify(repository.opened).problems == ()
    moves = list(repository.opened.refs.moves())
    assert [move.old for move in moves[1:]] == [move.new for move in moves[:-1]]  # each from where it was
    assert len(moves) == 8
    repository.close()
