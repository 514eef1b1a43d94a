"""The catalog's tables, and what leads from one version of them to the next. docs/catalog.md says what they mean."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from film_archive.storage.engine import Migration

VERSION = 2
METADATA = sa.MetaData()

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A counter: SQLite numbers rows by itself only where the type is exactly INTEGER."""

HOLDER = sa.Table(
    "holder",
    METADATA,
    sa.Column("id", ROW_ID, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("identity", sa.String, nullable=False),
    sa.Column("label", sa.String, nullable=False, server_default=""),
    sa.Column("stable", sa.Boolean, nullable=False),
    sa.Column("first_seen", sa.BigInteger, nullable=False),
    sa.Column("last_seen", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("kind", "identity"),
)
"""What has a tree of paths: a device, a cartridge, an archive, a branch."""

STANDING = sa.Table(
    "standing",
    METADATA,
    sa.Column("holder", ROW_ID, sa.ForeignKey("holder.id"), primary_key=True),
    sa.Column("folder", ROW_ID, sa.ForeignKey("folder.id"), primary_key=True),
    sa.Column("name", sa.String, primary_key=True),
)
"""Where an archive itself lies."""

FOLDER = sa.Table(
    "folder",
    METADATA,
    sa.Column("id", ROW_ID, primary_key=True),
    sa.Column("holder", ROW_ID, sa.ForeignKey("holder.id"), nullable=False),
    sa.Column("parent", ROW_ID, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("signature", sa.LargeBinary(16)),
    sa.UniqueConstraint("holder", "parent", "name"),
)
"""`parent` of a holder's root is 0, its name empty. `signature` tells whether anything in the folder has changed."""

ROOT = sa.Table(
    "root",
    METADATA,
    sa.Column("folder", ROW_ID, sa.ForeignKey("folder.id"), primary_key=True),
    sa.Column("crawled", sa.BigInteger, nullable=False),
)
"""Folders that were crawled, and when last."""

CONTENT = sa.Table(
    "content",
    METADATA,
    sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("xxh128", sa.LargeBinary(16), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
)
"""`key` is the first half of the XXH3-128, signed; where that is taken by another content, the next number that is free."""

DIGEST = sa.Table(
    "digest",
    METADATA,
    sa.Column("content", sa.BigInteger, sa.ForeignKey("content.key"), primary_key=True),
    sa.Column("algorithm", sa.String, primary_key=True),
    sa.Column("value", sa.String, nullable=False),
    sqlite_with_rowid=False,
)

FILE = sa.Table(
    "file",
    METADATA,
    sa.Column("id", ROW_ID, primary_key=True),
    sa.Column("folder", ROW_ID, sa.ForeignKey("folder.id"), nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("inode", sa.BigInteger, nullable=False),
    sa.Column("content", sa.BigInteger, sa.ForeignKey("content.key")),
    sa.Column("verified", ROW_ID, sa.ForeignKey("event.id")),
    sa.Index("file_path", "folder", "name", unique=True),
    sa.Index("file_content", "content"),
)
"""`content` is null where it was not read yet; `verified` is the event at which the bytes were read back and were right."""

SEQUENCE = sa.Table(
    "sequence",
    METADATA,
    sa.Column("id", ROW_ID, primary_key=True),
    sa.Column("folder", ROW_ID, sa.ForeignKey("folder.id"), nullable=False),
    sa.Column("stem", sa.String, nullable=False),
    sa.Column("digits", sa.Integer, nullable=False),
    sa.Column("suffix", sa.String, nullable=False),
    sa.Column("first", sa.BigInteger, nullable=False),
    sa.Column("frames", sa.Integer, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("packed", sa.LargeBinary, nullable=False),
    sa.Column("verified", ROW_ID, sa.ForeignKey("event.id")),
    sa.Index("sequence_path", "folder", "stem", "digits", "suffix", "first", unique=True),
)
"""An image sequence; `packed` has number, size, time, inode and digest of each frame."""

FRAME = sa.Table(
    "frame",
    METADATA,
    sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("sequence", ROW_ID, sa.ForeignKey("sequence.id"), primary_key=True, autoincrement=False),
    sa.Index("frame_sequence", "sequence"),
    sqlite_with_rowid=False,
)
"""First half of a frame's XXH3-128 → its sequence."""

EVENT = sa.Table(
    "event",
    METADATA,
    sa.Column("id", ROW_ID, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("who", sa.String, nullable=False),
    sa.Column("verb", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("journal", sa.String),
)
"""What was done, when and by whom; what of it can be continued or undone has a journal."""

RESULT = sa.Table(
    "result",
    METADATA,
    sa.Column("event", ROW_ID, sa.ForeignKey("event.id"), primary_key=True),
    sa.Column("folder", ROW_ID, sa.ForeignKey("folder.id"), primary_key=True),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("outcome", sa.String, nullable=False),
    sa.Index("result_path", "folder", "name"),
    sqlite_with_rowid=False,
)
"""What a verification found of a file: kept for each time."""

FORMER = sa.Table(
    "former",
    METADATA,
    sa.Column("id", ROW_ID, primary_key=True),
    sa.Column("folder", ROW_ID, sa.ForeignKey("folder.id"), nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("content", sa.BigInteger, sa.ForeignKey("content.key"), nullable=False),
    sa.Column("gone", ROW_ID, sa.ForeignKey("event.id"), nullable=False),
    sa.Index("former_content", "content"),
)
"""Where a content had been, and the event that found it gone."""

# Version 2: cartridges

CARTRIDGE = sa.Table(
    "cartridge",
    METADATA,
    sa.Column("holder", ROW_ID, sa.ForeignKey("holder.id"), primary_key=True, autoincrement=False),
    sa.Column("serial", sa.String, nullable=False),
    sa.Column("barcode", sa.String, nullable=False),
    sa.Column("tape_id", sa.String, nullable=False, server_default=""),
    sa.Column("number", sa.Integer, nullable=False, server_default="0"),
    sa.Column("copy", sa.Integer, nullable=False, server_default="1"),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("updated", sa.BigInteger, nullable=False),
    sa.Column("files", sa.BigInteger, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("room", sa.BigInteger),
    sa.Column("seen", sa.String, nullable=False, server_default=""),
    sa.Index("cartridge_serial", "serial"),
    sa.Index("cartridge_set", "tape_id"),
)
"""What a cartridge is, as its newest index that was read says. `updated` is in nanoseconds since 1970, `seen` where it was."""

TAPE_INDEX = sa.Table(
    "tape_index",
    METADATA,
    sa.Column("holder", ROW_ID, sa.ForeignKey("holder.id"), primary_key=True, autoincrement=False),
    sa.Column("generation", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("updated", sa.BigInteger, nullable=False),
    sa.Column("packed", sa.LargeBinary, nullable=False),
)
"""The XML of each generation of an index that was read, deflated (zlib)."""

LOCATION = sa.Table(
    "location",
    METADATA,
    sa.Column("id", ROW_ID, primary_key=True),
    sa.Column("holder", ROW_ID, sa.ForeignKey("holder.id"), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("who", sa.String, nullable=False),
    sa.Column("place", sa.String, nullable=False),
    sa.Column("note", sa.String, nullable=False, server_default=""),
    sa.Index("location_holder", "holder", "at"),
    sa.UniqueConstraint("holder", "at", "place"),
)
"""Where a cartridge was put, each time: the last row counts."""

CLIP = sa.Table(
    "clip",
    METADATA,
    sa.Column("content", sa.BigInteger, sa.ForeignKey("content.key"), primary_key=True, autoincrement=False),
    sa.Column("codec", sa.String, nullable=False, server_default=""),
    sa.Column("rate", sa.String, nullable=False, server_default=""),
    sa.Column("start", sa.String, nullable=False, server_default=""),
    sa.Column("first", sa.BigInteger),
    sa.Column("frames", sa.BigInteger),
    sa.Column("reel", sa.String, nullable=False, server_default=""),
    sa.Column("width", sa.Integer),
    sa.Column("height", sa.Integer),
)
"""Facts of a clip that is on tape, as its cartridge has them; `first` is the start timecode in frames at `rate`."""


def _to_cartridges(connection: sa.Connection) -> None:
    for table in (CARTRIDGE, TAPE_INDEX, LOCATION, CLIP):
        table.create(connection)


MIGRATIONS: Mapping[int, Migration] = {1: _to_cartridges}
"""Version → what makes it the next one."""
