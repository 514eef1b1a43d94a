"""The demo with smaller pictures than full HD, for tests that are not about their size; else it is as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from film_archive.testing import media
from film_archive.workflows.demo import run_demo


@contextmanager
def small_pictures() -> Iterator[None]:
    """What the demo shoots is 640×360 while this lasts."""
    clips = media.demo_clips

    def small(seconds: int = 3) -> tuple[media.ClipSpec, ...]:
        return tuple(replace(spec, width=640, height=360, bit_rate=None) for spec in clips(seconds))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(media, "demo_clips", small)
        yield


def small_demo(folder: str) -> None:
    """`film-archive demo FOLDER`, smaller."""
    with small_pictures():
        run_demo(Path(folder), print)
