"""The master index and the catalog as files: JSON, CSV and Parquet say the same."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import pytest

from film_archive.catalog.catalog import Catalog
from film_archive.core.errors import NotFound, NotSupported
from film_archive.library.crawler import crawl
from film_archive.library.exporting import export
from film_archive.library.index_file import read_index
from tests.library.trees import write

NAMES = {"a/one.mov": b"1", "ü 日本.mov": b"2", "zero.mov": b"", os.fsdecode(b"caf\xe9.mov"): b"3"}


def test_all_forms_say_the_same(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")
    write(tmp_path / "x", NAMES)
    with Catalog.open(tmp_path / "c.sqlite") as catalog:
        for ending in ("json", "csv", "parquet"):
            found = crawl(catalog, [tmp_path / "x"], index=tmp_path / f"index.{ending}")
            assert found.index == str(tmp_path / f"index.{ending}")
            done = export(catalog, tmp_path / f"all.{ending}")
            assert done.files == len(NAMES)
    entries = sorted((entry.path, entry.hash, entry.size) for entry in read_index(tmp_path / "index.json"))
    assert [path for path, _, _ in entries] == sorted(str(tmp_path / "x" / name) for name in NAMES)
    assert sorted((entry.path, entry.hash, entry.size) for entry in read_index(tmp_path / "index.csv")) == entries
    table = parquet.read_table(tmp_path / "index.parquet")
    assert table.column_names == ["path", "hash", "size", "raw_path"]
    rows = [
        (row["path"] if row["raw_path"] is None else os.fsdecode(row["raw_path"]), row["hash"], row["size"])
        for row in table.to_pylist()
    ]
    assert sorted(rows) == entries
    with (tmp_path / "all.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        listed = list(csv.DictReader(file))
    exported = parquet.read_table(tmp_path / "all.parquet").to_pylist()
    assert [row["hash"] for row in exported] == [row["hash"] for row in listed]
    assert [row["size"] for row in exported] == [row["size"] for row in json.loads((tmp_path / "all.json").read_bytes())]


def test_parquet_without_its_library_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "x", NAMES)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with Catalog.open(tmp_path / "c.sqlite") as catalog:
        crawl(catalog, [tmp_path / "x"])
        with pytest.raises(NotSupported, match=r"film-archive\[parquet\]"):
            export(catalog, tmp_path / "all.parquet")
    assert not (tmp_path / "all.parquet").exists()


def test_an_index_that_can_not_be_written_stops_before_the_crawl(tmp_path: Path) -> None:
    write(tmp_path / "x", NAMES)
    with Catalog.open(tmp_path / "c.sqlite") as catalog:
        with pytest.raises(NotSupported, match="not as index"):
            crawl(catalog, [tmp_path / "x"], index=tmp_path / "index.xml")
        with pytest.raises(NotFound, match="make it"):
            crawl(catalog, [tmp_path / "x"], index=tmp_path / "none/index.json")
        assert catalog.holders() == ()


def test_parquet_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(NotSupported, match="--index"):
        list(read_index(tmp_path / "index.parquet"))
