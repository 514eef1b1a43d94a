"""Names of colour spaces, looked up before anything is made. A config is opened once a run."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


def canonical(config: str, name: str) -> str:
    """What a config calls a colour space. Raises UsageError where it has none of that name, or can't be opened."""
    from ded_io.pictures.colour import require_space

    return require_space(_opened(config), config, name)


def require_view(config: str, display: str, view: str) -> None:
    """Raise UsageError where a config lacks a display or view."""
    from ded_io.pictures import colour

    colour.require_view(_opened(config), config, display, view)


@lru_cache(maxsize=4)
def _opened(config: str) -> Any:
    from ded_io.pictures.colour import open_config

    return open_config(config)
