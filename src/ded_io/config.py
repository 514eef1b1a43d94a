"""The settings of the plate ingest, as module names: what a studio edits for all its shows.

These are the defaults; a JSON file, the environment and a command's arguments come on top of them, in that order. Frame
ranges are inclusive here, as the cut lists of editorial have them.
"""

from __future__ import annotations

import os

# Frame numbers

DIGITAL_START_FRAME = 1001
"""The number of the in point's frame."""
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


def ocio_config() -> str:
    """The colour config that names are looked up in: what the environment's OCIO names, else the built-in one."""
    return os.environ.get("OCIO") or BUILTIN_OCIO_CONFIG
