"""A quick test of an installation: makes a small clip, ingests shot tst100 from it, and says what came of it.

    python process_tst100.py [FOLDER]

Nothing but the folder (default: a temporary one, which is removed) is written to; Kitsu is left alone.
"""

import sys
import tempfile
from pathlib import Path

try:
    import dataclasses

    from ded_io import FootageIngestPipeline
    from ded_io.reading_settings import read_settings
    from ded_io.settings import Resolution
    from film_archive.core.timecode import Timecode
    from film_archive.testing.media import ClipSpec, make_clip
except ImportError as error:
    sys.exit(f"process_tst100.py: {error}; install the package first: pip install -e .")

CLIP = ClipSpec(
    name="A001C001_240911L8",
    profile="422 HQ",
    width=512,
    height=270,
    frames=60,
    start=Timecode.from_string("01:00:00:00", 24),
    reel="A001",
)
IN, OUT = 20, 31


def main(folder: Path) -> int:
    """Ingest the shot into `folder`; returns the exit status."""
    clip = make_clip(CLIP, folder)
    settings = dataclasses.replace(
        read_settings().settings,
        shot_tree_root=folder / "shots",
        temp_dir=folder / "work",
        resolution=Resolution(480, 270),
        proxy_resolution=Resolution(480, 270),
        skip_kitsu=True,
    )
    pipeline = FootageIngestPipeline(project="test", settings=settings)
    summary = pipeline.ingest_shot("tst", "100", clip, IN, OUT, notes="quick test")
    for stage in summary["stage_results"]:
        print(f"[{'OK' if stage['success'] else 'FAILED'}] {stage['stage_name']}: {stage['duration_seconds']:.2f} s")
    for sentence in (*summary["errors"], *summary["warnings"]):
        print(f"  {sentence}")
    made = summary["outputs"]
    if summary["overall_success"]:
        print(f"tst100: frames {made['first_frame']}-{made['last_frame']} in {made['container']}")
    return int(summary["exit_status"])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        target = Path(sys.argv[1])
        target.mkdir(parents=True, exist_ok=True)
        sys.exit(main(target))
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(main(Path(temporary)))
