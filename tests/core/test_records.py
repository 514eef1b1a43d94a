"""Records: what is written as JSON is read again, exactly."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from film_archive.core.errors import Damaged
from film_archive.core.records import Record
from film_archive.core.timecode import FrameRate


class Word(StrEnum):
    ONE = "one"
    TWO = "two"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner(Record):
    name: str
    raw: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer(Record):
    path: Path
    word: Word
    count: int
    text: str | None = None
    seconds: float = 0.0
    good: bool = False
    inner: tuple[Inner, ...] = ()
    one: Inner | None = None
    names: Mapping[str, str] | None = None
    rate: FrameRate | None = None


FULL = Outer(
    path=Path(os.fsdecode(b"/a/\xff\xfe\x01 b")),
    word=Word.TWO,
    count=1 << 62,
    text=os.fsdecode(b"\xe4"),
    seconds=1.5,
    good=True,
    inner=(Inner(name="近藤\n", raw=b"\xff"), Inner(name="")),
    one=Inner(name="x"),
    names={"md5": "00"},
    rate=FrameRate(24000, 1001),
)


@pytest.mark.parametrize("record", [FULL, Outer(path=Path("a"), word=Word.ONE, count=0)])
def test_what_is_written_is_read_again(record: Outer) -> None:
    assert Outer.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_text_that_is_not_utf8_stands_twice() -> None:
    data = FULL.to_json()
    assert data["path"] == "/a/\\xff\\xfe\x01 b"
    assert data["raw_path"] == b"/a/\xff\xfe\x01 b".hex()
    assert (data["text"], data["raw_text"]) == ("\\xe4", "e4")
    assert "raw_path" not in Outer(path=Path("ü"), word=Word.ONE, count=0).to_json()
    assert data["inner"][0] == {"name": "近藤\n", "raw": "ff"}


def test_keys_of_later_versions_are_passed_over() -> None:
    assert Inner.from_json({"name": "a", "later": 1}) == Inner(name="a")


@pytest.mark.parametrize(
    "changed",
    [
        {"path": 5, "raw_path": None},
        {"path": None, "raw_path": None},
        {"word": "three"},
        {"count": "1"},
        {"count": True},
        {"count": 1.5},
        {"good": 1},
        {"inner": {}},
        {"inner": ["a"]},
        {"one": []},
        {"names": {"a": 1}},
        {"raw_path": "xyz"},
        {"raw_path": 5},
        {"rate": "24"},
        {"rate": "24/0"},
        {"rate": 24},
        {"rate": "9" * 50 + "/1"},
    ],
)
def test_what_is_no_record(changed: dict[str, Any]) -> None:
    with pytest.raises(Damaged, match="not a"):
        Outer.from_json({**FULL.to_json(), **changed})


def test_what_lacks_a_key() -> None:
    with pytest.raises(Damaged, match="'name'"):
        Inner.from_json({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Several(Record):
    """A list of texts."""

    paths: tuple[str, ...]


def test_texts_in_a_list_are_kept_exactly_too() -> None:
    record = Several(paths=("plain", os.fsdecode(b"caf\xe9"), "é"))
    data = record.to_json()
    assert data["raw_paths"] == [b"plain".hex(), b"caf\xe9".hex(), "é".encode().hex()]
    assert Several.from_json(data) == record
    assert "raw_paths" not in Several(paths=("é",)).to_json()
    with pytest.raises(Damaged):
        Several.from_json({**data, "raw_paths": [5]})
