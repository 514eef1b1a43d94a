"""Publications for the tests, their movies, and what a server has of them."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ded_io.kitsu.connection import Row, Session
from ded_io.kitsu.publication import OutputFile, Publication
from film_archive.core.timecode import FrameRate

FRAMES = Path(
    "/mnt/shots/sht100/pla/sht100_pla_rawPlate_v001/main_ACEScg/sht100_pla_rawPlate_v001_main_ACEScg.%04d.exr"
)


def plate(project: str, **changes: Any) -> Publication:
    """The seed's example: 51 frames from 1001 with handles of 8, without a preview."""
    version = changes.get("version", 1)
    element = changes.get("element", "rawPlate")
    shot = changes.get("shot", "sht100")
    fields: dict[str, Any] = {
        "project": project,
        "sequence": "sht",
        "shot": shot,
        "element": element,
        "version": version,
        "name": f"{shot}_pla_{element}_v{version:03d}",
        "fps": FrameRate(24),
        "frame_in": 1001,
        "frame_out": 1051,
        "head_handle": 8,
        "tail_handle": 8,
        "output_files": (frames(),),
        **changes,
    }
    return Publication(**fields)


def frames(**changes: Any) -> OutputFile:
    fields: dict[str, Any] = {
        "output_type": "Plate",
        "short_name": "plate",
        "representation": "main",
        "path": FRAMES,
        "first_frame": 993,
        "last_frame": 1059,
        "size": 5_000_000_000,
        "digests": {"xxh128": "0123456789abcdef0123456789abcdef", "sha256": "f" * 64},
        "colorspace": "ACEScg",
        **changes,
    }
    return OutputFile(**fields)


def movie(path: Path, *, count: int = 24, rate: str = "24", options: tuple[str, ...] = ("-bf", "0")) -> Path:
    """A small H.264 movie without sound; each frame is another picture."""
    ffmpeg = shutil.which("ffmpeg") or pytest.skip("ffmpeg is not installed")
    source = f"testsrc2=size=160x90:rate={rate}"
    words = [
        "-f",
        "lavfi",
        "-i",
        source,
        "-frames:v",
        str(count),
        "-pix_fmt",
        "yuv420p",
        *options,
        "-movflags",
        "+faststart",
    ]
    subprocess.run([ffmpeg, "-v", "error", "-y", *words, str(path)], check=True, stdin=subprocess.DEVNULL, timeout=60)
    return path


def picture(path: Path) -> Path:
    """A PNG, which Kitsu processes quickly."""
    ffmpeg = shutil.which("ffmpeg") or pytest.skip("ffmpeg is not installed")
    words = ["-f", "lavfi", "-i", "testsrc2=size=64x36:rate=24", "-frames:v", "1"]
    subprocess.run([ffmpeg, "-v", "error", "-y", *words, str(path)], check=True, stdin=subprocess.DEVNULL, timeout=60)
    return path


def project_named(session: Session, name: str) -> Row:
    found = session.first("projects", name=name)
    assert found is not None
    return found


def holdings(session: Session, project: str) -> Mapping[str, Any]:
    """All that a server has of a production, its ids and times among it; but when things were last changed."""
    identity = project_named(session, project).id
    found: dict[str, Any] = {"project": _plain(session.row("projects", identity))}
    for kind in ("sequences", "shots", "tasks"):
        found[kind] = [_plain(row) for row in session.rows(f"projects/{identity}/{kind}")]
    for shot in found["shots"]:
        found[f"files of {shot['name']}"] = [_plain(row) for row in session.rows(f"entities/{shot['id']}/output-files")]
    for task in found["tasks"]:
        found[f"comments of {task['id']}"] = [_plain(row) for row in session.rows(f"tasks/{task['id']}/comments")]
        found[f"previews of {task['id']}"] = [_plain(row) for row in session.rows("preview-files", task_id=task["id"])]
    return found


def outline(session: Session, project: str) -> Mapping[str, Any]:
    """The same without ids and times: equal for two productions that had the same plates."""
    whole = holdings(session, project)
    keep = {
        "project": ("fps",),
        "sequences": ("name",),
        "shots": ("name", "nb_frames", "data"),
        "tasks": ("name",),
        "files": (
            "name",
            "path",
            "extension",
            "revision",
            "representation",
            "nb_elements",
            "checksum",
            "data",
            "comment",
        ),
        "comments": ("text",),
        "previews": ("revision", "original_name", "extension", "status", "position"),
    }
    found: dict[str, Any] = {}
    for key, value in whole.items():
        kind = key.split(" ")[0]
        rows = value if isinstance(value, list) else [value]
        short = sorted(str({name: row.get(name) for name in keep[kind]}) for row in rows)
        found.setdefault(kind, []).extend(short)
    return {kind: sorted(rows) for kind, rows in found.items()}


def served(session: Session, preview_id: str) -> bytes:
    """The movie that Kitsu's pages play."""
    request = urllib.request.Request(
        f"{session.host}/movies/originals/preview-files/{preview_id}.mp4",
        headers={"Authorization": f"Bearer {session._client.access_token}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return bytes(answer.read())


def _plain(row: Row) -> dict[str, Any]:
    """Without what changes by looking, or by touching a neighbour."""
    gone = ("updated_at", "last_comment_date", "duration", "last_preview_file_id", "previews", "preview_files")
    return {key: value for key, value in row.fields.items() if key not in gone}
