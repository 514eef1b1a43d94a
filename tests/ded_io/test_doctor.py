"""What `ded-io doctor` says of a machine that has everything, and of machines that lack something."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from ded_io import config, doctor


@pytest.fixture
def bare_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH with nothing on it but what a test puts there, and an interpreter in a folder of its own."""
    (tmp_path / "path").mkdir()
    (tmp_path / "venv").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))
    return tmp_path


def program(path: Path) -> None:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def test_first_lines_are_those_of_the_setup_checker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCIO", raising=False)
    lines = [str(check) for check in doctor.examine()]
    assert re.fullmatch(r"\[OK\] Python version 3\.\d+\.\d+", lines[0])
    assert lines[1] in ("[OK] oiiotool found", "[OK] oiiotool bundled")
    assert lines[2] in ("[OK] ffmpeg found", "[OK] ffmpeg bundled")
    assert lines[3] == "[OK] All imports successful"
    assert "ocio://studio-config-v2.1.0_aces-v1.3_ocio-v2.3" in lines[4]
    assert "S-Log3 Venice S-Gamut3.Cine to ACEScg" in lines[4]
    assert re.fullmatch(r"\[OK\] FFmpeg \d+\.[\d.]+\S* in PyAV", lines[5])


def test_old_python_is_missing() -> None:
    assert not doctor.check_python((3, 10, 14)).ok
    assert doctor.check_python((3, 11, 0)).ok
    assert doctor.check_python((4, 0, 0)).ok


def test_oiiotool_is_found_bundled_or_missing(bare_path: Path) -> None:
    missing = doctor.check_oiiotool()
    assert not missing.ok
    assert "openimageio" in missing.says
    program(bare_path / "venv" / "oiiotool")
    assert doctor.check_oiiotool().says == "oiiotool bundled"
    program(bare_path / "path" / "oiiotool")
    assert doctor.check_oiiotool().says == "oiiotool found"


def test_ffmpeg_is_found_bundled_or_missing(bare_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.check_ffmpeg().says == "ffmpeg bundled"
    monkeypatch.setattr(config, "PROXY_CODEC", "no_such_encoder")
    missing = doctor.check_ffmpeg()
    assert not missing.ok
    assert "no_such_encoder" in missing.says
    program(bare_path / "path" / "ffmpeg")
    assert doctor.check_ffmpeg().says == "ffmpeg found"


def test_module_that_does_not_load_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MODULES", ("ded_io.config", "no_such_module_here"))
    found = doctor.check_imports()
    assert not found.ok
    assert "no_such_module_here" in found.says


def test_library_that_does_not_load_is_missing_not_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PyOpenColorIO", None)
    found = doctor.check_colour()
    assert not found.ok
    assert "does not load" in found.says


def test_colour_config_that_is_not_there_or_no_config_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for bad in (tmp_path / "absent.ocio", tmp_path / "text.ocio"):
        (tmp_path / "text.ocio").write_text("this is no colour config")
        monkeypatch.setenv("OCIO", str(bad))
        found = doctor.check_colour()
        assert not found.ok
        assert str(bad) in found.says


def test_colour_config_without_the_camera_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCIO", "ocio://cg-config-v2.1.0_aces-v1.3_ocio-v2.3")
    found = doctor.check_colour()
    assert not found.ok
    assert config.SOURCE_COLORSPACE in found.says
