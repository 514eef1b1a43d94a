"""Where things are kept between runs, and the environment variables that say otherwise.

| what | variable | without it |
|---|---|---|
| the catalog, a file or a database's URL | FILM_ARCHIVE_CATALOG | catalog.sqlite in the data folder |
| what can be made again | FILM_ARCHIVE_CACHE | the platform's cache folder |
| what can't | FILM_ARCHIVE_DATA | the platform's folder for data |
| journals and queues of unfinished work | FILM_ARCHIVE_STATE | the platform's folder for state |
| settings | FILM_ARCHIVE_CONFIG | the platform's folder for configuration |
| the tape shelf: the folder of file-backed cartridges | FILM_ARCHIVE_SHELF | tapes in the data folder |
| large files that last as long as a run | FILM_ARCHIVE_TEMP | the system's folder for them |

Of buckets the server is AWS_ENDPOINT_URL's; credentials and region (AWS_ACCESS_KEY_ID and so on) obstore takes from there itself.

Only this module, the command line and `ded_io/config.py` read the environment. Nothing is made by asking.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from film_archive.core.errors import NotFound
from film_archive.core.source import printable

if TYPE_CHECKING:
    from platformdirs.api import PlatformDirsABC

_NAME = "film-archive"


def catalog() -> str:
    """The catalog in use: a file's path, or a database's URL."""
    return _variable("CATALOG") or str(data() / "catalog.sqlite")


def cache() -> Path:
    """The folder for what can be made again."""
    return _folder("CACHE") or Path(_platform().user_cache_dir)


def data() -> Path:
    """The folder for what a user would miss."""
    return _folder("DATA") or Path(_platform().user_data_dir)


def state() -> Path:
    """The folder for journals, and what is kept to be sent later."""
    return _folder("STATE") or Path(_platform().user_state_dir)


def config() -> Path:
    """The folder for settings."""
    return _folder("CONFIG") or Path(_platform().user_config_dir)


def shelf() -> Path:
    """The folder in which file-backed cartridges lie."""
    return _folder("SHELF") or data() / "tapes"


def temporary() -> Path:
    """The folder for large files that last as long as a run; raises NotFound where the one that was named is none."""
    named = _folder("TEMP")
    if named is not None and not named.is_dir():
        raise NotFound(f"FILM_ARCHIVE_TEMP names {printable(named)}, and there is no such folder; make it, or name another one.")
    return named or Path(tempfile.gettempdir())


def bucket_endpoint() -> str:
    """The server of buckets, as other programs are told of it; "" for Amazon's."""
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    return next((value for name in names if (value := os.environ.get(name))), "")


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a program that is started, with some variables changed."""
    return {**os.environ, **(more or {})}


def _variable(name: str) -> str | None:
    return os.environ.get(f"FILM_ARCHIVE_{name}") or None  # empty is as good as not set


def _folder(name: str) -> Path | None:
    value = _variable(name)
    return None if value is None else Path(value).expanduser()


def _platform() -> PlatformDirsABC:
    from platformdirs import PlatformDirs

    return PlatformDirs(_NAME, appauthor=False)
