"""Names as they stand on tape and in the XML of an index."""

from __future__ import annotations

import unicodedata
from xml.etree import ElementTree

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.core.errors import NotSupported
from film_archive.tape.ltfs.names import name_element, percent_decoded, tape_name

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/\x1f\ufffe\uffff"), min_size=1, max_size=60)


@settings(deadline=None)
@given(NAMES)
def test_a_name_is_read_as_it_was_written(name: str) -> None:
    for tag in ("name", "key", "symlink"):
        element = ElementTree.fromstring(name_element(tag, name))
        text = element.text or ""
        assert (percent_decoded(text) if element.get("percentencoded") else text) == name
        assert text == text.strip(" \t\r\n") or tag == "symlink"


@settings(deadline=None)
@given(NAMES)
def test_names_are_stored_in_form_c(name: str) -> None:
    try:
        stored = tape_name(name)
    except NotSupported:
        return
    assert stored == unicodedata.normalize("NFC", name)
    assert tape_name(stored) == stored


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("clip.mov", "<name>clip.mov</name>"),
        ("%41", "<name>%41</name>"),
        ("a:b %", '<name percentencoded="true">a%3Ab %25</name>'),
        ("é:", '<name percentencoded="true">é%3A</name>'),
        (" a ", '<name percentencoded="true">%20a%20</name>'),
        ("a\tb", '<name percentencoded="true">a%09b</name>'),
        ("<&>", "<name>&lt;&amp;&gt;</name>"),
    ],
)
def test_how_names_are_written(name: str, written: str) -> None:
    assert name_element("name", name) == written


def test_a_links_target_is_encoded_only_where_it_must() -> None:
    """The reference reads the slash of an encoded target as "_"."""
    assert name_element("symlink", "a/b:c") == "<symlink>a/b:c</symlink>"
    assert name_element("symlink", "a\x01") == '<symlink percentencoded="true">a%01</symlink>'


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "no name"),
        (".", "no name"),
        ("..", "no name"),
        ("a/b", r"U\+002F"),
        ("a\0", r"U\+0000"),
        ("a\x1f", r"U\+001F"),
        ("a\uffff", r"U\+FFFF"),
        ("a\udcff", "not UTF-8"),
        ("é" * 256, "256 signs"),
    ],
)
def test_names_that_cannot_be_on_tape(name: str, why: str) -> None:
    with pytest.raises(NotSupported, match=why):
        tape_name(name)


def test_names_that_can() -> None:
    assert tape_name("e\u0301") == "é"
    assert tape_name("é" * 255) == "é" * 255
    assert tape_name("a\nb:c*?") == "a\nb:c*?"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("%41%20", "A "),
        ("%C3%A9%c3%a9", "éé"),
        ("%2F%00%1f", "%2F%00%1F"),
        ("%FF%41", "%FF%41"),
        ("%4", "%4"),
        ("%zz", "%zz"),
        ("é%3A", "é:"),
    ],
)
def test_decoding(text: str, name: str) -> None:
    assert percent_decoded(text) == name
