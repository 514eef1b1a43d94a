"""The page's modules by themselves, run by Node.js: what they compute is what the package computes."""

from __future__ import annotations

import base64
import random
import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from film_archive.archive.reader import open_archive
from film_archive.core.source import MemorySource
from film_archive.core.timecode import FrameRate, Timecode, frames_per_day
from film_archive.media.av.posters import strip, tiles_of
from film_archive.streaming.fragments import read_fragments
from tests.server.conftest import Production
from tests.server.test_page import PAGE, RATES, node

TOP = 2
SIZES = [250e3, 1.5e6, 5e6]


def imports(*names: str) -> str:
    """Of `module: name, name`."""
    return "".join(f'import {{{what}}} from "./{module}.mjs";\n' for module, _, what in (name.partition(":") for name in names))


# Timecode that is typed


def test_typed_timecode_is_read_as_the_package_reads_labels(tmp_path: Path) -> None:
    chance = random.Random(3)
    cases: list[tuple[str, int, bool, object]] = []
    for text in RATES:
        rate = FrameRate.of(text)
        for drop in (False, True) if rate.can_drop else (False,):
            for _ in range(40):
                label = Timecode.from_frame(chance.randrange(frames_per_day(rate.nominal, drop)), rate, drop)
                wanted = {"label": label.total_frames}
                digits = re.sub(r"\D", "", str(label))
                cases += [(written, rate.nominal, drop, wanted) for written in (str(label), digits, str(label).replace(":", "."))]
                cases.append((digits.lstrip("0").zfill(3), rate.nominal, drop, wanted))
    cases += [
        ("1:00", 24, False, {"label": 24}),
        ("12", 24, False, {"label": 12}),
        ("+12", 25, False, {"distance": 12}),
        ("-1:00", 25, False, {"distance": -25}),
        ("+100", 24, False, {"distance": 100}),
        ("f240", 24, False, {"frame": 240}),
        ("F 7", 24, False, {"frame": 7}),
        *((text, 30, True, None) for text in ("1:00;00", "00:01:00;01", "24:00:00;00", "60:00", "12:30", "", "x", "1:2:3:4:5")),
        *((text, 24, False, None) for text in ("12:24", "1::2", "f", "+", "123456789", "01:60:00:00")),
    ]
    script = imports("timecode:readEntry") + "console.log(JSON.stringify(question.map((case_) => readEntry(...case_))));"
    assert node(script, tmp_path, [case[:3] for case in cases]) == [case[3] for case in cases]


# The index of fragments


def proxies(production: Production) -> dict[str, bytes]:
    with open_archive(production.root / production.archive) as archive:
        member = archive.member(production.member)
        return {proxy.size: archive.source(proxy.path).read_at(0, 1 << 24) for proxy in member.proxies}


def test_the_index_is_the_one_that_the_package_reads(production: Production, tmp_path: Path) -> None:
    files = proxies(production)
    script = (
        imports("fragments:indexOfHead", "timecode:parseRate")
        + """
const answers = question.map(([data, frames]) => {
  const bytes = Uint8Array.from(Buffer.from(data, "base64"));
  let length = 16;
  let asked = 0;
  for (;;) { // as the player does: as much as it is told to read
    const index = indexOfHead(bytes.subarray(0, length), parseRate("24000/1001"), frames);
    if (!index.need) return [index.offsets, index.times, index.frames, index.timescale, index.codecs, index.init, asked];
    if (index.need <= length) throw new Error("it asks for what it has");
    length = index.need;
    asked += 1;
  }
});
console.log(JSON.stringify(answers));
"""
    )
    found: Any = node(script, tmp_path, [[base64.b64encode(data).decode(), production.frames] for data in files.values()])
    for (offsets, times, frames, timescale, codecs, init, asked), data in zip(found, files.values(), strict=True):
        index = read_fragments(MemorySource(data))
        assert (offsets, times, frames) == (list(index.offsets), list(index.times), list(index.frames))
        assert (timescale, codecs) == (index.timescale, index.codecs)
        assert data.find(b"sidx") - 4 == init <= index.init
        assert asked < 8
    assert {len(data) for data in files.values()} != {0}


def test_every_frame_is_found_at_its_time(production: Production, tmp_path: Path) -> None:
    data = next(iter(proxies(production).values()))
    script = (
        imports("fragments:indexOfHead", "timecode:parseRate")
        + """
const index = indexOfHead(Uint8Array.from(Buffer.from(question[0], "base64")), parseRate("24000/1001"), question[1]);
const frames = Array.from({ length: question[1] }, (_, frame) => {
  const [begin, end] = index.spanOf(frame);
  const tick = Math.round(begin * index.timescale) / index.timescale; // as a browser gives it
  return [index.frameAt(tick), index.frameAt((begin + end) / 2, false), index.ofFrame(frame), index.ofTime((begin + end) / 2)];
});
console.log(JSON.stringify(frames));
"""
    )
    found = node(script, tmp_path, [base64.b64encode(data).decode(), production.frames])
    assert found == [[frame, frame, frame // 12, frame // 12] for frame in range(production.frames)]


def test_times_of_pictures_are_read_from_their_fragment(production: Production, tmp_path: Path) -> None:
    data = next(iter(proxies(production).values()))
    index = read_fragments(MemorySource(data))
    script = (
        imports("boxes:pictureTimes, pictureTrack")
        + """
const bytes = Uint8Array.from(Buffer.from(question[0], "base64"));
const track = pictureTrack(bytes);
const found = question[1].slice(1).map((end, place) => pictureTimes(bytes.subarray(question[1][place], end), track));
console.log(JSON.stringify(found));
"""
    )
    found: Any = node(script, tmp_path, [base64.b64encode(data).decode(), list(index.offsets)])
    assert [times[0] for times in found] == list(index.times[:-1])
    assert [len(times) - 1 for times in found] == [end - first for first, end in pairwise(index.frames)]
    assert found[-1][-1] == index.times[-1]
    assert {end - begin for times in found for begin, end in pairwise(times)} == {1001}


def test_broken_heads_are_refused(production: Production, tmp_path: Path) -> None:
    """Each byte of the tables changed in turn: an answer, or FormatError, and never more asked for than makes sense."""
    data = next(iter(proxies(production).values()))
    script = (
        imports("boxes:FormatError, readHead")
        + """
const bytes = Uint8Array.from(Buffer.from(question[0], "base64"));
const count = { read: 0, refused: 0, more: 0 };
for (let at = 0; at < question[1]; at += 1) {
  for (const value of [0, 255, bytes[at] ^ 1]) {
    const broken = bytes.slice(0, question[1] + 64);
    broken[at] = value;
    try {
      count[readHead(broken).need ? "more" : "read"] += 1;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      count.refused += 1;
    }
  }
}
console.log(JSON.stringify(count));
"""
    )
    end = data.find(b"moof") - 4
    count: Any = node(script, tmp_path, [base64.b64encode(data[: end + 64]).decode(), end])
    assert sum(count.values()) == 3 * end
    assert min(count.values()) > 0


# What is fetched, and in which size


def play(tmp_path: Path, *cases: dict[str, object]) -> list[dict[str, Any]]:
    script = imports("plan:givesUp, nextFetch", "throughput:Throughput")
    script += Path(__file__).with_name("simulated_play.mjs").read_text("utf-8")
    usual = {"rates": SIZES, "seconds": 60, "latency": 0.03, "speed": 1}
    answer: Any = node(script, tmp_path, [{**usual, **case} for case in cases])
    return list(answer)


def shown_at(result: dict[str, Any], moment: float) -> int:
    return next(size for since, size in reversed(result["shown"]) if since <= moment)


TRACES = {
    "after a while": [[0, 20e6], [10, 0.7e6], [25, 20e6]],
    "early": [[0, 20e6], [2, 0.7e6], [17, 20e6]],
    "at once": [[0, 20e6], [0.6, 0.7e6], [20, 20e6]],
    "in steps": [[0, 20e6], [5, 3e6], [8, 0.7e6], [20, 3e6], [25, 20e6]],
    "again and again": [[0, 8e6], [5, 0.7e6], [8, 8e6], [12, 0.7e6], [20, 8e6], [25, 0.7e6], [30, 8e6]],
    "to nothing for a second": [[0, 20e6], [9, 1000], [10, 20e6]],
}


def test_a_slow_patch_stalls_nothing_and_the_top_size_is_soon_back(tmp_path: Path) -> None:
    cases = [{"trace": trace, "latency": latency} for trace in TRACES.values() for latency in (0.005, 0.03, 0.1)]
    for case, result in zip(cases, play(tmp_path, *cases), strict=True):
        trace: Any = case["trace"]
        assert result["stalls"] == 0, case
        assert result["ended"]
        recovery = trace[-1][0]
        assert any(shown_at(result, recovery + after / 10) == TOP for after in range(100)), (case, result["shown"])


def test_a_connection_that_carries_the_lowest_size_never_stalls(tmp_path: Path) -> None:
    cases = [{"trace": [[0, rate]], "latency": 0.04} for rate in (0.35e6, 0.7e6, 1.5e6, 2.5e6, 4e6, 6e6)]
    for case, result in zip(cases, play(tmp_path, *cases), strict=True):
        assert result["stalls"] == 0, case
    assert {size for _, size in play(tmp_path, cases[0])[0]["shown"]} == {0}


def test_play_starts_low_and_climbs(tmp_path: Path) -> None:
    (result,) = play(tmp_path, {"trace": [[0, 20e6]]})
    assert result["shown"][0][1] == 0
    assert shown_at(result, 5) == TOP


def test_what_is_asked_for_at_double_speed_is_what_the_connection_carries_then(tmp_path: Path) -> None:
    (result,) = play(tmp_path, {"trace": [[0, 7e6]], "speed": 2})
    assert result["stalls"] == 0
    assert shown_at(result, 20) == 1


STATE = """
const state = (more) => ({ starts: Array.from({ length: 41 }, (_, place) => place / 2), held: () => -1,
  bytes: (size) => [1e4, 5e4, 2e5][size],
  came: () => false, now: 10, time: 5.2, playing: false, speed: 1, top: 2, forced: null, estimate: 2e7, stalled: false,
  ...more });
const there = (map) => (fragment) => map[fragment] ?? -1;
"""


def test_what_is_fetched_next(tmp_path: Path) -> None:
    cases = {
        "the fragment that is waited for, in the lowest size while nothing is known": ("{ estimate: null }", [10, 1, 0]),
        "one that is there at once": ("{ estimate: 4e6 }", [10, 1, 1]),
        "the lowest after a stall": ("{ stalled: true, playing: true }", [10, 1, 0]),
        "the one asked for": ("{ forced: 1, top: 1 }", [10, 1, 1]),
        "what came with the head": ("{ came: () => true }", [10, 1, 0]),
        "a step on": ("{ held: there({ 10: 0 }) }", [11, 1, 2]),
        "a step back": ("{ held: there({ 10: 0, 11: 0 }) }", [9, 1, 2]),
        "the picture that stands, better": ("{ held: there({ 9: 0, 10: 0, 11: 0 }) }", [10, 1, 2]),
        "backwards, what lies before": ("{ playing: true, speed: -1, held: there({ 10: 2, 9: 2 }) }", [8, 1, 2]),
        "the first that is missing ahead": ("{ playing: true, held: there({ 10: 1, 11: 1 }) }", [12, 1, 1]),
    }
    script = imports("plan:nextFetch") + STATE
    script += "".join(f"console.log(JSON.stringify(nextFetch(state({state}))));\n" for state, _ in cases.values())
    script = script.replace("console.log(", "answers.push(").replace("const state", "const answers = [];\nconst state", 1)
    found: Any = node(script + "console.log(JSON.stringify(answers));", tmp_path, None)
    for (case, (_, wanted)), answer in zip(cases.items(), map(_parsed, found), strict=True):
        assert answer == wanted, case


def _parsed(text: str) -> list[int]:
    import json

    answer = json.loads(text)
    return [answer["first"], answer["count"], answer["size"]]


@pytest.mark.parametrize(("pixels", "size"), [(1, 0), (320, 0), (321, 1), (854, 1), (855, 2), (5000, 2)])
def test_the_largest_size_of_use(tmp_path: Path, pixels: int, size: int) -> None:
    script = imports("choice:largestOfUse") + "console.log(JSON.stringify(largestOfUse([320, 854, 1920], question)));"
    assert node(script, tmp_path, pixels) == size


def test_throughput(tmp_path: Path) -> None:
    script = (
        imports("throughput:Throughput")
        + """
const estimates = question.map((samples) => {
  const throughput = new Throughput();
  samples.forEach(([bytes, seconds]) => throughput.add(bytes, seconds));
  return throughput.estimate;
});
console.log(JSON.stringify(estimates));
"""
    )
    steady = [[125_000, 1]] * 5
    found: Any = node(script, tmp_path, [[], [[100, 0.001]], steady, [*steady, [12_500, 1]], [*steady, *([[250_000, 0.1]] * 2)]])
    assert found[:2] == [None, None]
    assert found[2] == pytest.approx(1e6)
    assert found[3] < 0.6e6  # the lower of two averages: quick to fall
    assert found[4] == pytest.approx(16e6)  # and quick to believe in better times


# Marks, selects, strips, keys


def test_marks_and_selects(tmp_path: Path) -> None:
    script = (
        imports("marks:Marks, Selects")
        + """
const marks = new Marks();
const seen = [];
const note = () => seen.push(marks.range(100));
marks.addEventListener("change", note);
marks.markIn(10); marks.markOut(19); marks.markIn(40); marks.markOut(5); marks.clear();
const kept = new Map();
const store = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
const counts = { frame_rate: "24/1", start_timecode: "01:00:00:00", drop_frame: false, start_rate: null };
const media = { ...counts, reel: "A001", width: 320 };
const clip = { archive: "day.zip", path: "a/A.mov", mediaPath: "day.zip/a/A.mov", name: "A.mov", media };
const selects = new Selects(store, "selects");
selects.add(clip, { first: 10, end: 20 });
selects.add(clip, { first: 10, end: 20 });
selects.add(clip, { first: 30, end: 31 });
const ids = selects.list.map(({ id }) => id);
selects.note(ids[1], "good");
selects.move(ids[1], -1);
selects.move(ids[1], -1);
selects.withHandles(8);
selects.name("Day 1");
const again = new Selects(store, "selects");
const said = ({ first, end, note, media }) => [first, end, note, Object.keys(media).length];
const read = [again.title, again.handles, again.list.map(said)];
const before = again.clear();
const cleared = again.list.length;
again.restore(before);
again.remove(ids[0]);
const empty = '{"version":1,"title":"x","selects":[{},{"first":3,"end":3}]}';
const broken = ["", "null", "[]", "{", '{"version":2,"selects":[{}]}', empty];
const survivors = broken.map((text) => new Selects({ getItem: () => text }, "x").list.length);
console.log(JSON.stringify([seen, read, cleared, again.list.length, survivors]));
"""
    )
    seen, read, cleared, left, survivors = node(script, tmp_path, None)  # type: ignore[misc]
    assert seen == [
        {"first": 10, "end": 100},
        {"first": 10, "end": 20},
        {"first": 40, "end": 100},
        {"first": 0, "end": 6},
        None,
    ]
    assert read == ["Day 1", 8, [[30, 31, "good", 5], [10, 20, "", 5]]]
    assert (cleared, left, survivors) == (0, 1, [0] * 6)


def test_strips_are_read_as_they_are_written(production: Production, tmp_path: Path) -> None:
    data = next(iter(proxies(production).values()))
    tiles = tiles_of(MemorySource(data), production.frames)
    _, cues = strip(tiles, production.frames, lambda number: number * Fraction(1001, 24000), "strip.jpg")
    script = imports("strip:parseCues") + "console.log(JSON.stringify(parseCues(question)));"
    found: Any = node(script, tmp_path, cues)
    assert len(found) == len(tiles)
    assert {cue["image"] for cue in found} == {"strip.jpg"}
    for cue, tile in zip(found, tiles, strict=True):
        assert tile.number <= Fraction(str(cue["begin"])) * 24000 / 1001 < tile.number + 0.5
        assert (cue["height"], cue["width"]) == tile.picture.shape[:2]


def test_every_key_has_an_action() -> None:
    text = (PAGE / "keys.js").read_text("utf-8")
    names = set(re.findall(r'", "([a-z][a-zA-Z]+)"(?:, -?1)?\],', text))
    viewer = set(re.findall(r"^  (\w+)\(.*\) \{$", (PAGE / "viewer.js").read_text("utf-8"), re.MULTILINE))
    page = set(re.findall(r"^  (\w+): \(", (PAGE / "app.js").read_text("utf-8"), re.MULTILINE))
    assert len(names) > 20
    assert names <= viewer | page


def test_keys(tmp_path: Path) -> None:
    script = (
        imports("keys:actionOf, keyText")
        + """
const event = (key, more = {}) => ({ key, altKey: false, ctrlKey: false, metaKey: false, shiftKey: false, ...more });
const shift = { shiftKey: true };
const events = [event(" "), event("i"), event("I", shift), event("ArrowLeft"), event("ArrowLeft", shift), event("?", shift),
  event("7"), event("<", shift), event("L"), event("s", { ctrlKey: true }), event("z")];
const names = events.map((one) => { const found = actionOf(one); return found && [found.name, found.argument ?? null]; });
console.log(JSON.stringify([names, ["shift+ArrowLeft", "i", "space"].map(keyText)]));
"""
    )
    names, texts = node(script, tmp_path, None)  # type: ignore[misc]
    assert names == [
        ["toggle", None], ["markIn", None], ["toIn", None], ["step", -1], ["stepSecond", -1], ["help", None], ["jump", "7"],
        ["stepSecond", -1], ["shuttle", 1], None, None,
    ]  # fmt: skip
    assert texts == ["Shift ←", "I", "space"]
