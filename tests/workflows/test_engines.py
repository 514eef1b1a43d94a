"""`probe --engine`: what is said of this machine is what proxies are made with."""

from __future__ import annotations

import av
import pytest

from film_archive.media.av import hardware, versions
from film_archive.media.av.fragments import HARDWARE
from film_archive.media.prores import available, engine
from film_archive.workflows.engines import Engines, engines
from tests.cli.running import film_archive


def test_what_is_there() -> None:
    found = engines()
    assert (found.pyav, found.ffmpeg) == (av.__version__, versions.ffmpeg_version())
    assert found.libraries["libavcodec"]
    assert (found.reduced_prores, found.prores) == (available(), engine())
    assert (found.decoders["prores_422"], found.encoders["h264"], found.encoders["dnxhr"]) == ("prores", "libx264", "dnxhd")
    assert found.hardware.keys() == HARDWARE.keys()
    assert found.hardware_encoder == hardware.hardware_encoder()
    assert Engines.from_json(found.to_json()) == found


def test_an_encoder_that_works_is_the_one_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    hardware.hardware_encoder.cache_clear()
    monkeypatch.setattr(hardware, "has_encoder", lambda name: name != "h264_nvenc")
    monkeypatch.setattr(hardware, "works", lambda name: name == "h264_qsv")
    try:
        found = engines()
    finally:
        hardware.hardware_encoder.cache_clear()
    assert found.hardware == {
        "h264_nvenc": "not built in", "h264_qsv": "works", "h264_videotoolbox": "does not work here"
    }  # fmt: skip
    assert found.hardware_encoder == "h264_qsv"


def test_a_library_that_lacks_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(versions._DECODERS, "h264", "no such decoder")
    monkeypatch.setattr(versions, "has_encoder", lambda name: name != "libx264")
    assert engines().decoders["h264"] is None
    assert engines().encoders["h264"] is None


def test_on_the_command_line(capfd: pytest.CaptureFixture[str]) -> None:
    shown = film_archive(capfd, "probe", "--engine")
    assert (shown.status, engine() in shown.output, "PyAV" in shown.output) == (0, True, True)
    assert film_archive(capfd, "probe", "--engine", "--json").document["reduced_prores"] == available()
    assert film_archive(capfd, "probe", "--engine", "a.mov").status == 2
    assert film_archive(capfd, "probe").status == 2
