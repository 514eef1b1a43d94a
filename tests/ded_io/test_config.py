"""The constants that a studio edits, and that the names they hold exist."""

from __future__ import annotations

import PyOpenColorIO
import pytest

from ded_io import config


def test_values_are_the_documented_defaults() -> None:
    documented = {
        "DIGITAL_START_FRAME": 1001,
        "HEAD_HANDLE_FRAMES": 8,
        "TAIL_HANDLE_FRAMES": 8,
        "SOURCE_COLORSPACE": "Input - Sony - S-Log3 - Venice S-Gamut3.Cine",
        "TARGET_COLORSPACE": "ACEScg",
        "ACES_VERSION": "1.3",
        "OUTPUT_FORMAT": "exr",
        "OUTPUT_COMPRESSION": "dwaa:15",
        "OUTPUT_BIT_DEPTH": "half",
        "ANAMORPHIC_SQUEEZE": 2.0,
        "TARGET_WIDTH": 3840,
        "TARGET_HEIGHT": 2160,
        "LETTERBOX": True,
        "PROXY_FORMAT": "mp4",
        "PROXY_CODEC": "libx264",
        "PROXY_COLORSPACE": "sRGB",
        "PROXY_CRF": 18,
    }
    assert {name: getattr(config, name) for name in documented} == documented


def test_builtin_config_is_the_one_used_unless_the_environment_names_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCIO", raising=False)
    assert config.ocio_config() == "ocio://studio-config-v2.1.0_aces-v1.3_ocio-v2.3"
    monkeypatch.setenv("OCIO", "")
    assert config.ocio_config() == config.BUILTIN_OCIO_CONFIG
    monkeypatch.setenv("OCIO", "/aces/config.ocio")
    assert config.ocio_config() == "/aces/config.ocio"


def test_source_colour_space_is_an_alias_in_the_builtin_config() -> None:
    colours = PyOpenColorIO.Config.CreateFromFile(config.BUILTIN_OCIO_CONFIG)
    assert colours.getColorSpace(config.SOURCE_COLORSPACE).getName() == "S-Log3 Venice S-Gamut3.Cine"
    assert colours.getColorSpace(config.TARGET_COLORSPACE).getName() == "ACEScg"
