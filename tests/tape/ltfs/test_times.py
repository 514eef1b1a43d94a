"""Times in the form of LTFS, against the standard library's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.core.errors import Damaged, NotSupported
from film_archive.tape.ltfs.times import format_time, parse_time

FIRST, LAST = -62_135_596_800, 253_402_300_799


@settings(deadline=None)
@given(st.integers(FIRST * 10**9, LAST * 10**9 + 999_999_999))
def test_a_time_is_read_as_it_was_written(moment: int) -> None:
    text = format_time(moment)
    assert len(text) == 30
    assert parse_time(text) == (moment, True)
    whole = datetime.fromisoformat(f"{text[:19]}+00:00")
    assert int((whole - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) == moment // 10**9


@pytest.mark.parametrize(
    ("text", "moment", "exact"),
    [
        ("1970-01-01T00:00:00.000000001Z", 1, True),
        ("1969-12-31T23:59:59.999999999Z", -1, True),
        ("2026-11-20T14:52:07Z", 1_795_186_327_000_000_000, False),
        ("2026-11-20T14:52:07.5Z", 1_795_186_327_500_000_000, False),
        ("2016-12-31T23:59:60.000000000Z", 1_483_228_800_000_000_000, True),
    ],
)
def test_times(text: str, moment: int, exact: bool) -> None:
    assert parse_time(text) == (moment, exact)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-20",
        "2026-13-20T14:52:07.000000000Z",
        "2026-02-30T14:52:07.000000000Z",
        "2026-11-20T25:52:07.000000000Z",
        "2026-11-20T14:52:07.000000000",
        "2026-11-20T14:52:07.0000000001Z",
        "2026-11-20 14:52:07.000000000Z",
        "0000-11-20T14:52:07.000000000Z",
        "2026-11-20T14:52:07.00000000\u0660Z",
        "x" * 30,
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(Damaged, match="not a time"):
        parse_time(text)


@pytest.mark.parametrize("moment", [(FIRST - 1) * 10**9, (LAST + 1) * 10**9, 10**30])
def test_times_that_cannot_be_written(moment: int) -> None:
    with pytest.raises(NotSupported):
        format_time(moment)
