"""Conversions: what is split into curves and a matrix is what OpenColorIO computes, and light above 1.0 survives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ded_io.pictures.colour import IDENTITY, conversion, open_config, require_view
from ded_io.pictures.framing import Framing
from ded_io.pictures.raster import Floats, raster_of
from ded_io.pictures.resample import resample
from film_archive.core.errors import UsageError
from tests.ded_io.pictures.plates import CONFIG, SLOG3


def by_ocio(pixels: Floats, source: str, target: str) -> Floats:
    processor = open_config(CONFIG).getProcessor(source, target).getDefaultCPUProcessor()
    made = np.ascontiguousarray(pixels, np.float32)
    processor.applyRGB(made)
    return made


SPLIT = [
    (SLOG3, "ACEScg"), ("S-Log3 S-Gamut3", "ACES2065-1"), ("ARRI LogC3 (EI800)", "ACEScg"), ("ACEScct", "ACEScg"),
    ("Log3G10 REDWideGamutRGB", "ACEScg"), ("sRGB - Texture", "ACEScg"), ("ACES2065-1", "ACEScg"), ("ACEScg", "ACEScg"),
    ("Raw", "ACEScg"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "target"), [*SPLIT, ("ACEScg", "S-Log3 S-Gamut3")])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32"])
def test_every_kind_of_sample_is_converted_as_ocio_does(source: str, target: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    if dtype.startswith("u"):
        top = np.iinfo(dtype).max
        pixels = rng.integers(0, top, (8, 9, 3), endpoint=True).astype(dtype)
        floats = (pixels / top).astype(np.float32)
    else:
        pixels = rng.uniform(0, 1.2, (8, 9, 3)).astype(dtype)
        floats = pixels.astype(np.float32)
    found = conversion(CONFIG, source, target)
    prepared, curves = found.prepared(raster_of(pixels))
    size = 9, 8
    made = resample(prepared, Framing(size, size, size, 0, 0), curves=curves, matrix=found.matrix, half=False)
    wanted = by_ocio(floats, source, target)
    assert np.abs(made - wanted).max() <= 2e-4 * max(1.0, float(np.abs(wanted).max()))


@pytest.mark.parametrize(("source", "target"), SPLIT)
def test_cameras_logs_are_split(source: str, target: str) -> None:
    assert conversion(CONFIG, source, target).whole is None


def test_into_a_log_is_not_split() -> None:
    found = conversion(CONFIG, "ACEScg", "S-Log3 S-Gamut3")
    assert found.whole is not None
    assert np.array_equal(found.matrix, IDENTITY)


def test_light_above_one_survives() -> None:
    """Known trap: OpenImageIO's colorconvert of a DPX read as it is gives 16-bit codes again, clipped at 1.0."""
    white = np.full((2, 2, 3), 65_535, np.uint16)
    found = conversion(CONFIG, SLOG3, "ACEScg")
    prepared, curves = found.prepared(raster_of(white))
    size = 2, 2
    made = resample(prepared, Framing(size, size, size, 0, 0), curves=curves, matrix=found.matrix)
    assert made.max() > 30
    assert np.allclose(made.astype(np.float32), by_ocio(np.ones((2, 2, 3), np.float32), SLOG3, "ACEScg"), rtol=1e-3)


def test_conversions_are_kept() -> None:
    assert conversion(CONFIG, SLOG3, "ACEScg") is conversion(CONFIG, SLOG3, "ACEScg")


def test_a_wrong_name_is_told_with_those_near_it() -> None:
    with pytest.raises(UsageError, match=r"no colour space 'S-Log3 S-Gamut3.Cin'.*S-Log3 S-Gamut3\.Cine"):
        conversion(CONFIG, "S-Log3 S-Gamut3.Cin", "ACEScg")
    with pytest.raises(UsageError, match="no colour space 'AcesCG2'"):
        conversion(CONFIG, SLOG3, "AcesCG2")
    with pytest.raises(UsageError, match="no display"):
        require_view(open_config(CONFIG), CONFIG, "sRGB", "Raw")
    with pytest.raises(UsageError, match="no view 'Film'"):
        require_view(open_config(CONFIG), CONFIG, "sRGB - Display", "Film")


def test_a_config_that_is_not_there_or_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be opened"):
        conversion(str(tmp_path / "config.ocio"), SLOG3, "ACEScg")
    (tmp_path / "config.ocio").write_text("ocio_profile_version: 2\nroles: [")
    with pytest.raises(UsageError, match="can't be opened"):
        conversion(str(tmp_path / "config.ocio"), SLOG3, "ACEScg")
    with pytest.raises(UsageError, match="can't be opened"):
        conversion("ocio://no-such-config", SLOG3, "ACEScg")
