"""Settings: every key has an effect, layers come in their order, mistakes are named."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from ded_io import config
from ded_io.cut import FirstFrame
from ded_io.reading_settings import KEYS, SECTIONS, read_settings
from ded_io.settings import Engine, Fit, Resolution, Settings
from film_archive.core.errors import NotFound, UsageError
from film_archive.core.timecode import FrameRate
from tests.shared import shared


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in config.environment():
        monkeypatch.delenv(name)


def written(folder: Path, settings: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(settings, indent=1))
    return path


EXAMPLES: dict[str, tuple[object, object]] = {
    "project": ("film", "film"),
    "project_id": ("abc", "abc"),
    "source_fps": (23.976, FrameRate(24000, 1001)),
    "stop_on_error": (True, True),
    "task": ("rnd", "rnd"),
    "element": ("cleanPlate", "cleanPlate"),
    "shot_tree_root": ("/mnt/shots", Path("/mnt/shots")),
    "output_dir": ("/mnt/out", Path("/mnt/out")),
    "temp_dir": ("/scratch", Path("/scratch")),
    "sony_converter": ("C:\\x.exe", "C:\\x.exe"),
    "sony_timeout": (60, 60),
    "oiiotool": ("/opt/oiiotool", "/opt/oiiotool"),
    "ffmpeg": ("/opt/ffmpeg", "/opt/ffmpeg"),
    "exr_compression": ("zip", "zip"),
    "bit_depth": ("float", "float"),
    "resolution": ("native", None),
    "fit": ("crop", Fit.CROP),
    "squeeze": ("1.8:1", Fraction(9, 5)),
    "proxy_resolution": ("1280x720", Resolution(1280, 720)),
    "proxy_crf": (20, 20),
    "frame_name": ("{shot}_v{version:04d}.{frame:05d}.{ext}", "{shot}_v{version:04d}.{frame:05d}.{ext}"),
    "movie_name": ("{shot}_v{version:04d}.{ext}", "{shot}_v{version:04d}.{ext}"),
    "source_colorspace": ("ACEScct", "ACEScct"),
    "target_colorspace": ("ACES2065-1", "ACES2065-1"),
    "ocio_config": ("/x/config.ocio", "/x/config.ocio"),
    "display": ("Rec.1886 Rec.709 - Display", "Rec.1886 Rec.709 - Display"),
    "view": ("Raw", "Raw"),
    "start_frame": (1, 1),
    "head_handles": (12, 12),
    "tail_handles": (0, 0),
    "first_frame_is": ("handle", FirstFrame.HANDLE),
    "strict_handles": (True, True),
    "skip_kitsu": (True, True),
    "skip_cleanup": (True, True),
    "burn_in_proxy": (True, True),
    "slate": (True, True),
    "audio": (True, True),
    "mhl": (True, True),
    "engine": ("tools", Engine.TOOLS),
    "jobs": (2, 2),
    "shots": (3, 3),
}


def test_every_key_has_an_example() -> None:
    assert {key.name for key in KEYS} == set(EXAMPLES)
    assert len({key.field for key in KEYS}) == len({key.variable for key in KEYS}) == len(KEYS)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_each_key_sets_its_field_and_no_other(key: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ded_io.reading_settings import Key

    assert isinstance(key, Key)
    value, expected = EXAMPLES[key.name]
    default = Settings.defaults()
    assert getattr(default, key.field) != expected
    read = read_settings(written(tmp_path, {key.section: {key.name: value}} if key.section else {key.name: value}))
    assert read.warnings == ()
    differing = {name for name in Settings.__slots__ if getattr(read.settings, name) != getattr(default, name)}
    assert differing == {key.field}
    assert getattr(read.settings, key.field) == expected
    monkeypatch.setenv(key.variable, str(value))
    assert getattr(read_settings().settings, key.field) == expected


def test_layers_come_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, {"output": {"proxy_crf": 20}, "project": "file", "color": {"ocio_config": "file"}})
    assert read_settings(path).settings.proxy_crf == 20
    monkeypatch.setenv("DED_IO_PROXY_CRF", "21")
    monkeypatch.setenv("OCIO", "environment")
    read = read_settings(path, {"proxy_crf": 22, "project": None})
    assert (read.settings.proxy_crf, read.settings.project, read.settings.ocio_config) == (22, "file", "environment")
    assert read_settings(path).settings.proxy_crf == 21


def test_editing_the_module_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "DIGITAL_START_FRAME", 1)
    monkeypatch.setattr(config, "TARGET_WIDTH", 1920)
    monkeypatch.setattr(config, "ANAMORPHIC_SQUEEZE", 1.8)
    settings = read_settings().settings
    assert (settings.start_frame, settings.default_squeeze) == (1, Fraction(9, 5))
    assert settings.resolution == Resolution(1920, 2160)


def test_unknown_keys_are_warnings_that_name_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DED_IO_PROXY_CFR", "1")
    path = written(tmp_path, {"output": {"proxy_cfr": 1, "_comment": "x"}, "colour": {"view": "x"}, "//": "x"})
    said = read_settings(path).warnings
    assert len(said) == 3
    assert "line 3: the key output.proxy_cfr is not known and has no effect; is output.proxy_crf meant?" in said[0]
    assert "the key colour is not known" in said[1]
    assert "DED_IO_PROXY_CFR is not known and has no effect; is DED_IO_PROXY_CRF meant?" in said[2]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("proxy_crf", 99, "output.proxy_crf: 99 is not a whole number from 0 to 51"),
        ("proxy_crf", True, "True is not a whole number"),
        ("stop_on_error", "perhaps", "neither true nor false"),
        ("source_fps", "fast", "not a frame rate"),
        ("resolution", "4K", "not a resolution"),
        ("resolution", "99999x2", "not possible"),
        ("proxy_resolution", "native", "a size of its own"),
        ("proxy_resolution", "1921x1080", "even sides"),
        ("fit", "stretch", "none of letterbox, crop, none"),
        ("squeeze", 0, "not possible"),
        ("squeeze", "1/0", "not possible"),
        ("squeeze", "wide", "not a squeeze"),
        ("engine", 3, "none of builtin, tools"),
        ("exr_compression", "jpeg", "not a compression"),
        ("bit_depth", "uint8", "none of half, float"),
        ("task", "a_b", "can't stand in a file's name"),
        ("frame_name", "{shot}.{ext}", "version"),
        ("frame_name", "{frame:04d}_{shot}_v{version}.{ext}", "has to end in"),
        ("movie_name", "{shot}_{nothing}.{ext}", "not known"),
        ("shot_tree_root", "", "not a text"),
        ("jobs", 0, "from 1 to 256"),
    ],
)
def test_values_that_are_none(name: str, value: object, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = next(key for key in KEYS if key.name == name)
    path = written(tmp_path, {key.section: {name: value}})
    with pytest.raises(UsageError) as caught:
        read_settings(path)
    assert says in str(caught.value)
    assert f"config.json, line 3, {key.section}.{name}: " in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [("[]", "settings are an object"), ('{"output": 3}', "line 1, output: an object"), ('{\n"a": }', "line 2, a")],
)
def test_files_that_are_none(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=says):
        read_settings(path)


def test_null_is_as_good_as_not_there(tmp_path: Path) -> None:
    assert read_settings(written(tmp_path, {"output": {"proxy_crf": None}, "project_id": None})).settings == Settings.defaults()


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"config\.json"):
        read_settings(tmp_path / "config.json")


def test_a_value_of_the_environment_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DED_IO_JOBS", "many")
    with pytest.raises(UsageError, match="DED_IO_JOBS: 'many' is not a whole number"):
        read_settings()


def test_the_example_file_has_every_key_and_its_default() -> None:
    path = Path(__file__).resolve().parents[2] / "config.example.json"
    read = read_settings(path)
    assert read.warnings == ()
    document = json.loads(path.read_text("utf-8"))
    listed = {(section, name) for section in SECTIONS for name in document[section]}
    assert listed == {(key.section, key.name) for key in KEYS if key.section}


def test_the_seeds_file(tmp_path: Path) -> None:
    """Each of its keys is known."""
    page = shared("seeds") / "ded_io.md"
    if not page.is_file():
        pytest.skip("there are no seeds here")
    text = page.read_text("utf-8").split("```json\n")[1].split("```")[0]
    (tmp_path / "config.json").write_text(text)
    read = read_settings(tmp_path / "config.json")
    assert read.warnings == ()
    assert (read.settings.project, read.settings.stop_on_error) == ("my_feature_film", True)
