"""Where a repository's parts lie that are not in its folder: metadata on a server, contents in a bucket or another folder.

A database on a server says itself where the contents are, and a store outside says whose contents it has; so what does not
belong together is refused, as is a share that is not mounted. Neither says a password or a key.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from film_archive.core import files
from film_archive.core.errors import Damaged, NotFound, NotSupported, Refused, UsageError
from film_archive.core.json_text import from_json, to_json
from film_archive.core.source import FileSource, printable
from film_archive.storage.database import Database, SqliteDatabase
from film_archive.versioning.metadata import Identity, bring_up_to_date, create_tables, identity_of
from film_archive.versioning.stores.folder import FolderStore
from film_archive.versioning.stores.store import ObjectStore

METADATA = "metadata.sqlite"
CONTENT = "content"
FILE = "elsewhere.json"
_SCHEMA_VERSION = 1
_LONGEST = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """Addresses; "" for what lies in the repository's folder."""

    database: str = ""
    """postgresql://…"""
    store: str = ""
    """s3://BUCKET/PREFIX, or a folder's absolute path."""
    endpoint: str = ""
    """The server of the bucket; without it AWS_ENDPOINT_URL says it, or it is Amazon's."""

    @classmethod
    def named(cls, *, database: str = "", store: str = "", endpoint: str = "") -> Elsewhere:
        """As a user gives it; raises UsageError for what is no address."""
        if endpoint and store and not _is_bucket(store):
            raise UsageError("An endpoint is the server of a bucket; give it with --store s3://BUCKET/PREFIX.")
        if "://" in store:
            from film_archive.storage.objects import bucket_and_prefix

            store = "s3://" + "/".join(filter(None, bucket_and_prefix(store)))
        elif store:
            store = str(Path(store).absolute())
        return cls(database=database, store=store, endpoint=endpoint)

    @classmethod
    def read(cls, root: Path) -> Elsewhere:
        """What stands in a repository's folder; raises NotFound, Damaged."""
        with FileSource(root / FILE) as file:
            data = file.read_at(0, _LONGEST)
        try:
            found = from_json(data)
            if found["schema_version"] != _SCHEMA_VERSION:
                raise NotSupported(f"{printable(root / FILE)} was written by a later version; update film-archive.")
            return cls(database=str(found["database"]), store=str(found["store"]), endpoint=str(found["endpoint"]))
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(f"{printable(root / FILE)} can't be read ({error}); write it anew with `repo init`.") from error

    def write(self, root: Path) -> None:
        document = {
            "schema_version": _SCHEMA_VERSION,
            "database": self.database,
            "store": self.store,
            "endpoint": self.endpoint,
        }
        files.write_atomically(root / FILE, to_json(document) + b"\n", replace=True)

    def __bool__(self) -> bool:
        return bool(self.database or self.store)


def open_parts(root: Path, where: Elsewhere) -> tuple[Database, ObjectStore]:
    """A repository's database and store; raises NotFound, Refused where they don't belong together, NotSupported, Damaged."""
    database = _database(root, where, must_exist=True)
    if where.database and not _is_ours(database):
        raise NotFound(f"There is no repository in the database {database.name}; make one with `film-archive repo init`.")
    bring_up_to_date(database)
    store = _store(root, where)
    if where:
        _require_same(database, store, where)
    return database, store


def begin_parts(root: Path, where: Elsewhere) -> Elsewhere:
    """Make what is not there yet; a repository that is in the database already is joined. Returns where all lies then.

    Raises Refused where the store has contents of another repository, UsageError where others could not reach it.
    """
    database = _database(root, where, must_exist=False)
    try:
        if _is_ours(database):
            bring_up_to_date(database)
            known = identity_of(database)
            if where.store and where.store != known.store and (_is_bucket(where.store) or _is_bucket(known.store)):
                raise Refused(
                    f"The contents of the repository in {database.name} are in {known.store or 'its folder'}, "
                    f"not in {where.store}; nothing was changed."
                )
            where = replace(where, store=where.store or known.store)
        else:
            if where.database and not where.store:
                raise UsageError(
                    "Contents have to lie where all reach them who use the database; give --store s3://BUCKET/PREFIX or a folder."
                )
            known = Identity(secrets.token_hex(8) if where else "", where.store)
            if where.store and (owner := _store(root, where).owner()) is not None:
                raise Refused(
                    f"{where.store} has the contents of the repository {owner} already; name another place, or the database "
                    "of that one. Nothing was changed."
                )
            create_tables(database, known)
            known = identity_of(database)
        store = _store(root, where)
        if where and store.owner() is None and not database.execute("SELECT 1 FROM blobs WHERE place IS NOT NULL LIMIT 1"):
            store.set_owner(known.number)  # nobody has stored anything yet
        if where:
            _require_same(database, store, where)
        return where
    finally:
        database.close()


def _database(root: Path, where: Elsewhere, *, must_exist: bool) -> Database:
    if where.database:
        from film_archive.storage.postgres import PostgresDatabase

        return PostgresDatabase(where.database)
    return SqliteDatabase(root / METADATA, must_exist=must_exist)


def _store(root: Path, where: Elsewhere) -> ObjectStore:
    if not where.store:
        return FolderStore(root / CONTENT)
    if not _is_bucket(where.store):
        return FolderStore(Path(where.store))
    from film_archive.storage.objects import Bucket
    from film_archive.versioning.stores.s3 import S3Store

    return S3Store(Bucket(where.store, endpoint=where.endpoint))


def _is_bucket(store: str) -> bool:
    return "://" in store


def _is_ours(database: Database) -> bool:
    return {"meta", "refs", "blobs"} <= set(database.tables())


def _require_same(database: Database, store: ObjectStore, where: Elsewhere) -> None:
    if not where.store:
        return
    wanted, owner = identity_of(database).number, store.owner()
    if owner != wanted:
        problem = "does not say whose contents it has" if owner is None else f"has the contents of the repository {owner}"
        raise Refused(
            f"{store.name} {problem}, and {database.name} is the repository {wanted}; nothing was changed. Look whether the "
            "share is mounted and the address right."
        )
