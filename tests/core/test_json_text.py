"""JSON by the standard library comes to what pydantic's functions, which other modules use, come to."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis")
import pydantic_core
from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.json_text import from_json, to_json

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_the_bytes_are_the_same(value: object) -> None:
    """Addresses are made of them."""
    data = to_json(value)
    assert data == pydantic_core.to_json(value)
    assert from_json(data) == pydantic_core.from_json(data) == value


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff", b'"\\ud800"', b'"\\uDC00x"', b"[" * 200_000, b'{"a":1} x', b"\xef\xbb\xbf1", b"1" * 5000]
)
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        from_json(data)


def test_a_whole_surrogate_pair_is_text() -> None:
    assert from_json(b'"\\ud83c\\udfac"') == "\U0001f3ac"


def test_half_a_pair_is_not_written() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        to_json("\ud800")
