"""What both adapters do: OTIO's objects out of a bundle, and into one.

Errors become OTIO's own, which its programs show as one line.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import opentimelineio as otio

from film_archive.bundles.policy import MediaReferencePolicy
from film_archive.core.errors import FilmArchiveError
from film_archive.core.ladder import parse_sizes
from film_archive.workflows.bundle_reading import read_bundle, read_timeline
from film_archive.workflows.bundling import Form, apply_bundle, as_planned, plan_bundle
from film_archive.workflows.timelines import Cut


def read(path: str, extract_to_directory: str | None, *, relink: bool) -> Any:
    """The timeline of a bundle; with a directory, new or empty, the bundle is extracted there too.

    `relink` makes the references absolute: to what was extracted, or else to the files of a folder.
    """
    with _as_otio_errors():
        bundle = Path(path)
        target = None if extract_to_directory is None else Path(extract_to_directory)
        if target is not None:
            read_bundle(bundle, target)
        elif relink and bundle.is_dir():
            target = bundle
        data = read_timeline(bundle, relink_to=target if relink else None)
        return otio.adapters.read_from_string(data.decode("utf-8-sig"), "otio_json")


def write(
    timeline: Any,
    path: str,
    form: Form,
    *,
    media_policy: object,
    dryrun: bool,
    relative_media_base_dir: str | None,
    rename: bool,
    proxies: str,
) -> int | None:
    """Write a bundle; in a dry run nothing is written, and the bytes of its media are returned."""
    with _as_otio_errors():
        data = otio.adapters.write_to_string(timeline, "otio_json").encode("utf-8", "surrogateescape")
        base = None if relative_media_base_dir is None else Path(relative_media_base_dir)
        cut = Cut(Path("timeline.otio"), MediaReferencePolicy.parse(media_policy), base, data=data, rename=rename)
        plan = plan_bundle(cut, Path(path), proxies=parse_sizes(proxies), form=form)
        if dryrun:
            return as_planned(plan).media_bytes
        apply_bundle(plan)
        return None


@contextlib.contextmanager
def _as_otio_errors() -> Iterator[None]:
    try:
        yield
    except FilmArchiveError as error:
        raise otio.exceptions.OTIOError(str(error)) from error
