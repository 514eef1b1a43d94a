"""Lines of a manifest: what is written is read again, what is not known is kept, what can't be is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic_core import from_json, to_json

from film_archive.core import manifest
from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.manifest import Header, Superseded, member_line, parse_member, read_manifest
from film_archive.core.member import Member, Role

REGION = Superseded(offset=4096, length=20, xxh128="ff")
HEADER = Header(archive_id="0af", generation=3, members=1, bytes=17, offset=4096, superseded=(REGION,))
MEMBER = Member.make("footage/ü.mov", Role.ORIGINAL, 17, digests={"xxh128": "00"}, crc32="0000ffff", mtime_ns=5, offset=8192)


def test_what_is_written_is_read_again() -> None:
    header, members = read_manifest([HEADER.to_line(), member_line(MEMBER)])
    assert header == HEADER
    assert list(members) == [MEMBER]


def test_a_line_begins_with_its_path() -> None:
    assert member_line(MEMBER).startswith('{"path":"footage/ü.mov",'.encode())


def test_what_this_version_does_not_know_is_kept() -> None:
    record = {**from_json(member_line(MEMBER)), "later": {"a": [1]}}
    member = parse_member(to_json(record))
    assert from_json(member_line(member.changed(size=18))) == {**record, "size": 18}
    known = {**from_json(HEADER.to_line()), "later": "x"}
    assert from_json(Header.from_line(to_json(known)).to_line())["later"] == "x"


def test_a_later_schema_is_named() -> None:
    record = {**from_json(HEADER.to_line()), "schema_version": 2}
    with pytest.raises(NotSupported, match="manifest schema 2"):
        Header.from_line(to_json(record))


def test_records_of_older_schemas_are_brought_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    def renamed(record: dict[str, Any]) -> dict[str, Any]:
        return {("size" if key == "length" else key): value for key, value in record.items()}

    upgrades: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {0: renamed}
    monkeypatch.setattr(manifest, "UPGRADES", upgrades)
    assert parse_member(b'{"path":"a","role":"original","length":5}', version=0).size == 5


@pytest.mark.parametrize("key", ["schema_version", "generation", "members", "bytes", "offset"])
@pytest.mark.parametrize("value", [b"1e999", b"-1", b"1.0", b'"1"', b"true", b"[]", b"{}"])
def test_counts_that_can_not_be(key: str, value: bytes) -> None:
    """1e999 is infinite to JSON's reader."""
    record = from_json(HEADER.to_line())
    line = to_json({**record, key: "HERE"}).replace(b'"HERE"', value)
    with pytest.raises(Damaged, match="first line"):
        Header.from_line(line)


@pytest.mark.parametrize("region", [{}, {"offset": 1}, {"offset": -1, "length": 1, "xxh128": ""}, 5, None])
def test_superseded_regions_that_can_not_be(region: object) -> None:
    with pytest.raises(Damaged, match="first line"):
        Header.from_line(to_json({**from_json(HEADER.to_line()), "superseded": [region]}))


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"[]", b"5", b"{}", b'{"path":"a"}', b'{"path":"a","role":"original","size":-1}'),
        *(b'{"path":5,"role":"original","size":1}', b'{"path":"a","role":"original","size":1e999}'),
        *(b'{"path":"a","role":"original","size":1,"offset":-1}', b'{"path":"a","role":"original","size":1,"sequence":[]}'),
    ],
)
def test_lines_that_are_no_member(line: bytes) -> None:
    with pytest.raises(Damaged, match="line of the manifest"):
        parse_member(line)
