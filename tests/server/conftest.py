"""What the server's tests share: a production with real clips and proxies, made once a session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.server.reviewing import chromium, dailies, review, server  # noqa: F401  fixtures


@dataclass(frozen=True)
class Production:
    """`root` holds "day 1/project.zip" and the folder archive "in place", both with the clip and its proxies."""

    root: Path
    clip: Path
    frames: int
    start: str
    archive: str = "day 1/project.zip"
    member: str = "A001C001 é.mov"


@pytest.fixture(scope="session")
def production(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Production:
    from film_archive.core.ladder import parse_sizes
    from film_archive.core.timecode import FrameRate, Timecode
    from film_archive.testing.media import AudioSpec, ClipSpec, cached_clip
    from film_archive.workflows.production import create_archive

    rate = FrameRate(24000, 1001)
    start = "01:00:00:00"
    spec = ClipSpec(
        name="A001C001 é",
        width=320,
        height=180,
        rate=rate,
        frames=123,
        start=Timecode.from_string(start, rate),
        audio=(AudioSpec(),),
    )
    clip = cached_clip(spec, footage)
    root = tmp_path_factory.mktemp("production")
    sizes = parse_sizes("thumbnail,160x90")
    (root / "day 1").mkdir()
    create_archive(root / "day 1" / "project.zip", [clip], proxies=sizes)
    (root / "in place").mkdir()
    (root / "in place" / clip.name).write_bytes(clip.read_bytes())
    create_archive(root / "in place", in_place=True, proxies=sizes)
    return Production(root, clip, spec.frames, start, member=clip.name)
