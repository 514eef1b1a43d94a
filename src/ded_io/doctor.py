"""`ded-io doctor`: whether this machine has what the plate ingest needs.

It looks, loads and asks, a Kitsu server among others; it starts no program and changes nothing.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ded_io import config
from film_archive.core.errors import FilmArchiveError
from film_archive.core.records import Record
from film_archive.core.source import printable

PYTHON_FLOOR = (3, 11)

MODULES = (
    "ded_io.config",
    "film_archive.core.timecode",
    "numpy",
    "OpenImageIO",
    "PyOpenColorIO",
    "film_archive.media.av.versions",
)
"""What the ingest loads: our own, and the libraries with compiled parts that can fail to load on a strange machine."""


@dataclass(frozen=True, slots=True)
class Check(Record):
    """One thing that was looked at."""

    name: str
    """What was looked at."""
    ok: bool
    """Whether it is there."""
    says: str
    """What is there, or what is missing and what to do."""

    def __str__(self) -> str:
        return f"[{'OK' if self.ok else 'MISSING'}] {self.says}"


@dataclass(frozen=True, slots=True)
class Examination(Record):
    """What `ded-io doctor` found."""

    ok: bool
    """True if nothing is missing."""
    checks: tuple[Check, ...]
    """What was looked at."""


def examine() -> Iterator[Check]:
    """All checks, in the order in which they are shown."""
    yield check_python(sys.version_info[:3])
    yield check_oiiotool()
    yield check_ffmpeg()
    yield check_imports()
    yield check_colour()
    yield check_decoder()
    yield check_kitsu()


def check_python(version: tuple[int, ...]) -> Check:
    text = ".".join(map(str, version))
    if version[:2] < PYTHON_FLOOR:
        floor = ".".join(map(str, PYTHON_FLOOR))
        return Check("python", False, f"Python version {text} is too old; install {floor} or later.")
    return Check("python", True, f"Python version {text}")


def check_oiiotool() -> Check:
    """On PATH, or beside this interpreter, where OpenImageIO's wheel puts it."""
    if shutil.which("oiiotool"):
        return Check("oiiotool", True, "oiiotool found")
    if shutil.which("oiiotool", path=str(Path(sys.executable).parent)):
        return Check("oiiotool", True, "oiiotool bundled")
    return Check("oiiotool", False, "oiiotool is not there; `pip install openimageio` brings it.")


def check_ffmpeg() -> Check:
    """On PATH, or PyAV's libraries with the encoder that review proxies need."""
    if shutil.which("ffmpeg"):
        return Check("ffmpeg", True, "ffmpeg found")
    return _loading("ffmpeg", _bundled_ffmpeg)


def check_imports() -> Check:
    """Every module that the ingest needs loads."""
    for name in MODULES:
        try:
            importlib.import_module(name)
        except ImportError as error:  # also what a shared library that doesn't load raises
            return Check("imports", False, f"{name} can't be imported ({error}); install film-archive again with pip.")
    return Check("imports", True, "All imports successful")


def check_colour() -> Check:
    """The colour config opens and has the names that plates are converted from and to."""
    return _loading("colour", _colour_config)


def check_decoder() -> Check:
    """Which FFmpeg clips are decoded and proxies encoded with."""
    return _loading("decoder", _decoder)


def check_kitsu(connect: float = 5.0, answer: float = 15.0) -> Check:
    """Whether Kitsu, where there is one, lets us in; it is given up after so many seconds."""
    try:
        account = config.kitsu_account()
        if account is None:
            return Check("kitsu", True, "Kitsu is not used (KITSU_HOST is not set)")
        from ded_io.kitsu.connection import Limits
        from ded_io.kitsu.connection import connect as log_in

        with log_in(account, Limits(connect=connect, answer=answer)) as session:
            who = printable(f"{session.person} ({session.role})")
            return Check("kitsu", True, f"Kitsu {printable(session.version)} at {session.host}, logged in as {who}")
    except FilmArchiveError as error:
        return Check("kitsu", False, str(error))


def _loading(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except ImportError as error:
        return Check(name, False, f"{name} can't be looked at, a library does not load ({error}).")


def _bundled_ffmpeg() -> Check:
    from film_archive.media.av.versions import has_encoder

    if not has_encoder(config.PROXY_CODEC):
        return Check("ffmpeg", False, f"ffmpeg is not there, and PyAV was built without {config.PROXY_CODEC}.")
    return Check("ffmpeg", True, "ffmpeg bundled")


def _colour_config() -> Check:
    import PyOpenColorIO  # the only other user will be the colour stage

    where = config.ocio_config()
    try:
        colours = PyOpenColorIO.Config.CreateFromFile(where)
    except (PyOpenColorIO.Exception, PyOpenColorIO.ExceptionMissingFile) as error:  # neither is the other's base
        return Check("colour", False, f"The colour config {where} can't be opened ({error}); correct or unset OCIO.")
    found = []
    for name in (config.SOURCE_COLORSPACE, config.TARGET_COLORSPACE):
        space = colours.getColorSpace(name)
        if space is None:
            return Check("colour", False, f"The colour config {where} has no {name!r}; correct or unset OCIO.")
        found.append(space.getName())
    return Check("colour", True, f"Colour config {where} ({' to '.join(found)})")


def _decoder() -> Check:
    from film_archive.media.av.versions import ffmpeg_version

    return Check("decoder", True, f"FFmpeg {ffmpeg_version()} in PyAV")
