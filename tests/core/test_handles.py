"""Handles: as many as there are, and no frame that a clip does not have."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.errors import UsageError
from film_archive.core.handles import Selection, with_handles
from film_archive.core.timecode import FrameRange


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 20), st.integers(1, 40))
def test_they_are_the_frames_beside_that_are_there(first: int, count: int, handles: int, length: int) -> None:
    wanted = FrameRange(first, first + count)
    beside = {number for frame in wanted for number in range(frame - handles, frame + handles + 1)}
    there = {number for number in beside if 0 <= number < length}
    found = with_handles(wanted, handles, length)
    if count:
        assert set(found) == there
    assert found.first <= found.end


def test_what_was_got_is_told_for_each_side() -> None:
    found = Selection.of(FrameRange(3, 90), 8, 95)
    assert (found.frames, found.head_handle, found.tail_handle) == (FrameRange(0, 95), 3, 5)


def test_fewer_than_none_are_refused() -> None:
    with pytest.raises(UsageError):
        with_handles(FrameRange(0, 1), -1, 10)
