"""Where the shared folder of seeds, reference and corpus is: beside the checkout, or where FILM_ARCHIVE_SHARED says."""

from __future__ import annotations

import os
from pathlib import Path


def shared(name: str) -> Path:
    """A folder in it; whether it is there the caller asks."""
    return Path(os.environ.get("FILM_ARCHIVE_SHARED") or Path(__file__).resolve().parents[2] / "shared") / name
