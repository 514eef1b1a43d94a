"""`python -m benchmarks [NAME…]`: without a name, the list of them."""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import machine

NAMES = {
    "write": "an archive without proxies, against cp + fsync and then xxhsum",
    "bundles": "writing and extracting bundles, against released OTIO and against cp + fsync",
    "digest": "XXH3-128 and CRC-32 in one read, against copying the file",
    "open_frame": "decoding frame 5,000 of a 4K ProRes member, against the same from the plain file",
    "listing": "listing 100,000 members, against zipfile and zipinfo",
    "proxies": "three sizes of proxies, against one ffmpeg a size, one ffmpeg with a split, and decoding alone",
    "proxy_memory": "peak memory of proxies from UHD clips of 10 and 60 seconds",
    "prores": "ProRes at a half, a quarter and an eighth of its size, against a full decode",
    "frame_index": "indexing an hour of ProRes, against FFmpeg's demuxer",
    "serve": "ranges of a member over HTTP, against nginx: throughput, processor, first byte, memory",
    "serve_first_frame": "the first frame of 4K ProRes over HTTP out of 20 GB, against the plain file",
    "dupes": "duplicates among 100,000 files, against jdupes and rdfind, cold and warm",
    "crawl": "an index of 100,000 files, against md5sum; crawling a million unchanged files again, against find",
    "offload": "a card to one place, hashed on both ends, against cp and xxhsum",
    "catalog": "a catalog of ten million files: its size, and finding a digest in it",
    "page": "the review page in Chromium: the first picture, and play over a slow patch",
    "cut": "cutting 6 GB of UHD ProRes, against cp + fsync and ffmpeg -c copy; ten minutes of it by reflink",
    "plates": "4K anamorphic DPX to UHD ACEScg EXR, against oiiotool with four jobs; a shot against the tools one by one",
    "plate_memory": "peak memory of plates of UHD and of 8.6K",
    "pull": "planning a pull of 1,000 events",
    "repository": "branching, diff, status, commit, merge and checkout of repositories, against git and what else is installed",
    "chunking": "chunks: what versions and re-wraps of a clip add, and taking a clip in, against copying and BLAKE3",
    "object_store": "contents in a bucket, up and down, against bare obstore on the same server",
    "tape": "sets of cartridges: planning a million files, the order of reading, 12 s of a long clip, writing and verifying",
    "ltfs": "the LTFS index of a million files; writing a cartridge with digests, against cp and fsync",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--folder", type=Path, help="where the big files go (default: a temporary folder)")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each side")
    arguments = parser.parse_args()
    if not arguments.names:
        for name, what in NAMES.items():
            print(f"{name:12} {what}")
        return 0
    unknown = [name for name in arguments.names if name not in NAMES]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}")
    print(machine())
    for name in arguments.names:
        print(f"\n## {name}: {NAMES[name]}")
        with tempfile.TemporaryDirectory(prefix="film-archive-bench-", dir=arguments.folder) as folder:
            importlib.import_module(f"benchmarks.{name}").run(Path(folder), arguments.runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
