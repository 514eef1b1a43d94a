from __future__ import annotations

from pathlib import Path

import pytest

from film_archive.core.ladder import parse_sizes
from film_archive.core.source import FileSource
from film_archive.media.av import hardware
from film_archive.media.av.fragments import HARDWARE
from film_archive.media.av.versions import has_encoder
from film_archive.media.probe import index, probe
from film_archive.proxy.making import make
from film_archive.testing.media import ClipSpec, cached_clip


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


@pytest.mark.parametrize("name", HARDWARE)
def test_where_hardware_fails_after_all_x264_takes_over(
    name: str, footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was said to work, and here it does not even open."""
    if not has_encoder(name) or hardware.works(name):
        pytest.skip("it works here, or is not built in")
    monkeypatch.setattr(hardware, "hardware_encoder", lambda: name)
    clip = cached_clip(ClipSpec(name="hardware", width=192, height=108, frames=14), footage)
    made = []
    with FileSource(clip) as source:
        for asked in (True, False):
            (proxy,) = make(source, probe(source), index(source), parse_sizes("96x54"), tmp_path / str(asked), hardware=asked)
            made.append(proxy.path.read_bytes())
    assert made[0] == made[1]
