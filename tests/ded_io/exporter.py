"""A stand-in for Sony's exporter: takes its command line, writes real DPX frames, and fails in the ways that are known.

Run as a program; what it does wrong stands in a file `mode` beside it. What it was told is appended to `told` beside it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

WIDTH, HEIGHT = 16, 8

PROGRAM = """#!{python}
import json, struct, sys, time
from pathlib import Path
here = Path({folder!r})
mode = (here / "mode").read_text()
said = dict(zip(sys.argv[1::2], sys.argv[2::2]))
with (here / "told").open("a") as told:
    told.write(json.dumps(sys.argv[1:]) + "\\n")
first, last, start = int(said["--in"]), int(said["--out"]), int(said["--start"])
digits = {{"wide": 7}}.get(mode, int(said["--digits"]))
def frame(number):
    body = bytes((number * 7 + place) % 256 for place in range({width} * {height} * 6))
    head = bytearray(2048)
    head[:4] = b"SDPX"
    struct.pack_into(">I", head, 4, 2048)
    head[8:12] = b"V1.0"
    struct.pack_into(">I", head, 16, 2048 + len(body))
    struct.pack_into(">HHII", head, 768, 0, 1, {width}, {height})
    head[800:804] = bytes((50, 1, 1, 16))
    struct.pack_into(">H", head, 804, 0)
    struct.pack_into(">I", head, 808, 2048)
    return bytes(head) + body
if mode == "nothing":
    sys.exit(0)
for place, number in enumerate(range(first, last + 1)):
    if mode == "short" and place == 3:
        sys.exit(0)
    if mode == "status" and place == 3:
        print("decoder error 0x80", file=sys.stderr)
        sys.exit(9)
    if mode == "zero":
        start = 0
    data = frame(number)
    path = Path(said["--dir"]) / f"{{said['--output']}}.{{start + place:0{{digits}}d}}.dpx"
    if mode == "half" and place == 3:
        data = data[:1000]
    if mode == "text" and place == 3:
        data = b"not a picture" * 300
    path.write_bytes(data)
    if mode == "hang" and place == 2:
        time.sleep(600)
if mode == "more":
    (Path(said["--dir"]) / f"{{said['--output']}}.{{start + last - first + 1:0{{digits}}d}}.dpx").write_bytes(frame(0))
"""


def stand_in(folder: Path, mode: str = "") -> Path:
    """Make the program in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "rawexporter"
    program.write_text(PROGRAM.format(python=sys.executable, folder=str(folder), width=WIDTH, height=HEIGHT))
    program.chmod(0o755)
    set_mode(folder, mode)
    return program


def set_mode(folder: Path, mode: str) -> None:
    (folder / "mode").write_text(mode)


def told(folder: Path) -> list[dict[str, str]]:
    """The options of each call so far."""
    path = folder / "told"
    calls = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [dict(zip(words[::2], words[1::2], strict=True)) for words in calls]
