"""The OTIO adapter `otioz_archive`: `.otioz` through this program."""

from __future__ import annotations

from typing import Any

from film_archive.otio_plugin import exchange
from film_archive.workflows.bundling import Form


def read_from_file(
    filepath: str, extract_to_directory: str | None = None, absolute_media_reference_paths: bool = False
) -> Any:
    """Read a bundle's timeline; with `extract_to_directory` (new or empty) all of it is extracted there too."""
    return exchange.read(filepath, extract_to_directory, relink=absolute_media_reference_paths)


def write_to_file(
    input_otio: Any,
    filepath: str,
    media_policy: object = "ErrorIfNotFile",
    dryrun: bool = False,
    relative_media_base_dir: str | None = None,
    rename: bool = False,
    proxies: str = "none",
) -> int | None:
    """Write a bundle; `media_policy` takes OTIO's three names and its enum's members. A dry run returns the media's bytes."""
    return exchange.write(
        input_otio,
        filepath,
        Form.OTIOZ,
        media_policy=media_policy,
        dryrun=dryrun,
        relative_media_base_dir=relative_media_base_dir,
        rename=rename,
        proxies=proxies,
    )
