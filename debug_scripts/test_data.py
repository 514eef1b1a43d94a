"""Make test footage for the plate ingest: clips and a DPX sequence whose frames say which they are, and a batch file.

    python debug_scripts/test_data.py FOLDER
"""

import json
import sys
from pathlib import Path

from film_archive.core.timecode import Timecode
from film_archive.testing.media import ClipSpec, make_clip
from film_archive.testing.stills import SequenceSpec, make_sequence

START = Timecode.from_string("01:00:00:00", 24)
SIZE: dict[str, int] = {"width": 512, "height": 270, "frames": 120}
CLIPS = (
    ClipSpec(name="A001C001_240911L8", profile="422 HQ", start=START, reel="A001", **SIZE),
    ClipSpec(name="A001C002_240911QX", codec="dnxhr", profile="DNxHR LB", container="mxf", start=START, reel="A001", **SIZE),
)
FRAMES = SequenceSpec(name="A002C001_240911ZZ", width=512, height=270, frames=60, start=START, reel="A002", first_number=0)


def main(folder: Path) -> None:
    """Write footage and `shots.json` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = [make_clip(spec, folder) for spec in CLIPS]
    frames = folder / FRAMES.name
    frames.mkdir(exist_ok=True)
    make_sequence(FRAMES, frames)
    sources.append(frames)
    shots = [
        {"sequence": "tst", "shot": f"{number}0", "source_file": str(source.absolute()), "in_point": 10, "out_point": 21}
        for number, source in enumerate(sources, 10)
    ]
    (folder / "shots.json").write_text(json.dumps(shots, indent=2) + "\n")
    print(f"{len(shots)} shots in {folder / 'shots.json'}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
