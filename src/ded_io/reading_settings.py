"""Settings from where people write them: a JSON file, the environment, a command's arguments; each over the one before.

`KEYS` is the table of all keys: where one stands in the file, which field of `Settings` it sets and how it is read. The same
readers take text, for the environment: `output.proxy_crf` is `DED_IO_PROXY_CRF` there.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

from ded_io import config
from ded_io.cut import FirstFrame
from ded_io.located_json import Located, Place, read_json
from ded_io.naming import Template
from ded_io.settings import Engine, Fit, Resolution, Settings
from film_archive.core.errors import UsageError
from film_archive.core.timecode import FrameRate

PREFIX = "DED_IO_"
COMPRESSION = re.compile(r"(?:dwa[ab](?::\d{1,6})?|(?:zips?|htj2k(?:256|32)?|none|rle|piz|pxr24|b44a?)(?::\d)?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the settings file."""

    section: str
    """The object in which it stands; "" for the top."""
    name: str
    field: str
    """Of `Settings`."""
    read: Callable[[Any], Any]
    """From a JSON value or a text; raises UsageError with what is expected."""

    @property
    def place(self) -> Place:
        return (self.section, self.name) if self.section else (self.name,)

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """Settings, and what is to be said about how they were written."""

    settings: Settings
    warnings: tuple[str, ...] = ()


def read_settings(path: Path | None = None, arguments: Mapping[str, object] | None = None) -> ReadSettings:
    """Defaults < JSON file < environment < arguments (fields of `Settings`; those that are None are not given).

    Raises UsageError with line and key for what can't be read; a key that is not known becomes a warning.
    """
    values: dict[str, object] = {}
    warnings: list[str] = []
    if path is not None:
        document = read_json(path)
        values |= _of_file(document, warnings)
    values |= _of_environment(config.environment(), warnings)
    values |= {field: value for field, value in (arguments or {}).items() if value is not None}
    return ReadSettings(dataclasses.replace(Settings.defaults(), **values), tuple(warnings))  # type: ignore[arg-type]  # KEYS' readers make the fields' types


def _of_file(document: Located, warnings: list[str]) -> dict[str, object]:
    if not isinstance(document.value, dict):
        raise document.error((), "settings are an object, in braces")
    known = {key.place: key for key in KEYS}
    values = {}
    for place, value in _entries(document.value):
        key = known.get(place)
        if key is None and len(place) == 1 and place[0] in SECTIONS:
            raise document.error(place, "an object, in braces, is expected")
        if key is None:
            warnings.append(_unknown(document, place))
        if key is None or value is None:  # null is as good as not there
            continue
        try:
            values[key.field] = key.read(value)
        except UsageError as error:
            raise document.error(place, str(error)) from error
    return values


def _entries(document: Mapping[str, Any]) -> Iterator[tuple[Place, Any]]:
    """(place, value) of each key; a comment, which begins with _ or //, is none."""
    for name, value in document.items():
        if name.startswith(("_", "//")):
            continue
        if name in SECTIONS and isinstance(value, dict):
            yield from (((name, key), each) for key, each in value.items() if not key.startswith(("_", "//")))
        else:
            yield (name,), value


def _unknown(document: Located, place: Place) -> str:
    name = ".".join(map(str, place))
    near = difflib.get_close_matches(name, [".".join(map(str, key.place)) for key in KEYS], 1)
    meant = f"; is {near[0]} meant?" if near else "."
    return f"{document.name}, line {document.lines.get(place, 1)}: the key {name} is not known and has no effect{meant}"


def _of_environment(variables: Mapping[str, str], warnings: list[str]) -> dict[str, object]:
    known = {key.variable: key for key in KEYS}
    values: dict[str, object] = {}
    for name, text in sorted(variables.items()):
        key = known.get(name)
        if name == "OCIO":
            values["ocio_config"] = text
        elif key is None:
            near = difflib.get_close_matches(name, known, 1)
            meant = f"; is {near[0]} meant?" if near else "."
            warnings.append(f"The environment's {name} is not known and has no effect{meant}")
        else:
            try:
                values[key.field] = key.read(text)
            except UsageError as error:
                raise UsageError(f"The environment's {name}: {error}") from error
    return values


# Readers


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise UsageError(f"{value!r} is not a text.")
    return value


def word(value: Any) -> str:
    """What may stand in a file's name."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*", value):
        raise UsageError(f"{value!r} can't stand in a file's name; it has letters, digits and inner hyphens.")
    return value


def folder(value: Any) -> Path:
    return Path(text(value)).expanduser()


def truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("1", "true", "yes", "on"):
        return True
    if isinstance(value, str) and value.strip().lower() in ("0", "false", "no", "off"):
        return False
    raise UsageError(f"{value!r} is neither true nor false.")


def whole(lowest: int, highest: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,9}", value.strip()):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise UsageError(f"{value!r} is not a whole number from {lowest} to {highest}.")
        return value

    return read


def rate(value: Any) -> FrameRate:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise UsageError(f"{value!r} is not a frame rate.")
    return FrameRate.of(value)


def squeeze(value: Any) -> Fraction | None:
    """A ratio as 2, 1.5, "1.8" or "1.5:1"; None for "auto"."""
    said = str(value).strip().lower().removesuffix(":1")
    if said == "auto":
        return None
    if isinstance(value, bool) or not re.fullmatch(r"\d(?:\.\d{1,6})?|\d{1,4}/\d{1,4}", said, re.ASCII):
        raise UsageError(f"{value!r} is not a squeeze; write it like 2, 1.5 or 1.8:1, or auto.")
    below = said.partition("/")[2]
    ratio = Fraction(0) if below and not int(below) else Fraction(said)
    if not Fraction(1, 4) <= ratio <= 4:
        raise UsageError(f"A squeeze of {value} is not possible; lenses have 0.25 to 4.")
    return ratio


def choice(kind: type[StrEnum]) -> Callable[[Any], StrEnum]:
    def read(value: Any) -> StrEnum:
        try:
            return kind(value.strip().lower() if isinstance(value, str) else "")
        except ValueError:
            raise UsageError(f"{value!r} is none of {', '.join(kind)}.") from None

    return read


def compression(value: Any) -> str:
    if not isinstance(value, str) or not COMPRESSION.fullmatch(value):
        raise UsageError(f"{value!r} is not a compression of EXR; write it like dwaa:15, zip or piz.")
    return value


def depth(value: Any) -> str:
    if value not in ("half", "float"):
        raise UsageError(f"{value!r} is none of half, float.")
    return str(value)


def resolution(value: Any) -> Resolution | None:
    return Resolution.parse(text(value))


def proxy_resolution(value: Any) -> Resolution:
    size = Resolution.parse(text(value))
    if size is None:
        raise UsageError("A proxy has a size of its own; write it like 1920x1080.")
    if size.width % 2 or size.height % 2:
        raise UsageError(f"A proxy of {size} is not possible; H.264 needs even sides.")
    return size


def frame_name(value: Any) -> str:
    missing = {"shot", "version"} - Template(text(value)).fields
    if missing:
        raise UsageError(f"The name of frames needs the field {' and '.join(sorted(missing))}.")
    if not re.search(r"\.\{frame(:0\d+d)?\}\.\{ext\}$", value):
        raise UsageError("The name of frames has to end in .{frame:04d}.{ext}, or other programs don't know it as a sequence.")
    return str(value)


def movie_name(value: Any) -> str:
    missing = {"shot", "version", "ext"} - Template(text(value)).fields
    if missing:
        raise UsageError(f"The name of movies needs the field {' and '.join(sorted(missing))}.")
    return str(value)


KEYS = (
    Key("", "project", "project", text),
    Key("", "project_id", "project_id", text),
    Key("defaults", "source_fps", "source_fps", rate),
    Key("defaults", "stop_on_error", "stop_on_error", truth),
    Key("defaults", "task", "task", word),
    Key("defaults", "element", "element", word),
    Key("paths", "shot_tree_root", "shot_tree_root", folder),
    Key("paths", "output_dir", "output_dir", folder),
    Key("paths", "temp_dir", "temp_dir", folder),
    Key("tools", "sony_converter", "sony_converter", text),
    Key("tools", "sony_timeout", "sony_timeout", whole(1, 86_400)),
    Key("tools", "oiiotool", "oiiotool", text),
    Key("tools", "ffmpeg", "ffmpeg", text),
    Key("output", "exr_compression", "exr_compression", compression),
    Key("output", "bit_depth", "bit_depth", depth),
    Key("output", "resolution", "resolution", resolution),
    Key("output", "fit", "fit", choice(Fit)),
    Key("output", "squeeze", "squeeze", squeeze),
    Key("output", "proxy_resolution", "proxy_resolution", proxy_resolution),
    Key("output", "proxy_crf", "proxy_crf", whole(0, 51)),
    Key("output", "frame_name", "frame_name", frame_name),
    Key("output", "movie_name", "movie_name", movie_name),
    Key("color", "source_colorspace", "source_colorspace", text),
    Key("color", "target_colorspace", "target_colorspace", text),
    Key("color", "ocio_config", "ocio_config", text),
    Key("color", "display", "display", text),
    Key("color", "view", "view", text),
    Key("frames", "start_frame", "start_frame", whole(0, 99_999_999)),
    Key("frames", "head_handles", "head_handles", whole(0, 100_000)),
    Key("frames", "tail_handles", "tail_handles", whole(0, 100_000)),
    Key("frames", "first_frame_is", "first_frame_is", choice(FirstFrame)),
    Key("frames", "strict_handles", "strict_handles", truth),
    Key("pipeline", "skip_kitsu", "skip_kitsu", truth),
    Key("pipeline", "skip_cleanup", "skip_cleanup", truth),
    Key("pipeline", "burn_in_proxy", "burn_in_proxy", truth),
    Key("pipeline", "slate", "slate", truth),
    Key("pipeline", "audio", "audio", truth),
    Key("pipeline", "mhl", "mhl", truth),
    Key("pipeline", "engine", "engine", choice(Engine)),
    Key("pipeline", "jobs", "jobs", whole(1, 256)),
    Key("pipeline", "shots", "shots", whole(1, 64)),
)
"""All keys, in the order in which the example file has them."""

SECTIONS = frozenset(key.section for key in KEYS if key.section)
