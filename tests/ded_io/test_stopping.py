"""A run that is killed, or stopped by Ctrl-C, in each stage: no half plate under a final name, and the next run continues."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ded_io.plate_manifest import problems, read_manifest
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.testing.media import ClipSpec, cached_clip

CLIP = ClipSpec(
    name="A001C001_240911L8",
    profile="422 Proxy",
    width=96,
    height=54,
    frames=40,
    start=Timecode.from_string("01:00:00:00", FrameRate(24)),
)
SCRIPT = """
import os, signal, sys
from ded_io import cli, telling
stage, number, sign = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
class Ending:
    def __init__(self, logger):
        pass
    def __call__(self, shot, name, done, total):
        if name == stage and done == number:
            os.kill(os.getpid(), sign)
telling.Lines = Ending
cli.run(sys.argv[4:])
"""


def ingest(folder: Path, clip: Path, stage: str, number: int, sign: int) -> subprocess.CompletedProcess[str]:
    words = ["--source", str(clip), "--sequence", "sht", "--shot", "100", "--in", "10", "--out", "13", "--resolution", "96x54"]
    words += ["--squeeze", "1", "--temp-dir", "work", "--skip-kitsu", "--jobs", "2", "--report", "report.json", "--verbose"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "DED_IO_PROXY_RESOLUTION": "96x54"}
    environment.pop("OCIO", None)
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, stage, str(number), str(sign), *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    ("stage", "number", "sign"),
    [
        ("SonyRawConversionStage", 5, signal.SIGKILL),
        ("OIIOColorTransformStage", 5, signal.SIGKILL),
        ("ProxyGenerationStage", 5, signal.SIGKILL),
        ("ShotTreeOrganizationStage", 5, signal.SIGKILL),
        ("OIIOColorTransformStage", 5, signal.SIGINT),
        ("ShotTreeOrganizationStage", 5, signal.SIGTERM),
    ],
)
def test_the_next_run_continues(stage: str, number: int, sign: int, footage: Path, tmp_path: Path) -> None:
    clip = cached_clip(CLIP, footage)
    ended = ingest(tmp_path, clip, stage, number, sign)
    if sign != signal.SIGKILL:
        assert ended.returncode == 128 + sign, ended.stderr
        assert "no plate is left in part" in ended.stderr
        assert "Traceback" not in ended.stderr
    else:
        assert ended.returncode == -sign, ended.stderr
    named = [path for path in (tmp_path / "shots").glob("*/*/*") if not path.name.startswith(".")]
    assert named == []
    (work,) = (tmp_path / "work").iterdir()
    kept = {path: path.stat().st_mtime_ns for path in work.rglob("*.exr") if not path.name.startswith(".")}
    again = ingest(tmp_path, clip, "none", 0, 0)
    assert again.returncode == 0, again.stderr
    (place,) = (tmp_path / "shots").glob("*/*/*")
    assert place.name == "sht100_pla_rawPlate_v001"
    manifest = read_manifest(place)
    assert len(list(manifest.frames())) == 20
    assert list(problems(place, manifest, digests=True)) == []
    assert list((tmp_path / "shots").rglob(".*")) == []
    assert list((tmp_path / "work").iterdir()) == []
    stages = json.loads((tmp_path / "report.json").read_text())["shots"][0]["stage_results"]
    converted = next(each for each in stages if each["stage_name"] == "OIIOColorTransformStage")
    assert converted["data"].get("frames_of_earlier_run", 0) == len(kept)
    if stage == "ShotTreeOrganizationStage":
        assert len(kept) == 20
