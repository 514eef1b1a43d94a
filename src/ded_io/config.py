"""The settings of the plate ingest, as module names: what a studio edits for all its shows.

These are the defaults; a JSON file, the environment and a command's arguments come on top of them, in that order. Frame
ranges are inclusive here, as the cut lists of editorial have them.
"""

from __future__ import annotations

import os

from ded_io.kitsu.account import Account

# The show

PROJECT = "default"
SHOT_TREE_ROOT = "./shots"
TASK = "pla"
ELEMENT = "rawPlate"
SOURCE_FPS = 24.0
"""Of what does not tell its own rate, such as an image sequence."""

# Names: `docs/plates.md` says what may stand in the brackets

FRAME_NAME = "{shot}_{task}_{element}_v{version:03d}_{rep}_{colorspace}.{frame:04d}.{ext}"
MOVIE_NAME = "{shot}_{task}_{element}_v{version:03d}_{rep}_{colorspace}.{ext}"

# Frame numbers

DIGITAL_START_FRAME = 1001
"""The number of the in point's frame."""
FIRST_FRAME_IS = "in"
"""What that number belongs to: "in", the in point; "handle", the first frame of the head handle."""
HEAD_HANDLE_FRAMES = 8
TAIL_HANDLE_FRAMES = 8

# Colour

BUILTIN_OCIO_CONFIG = "ocio://studio-config-v2.1.0_aces-v1.3_ocio-v2.3"
"""Built into OpenColorIO. Named with its version: OpenImageIO and PyOpenColorIO carry different "latest" configs."""
SOURCE_COLORSPACE = "Input - Sony - S-Log3 - Venice S-Gamut3.Cine"
"""An alias, in the built-in config, of "S-Log3 Venice S-Gamut3.Cine"."""
TARGET_COLORSPACE = "ACEScg"
ACES_VERSION = "1.3"

# Plates

OUTPUT_FORMAT = "exr"
OUTPUT_COMPRESSION = "dwaa:15"
OUTPUT_BIT_DEPTH = "half"

ANAMORPHIC_SQUEEZE = 2.0
TARGET_WIDTH = 3840
TARGET_HEIGHT = 2160
LETTERBOX = True

# Review proxy

PROXY_FORMAT = "mp4"
PROXY_CODEC = "libx264"
PROXY_COLORSPACE = "sRGB"
"""The token in the movie's name."""
PROXY_CRF = 18
PROXY_WIDTH = 1920
PROXY_HEIGHT = 1080
DISPLAY = "sRGB - Display"
VIEW = "ACES 1.0 - SDR Video"
"""The display transform that the proxy is made through."""

# Running

ENGINE = "builtin"
"""Who makes the pixels: "builtin", this process; "tools", the named oiiotool and ffmpeg."""
JOBS = 4
"""Frames at the same time."""
SONY_CONVERTER = r"C:\Program Files\Sony\RAW Viewer\rawexporter.exe"
SONY_BAKE = "SGAMUT3CINE_SLOG3"
"""What the exporter writes: the encoding that the colour stage expects."""
SONY_OPTIONS = {
    "source": "--input",
    "folder": "--dir",
    "name": "--output",
    "format": "--video",
    "first": "--in",
    "last": "--out",
    "number": "--start",
    "digits": "--digits",
    "depth": "--depth",
    "bake": "--bake",
    "display": "--display",
}
"""What the exporter calls its options; frames are counted from 0, `last` belongs to the range."""
SONY_TIMEOUT = 300
"""Seconds without a new frame after which Sony's exporter is given up."""

# Kitsu: the environment's variables of the same names come before these; who logs in stands only there

KITSU_HOST = ""
"""As in https://kitsu.studio.com/api. Without it, and without the variable, nothing is registered."""
KITSU_PROJECT = ""
"""The production's name in Kitsu, where it is not the project's."""
KITSU_TASK_TYPES = {"pla": "Plates"}
"""The task type's name in Kitsu of each task; others have the task's own name."""
KITSU_STATUS = "wfa"
"""The short name of the status that a plate's task gets."""
KITSU_NORMALIZE = False
"""Whether Kitsu encodes the proxy again. Its own encoding freezes the first frames of silent H.264 with B-frames."""
KITSU_PATIENCE = 300
"""Seconds to wait for Kitsu to process a preview."""


def kitsu_account() -> Account | None:
    """Where Kitsu is and who logs in, from KITSU_HOST, KITSU_TOKEN, KITSU_EMAIL and KITSU_PASSWORD; None without a host.

    Raises UsageError where the host is no address.
    """
    host = os.environ.get("KITSU_HOST", KITSU_HOST).strip()
    if not host:
        return None
    token, email, password = (os.environ.get(f"KITSU_{name}") or None for name in ("TOKEN", "EMAIL", "PASSWORD"))
    return Account(host, token=token, email=email, password=password)


def kitsu_project() -> str | None:
    """The production's name in Kitsu, where it is not the project's."""
    return os.environ.get("KITSU_PROJECT", KITSU_PROJECT).strip() or None


def ocio_config() -> str:
    """The colour config that names are looked up in: what the environment's OCIO names, else the built-in one."""
    return os.environ.get("OCIO") or BUILTIN_OCIO_CONFIG


def environment() -> dict[str, str]:
    """The environment's settings of the ingest: `DED_IO_...`, and OCIO; what is empty is not set."""
    return {name: value for name, value in os.environ.items() if value and (name.startswith("DED_IO_") or name == "OCIO")}


def distribution() -> str | None:
    """The name of this Linux where it runs inside Windows (WSL), else None."""
    return os.environ.get("WSL_DISTRO_NAME")
