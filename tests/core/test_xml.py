"""XML of strangers: what is read, and what is refused."""

from __future__ import annotations

import contextlib

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.xml import parse_xml, text_of


def test_namespaces_are_taken_off() -> None:
    root = parse_xml(b'<?xml version="1.0"?><a xmlns="urn:x:2.20"><b c="1"> t </b><d/></a>\n\0\0', "a.xml")
    assert (root.tag, root[0].get("c")) == ("a", "1")
    assert text_of(root, "b") == "t"
    assert text_of(root, "d") is None
    assert text_of(root, "e") is None


def test_wide_encodings() -> None:
    for encoding in ("utf-16", "utf-8-sig"):
        assert parse_xml("<a>ä\n</a>\n".encode(encoding), "a.xml").text == "ä\n"


BOMB = '<?xml version="1.0"{}?><!DOCTYPE a [<!ENTITY x "lol"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;&x;&x;&x;">]><a>&y;</a>'


@pytest.mark.parametrize(
    "document",
    [
        BOMB.format("").encode(),
        BOMB.format(' encoding="UTF-16"').encode("utf-16"),
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<!DOCTYPE a><a/>",
    ],
)
def test_document_types_are_refused(document: bytes) -> None:
    with pytest.raises(NotSupported, match=r"^a\.xml declares a document type"):
        parse_xml(document, "a.xml")


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"", "not readable as XML"),
        (b"<a>", "not readable as XML"),
        (b"<a>&x;</a>", "not readable as XML"),
        (b'<?xml version="1.0" encoding="none"?><a/>', "not readable as XML"),
        (b"<a>" * 201 + b"</a>" * 201, "nested more than 200 deep"),
        (b"<a>" + b"x" * 1000 + b"</a>", "more than the 100"),
    ],
)
def test_damaged_documents(document: bytes, why: str) -> None:
    with pytest.raises(Damaged, match=why):
        parse_xml(document, "a.xml", maximum=100 if b"xxx" in document else 10_000)


@given(st.binary(max_size=80) | st.text("<>/&;a!?-[] =\"'", max_size=60).map(str.encode))
def test_anything_is_read_or_refused(document: bytes) -> None:
    with contextlib.suppress(Damaged, NotSupported):
        parse_xml(document, "a.xml")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_that_is_named_and_declares_nothing(encoding: str) -> None:
    text = '<?xml version="1.0" encoding="{}"?>\n<!DOCTYPE fcpxml{}>\n<fcpxml version="1.9"/>'
    types = ("fcpxml",)
    assert parse_xml(text.format(encoding, "").encode(encoding), "a.xml", document_types=types).get("version") == "1.9"
    for declares in (' [<!ENTITY x "lol">]', " []"):
        with pytest.raises(NotSupported, match="declares a document type"):
            parse_xml(text.format(encoding, declares).encode(encoding), "a.xml", document_types=types)
    system = text.format(encoding, ' SYSTEM "fcpxml.dtd"').replace('"1.9"/>', '"1.9">&x;</fcpxml>')
    with pytest.raises(Damaged, match="undefined entity x"):
        parse_xml(system.encode(encoding), "a.xml", document_types=types)
    with pytest.raises(NotSupported):
        parse_xml(b"<!DOCTYPE other><fcpxml/>", "a.xml", document_types=types)
