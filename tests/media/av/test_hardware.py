from __future__ import annotations

import pytest

from film_archive.media.av import hardware
from film_archive.media.av.fragments import HARDWARE


def test_an_encoder_is_used_only_where_it_works() -> None:
    found = hardware.hardware_encoder()
    assert found is None or (found in HARDWARE and hardware.works(found))


def test_what_a_working_encoder_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hardware.works("superfast"), "x264 does all that is asked"
    monkeypatch.setattr(hardware, "GOP", 5)
    assert not hardware.works("superfast"), "keyframes elsewhere"


@pytest.mark.parametrize("name", HARDWARE)
def test_one_that_is_not_there_is_only_not_there(name: str) -> None:
    assert hardware.works(name) in (True, False)
