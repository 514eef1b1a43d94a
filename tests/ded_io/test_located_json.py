"""JSON with lines: the same values as `json` reads, and errors that say where."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from ded_io.located_json import parse_json
from film_archive.core.errors import UsageError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES, st.sampled_from([None, 1, "\t"]))
def test_it_reads_what_json_reads(value: object, indent: int | str | None) -> None:
    text = json.dumps(value, indent=indent)
    assert parse_json(text.encode(), "x").value == value


@given(st.binary(max_size=200) | st.text("{}[]\",:1 \nabtrue\\", max_size=60).map(str.encode))
def test_it_refuses_what_json_refuses(data: bytes) -> None:
    try:
        expected = json.loads(data.decode("utf-8-sig"))
    except ValueError:
        with pytest.raises(UsageError):
            parse_json(data, "x")
    else:
        try:
            found = parse_json(data, "x").value
        except UsageError as error:
            allowed = "twice" in str(error) or b"NaN" in data or b"Infinity" in data  # stricter in this alone
        else:
            allowed = found == expected
        assert allowed


def test_lines_of_values() -> None:
    document = parse_json(b'{\n "output": {\n  "proxy_crf": 18\n },\n "list": [\n 1,\n 2]\n}', "config.json")
    assert document.lines == {(): 1, ("output",): 2, ("output", "proxy_crf"): 3, ("list",): 5, ("list", 0): 6, ("list", 1): 7}
    assert str(document.error(("output", "proxy_crf"), "no.")) == "config.json, line 3, output.proxy_crf: no."
    assert str(document.error(("list", 1), "no.")) == "config.json, line 7, list[1]: no."


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{\n "a": 1,\n}', "line 3, a: a key"),
        ('{\n "a": 1\n "b": 2}', "line 3, a: a comma"),
        ('{\n "a" 1}', "line 2, a: a colon"),
        ('{\n "a": {"b": tru}}', "line 2, a.b: a value"),
        ('[\n{"shot": "1}]', "line 2, [0].shot: this text"),
        ('{"a": 1,\n "a": 2}', "line 2, a: this key stands twice"),
        ("[1] 2", "line 1, the document: there is something after"),
        ("", "line 1, the document: a value is expected"),
        ("[NaN]", "a value is expected"),
        ('["\n"]', "this text does not end"),
        ("[1,", "line 1, [1]: a value"),
        ("[" * 5000, "more than 64 deep"),
        ("[" + "9" * 5000 + "]", "a value is expected"),
    ],
)
def test_errors_name_line_and_key(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_json(text.encode(), "x.json")
    assert says in str(caught.value)


def test_what_is_not_text() -> None:
    with pytest.raises(UsageError, match="line 2: this is not UTF-8"):
        parse_json(b'{\n"a": "\xff"}', "x")
