"""What URLs of media references mean."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.bundles.urls import is_read_differently, media_url, place_of, readings


@pytest.mark.parametrize(
    ("url", "paths"),
    [
        ("file:///a/b.mov", ["/a/b.mov"]),
        ("FILE:///a/b.mov", ["/a/b.mov"]),
        ("file:/a/b.mov", ["/a/b.mov"]),
        ("file://localhost/a/b.mov", ["/a/b.mov"]),
        ("file://LocalHost/D%3a/b.mov", ["/D:/b.mov", "/D%3a/b.mov"]),
        ("file://C:/b.mov", ["/C:/b.mov"]),
        ("file://server/share/b.mov", ["//server/share/b.mov"]),
        ("file:///a/sp%20ace.mov", ["/a/sp ace.mov", "/a/sp%20ace.mov"]),
        ("file:///a/100%.mov", ["/a/100%.mov"]),
        ("file:///a/take#1.mov", ["/a/take", "/a/take#1.mov"]),
        ("file:///a/b.mov?x=1#t=10", ["/a/b.mov", "/a/b.mov?x=1#t=10"]),
        ("file:a/b.mov", ["a/b.mov"]),
        ("a/b.mov", ["a/b.mov"]),
        ("/a/per%20cent.mov", ["/a/per%20cent.mov", "/a/per cent.mov"]),
        ("a/take#1.mov", ["a/take#1.mov", "a/take"]),
        ("C:\\x\\b.mov", ["C:\\x\\b.mov"]),
        ("file:///a/%E4.mov", ["/a/\udce4.mov", "/a/%E4.mov"]),
        ("file:///a/\ud800%20.mov", ["/a/\ud800%20.mov"]),
        ("", []),
        ("http://example.org/b.mov", []),
        ("s3://bucket/b.mov", []),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="paths are those of POSIX")
def test_readings(url: str, paths: list[str]) -> None:
    assert list(dict.fromkeys(reading.path for reading in readings(url))) == paths


@given(st.lists(st.text(st.characters(exclude_characters="\0/\\", exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_a_path_as_a_url_is_read_back_first(parts: list[str]) -> None:
    path = Path("/", *parts)
    first = readings(path.as_uri())[0]
    assert Path(first.path) == path
    assert first.decoded


@given(st.text())
def test_anything_can_be_read(url: str) -> None:
    for reading in readings(url):
        assert place_of(reading.path, (Path("x"), Path("y")))


def test_relative_paths_begin_at_each_base() -> None:
    assert place_of("a.mov", (Path(), Path("cut"))) == (Path("a.mov"), Path("cut/a.mov"))
    assert place_of("/a.mov", (Path(), Path("cut"))) == (Path("/a.mov"),)


def test_names_in_a_bundle() -> None:
    assert media_url("sp ace.mov") == "media/sp ace.mov"
    assert [name for name in ("a b.mov", "ü.mov", "100%.mov", "a%20b.mov", "a#1.mov", "a?.mov") if is_read_differently(name)] == [
        "a%20b.mov",
        "a#1.mov",
        "a?.mov",
    ]
