"""Names of colour spaces, looked up in the colour config: aliases are the same space. The config is opened once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from film_archive.core.errors import NotFound, UsageError


def canonical(config: str, name: str) -> str:
    """What a config calls a colour space. Raises UsageError where it has none of that name, NotFound where it can't be opened."""
    space = _config(config).getColorSpace(name)
    if space is None:
        raise UsageError(f"The colour config {config} has no colour space {name!r}; correct the name, or OCIO.")
    return str(space.getName())


def require_view(config: str, display: str, view: str) -> None:
    """Raise UsageError where a config lacks a display or view."""
    opened = _config(config)
    if display not in opened.getDisplays():
        raise UsageError(f"The colour config {config} has no display {display!r}; it has {', '.join(opened.getDisplays())}.")
    if view not in opened.getViews(display):
        raise UsageError(f"The display {display} has no view {view!r}; it has {', '.join(opened.getViews(display))}.")


@lru_cache(maxsize=4)
def _config(where: str) -> Any:
    import PyOpenColorIO

    try:
        return PyOpenColorIO.Config.CreateFromFile(where)
    except (PyOpenColorIO.Exception, PyOpenColorIO.ExceptionMissingFile) as error:  # neither is the other's base
        raise NotFound(f"The colour config {where} can't be opened ({error}); correct or unset OCIO.") from error
