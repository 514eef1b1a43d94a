"""Which media an event means: by hand, and against an oracle that looks at everything."""

from __future__ import annotations

import contextlib
import random
import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.core.errors import Damaged
from film_archive.core.reels import naming_of
from film_archive.core.timecode import FrameRange, FrameRate, RateLike, Timecode
from film_archive.editorial import matching
from film_archive.editorial.candidates import Candidate, common_counting
from film_archive.editorial.counting import Counting
from film_archive.editorial.edl import read_edl
from film_archive.editorial.event import EventMedia, ExactRange
from film_archive.editorial.identity import names_of_event, names_of_media, plain, shared, stem_of
from film_archive.editorial.mapping import read_mapping
from film_archive.editorial.matching import Match, Matcher, match_events
from film_archive.editorial.resolving import Resolved, resolve
from tests.editorial.corpus import CORPUS, needs_corpus


def media(
    path: str, start: str | None = "01:00:00:00", frames: int = 2400, rate: RateLike = 24, **more: Any
) -> Candidate:
    exact = FrameRate.of(rate)
    return Candidate(path, frames, exact, None if start is None else Timecode.from_string(start, rate), **more)


def event(reel: str, first: str, end: str, *comments: str, rate: RateLike = 24, record: int = 0) -> Resolved:
    """An event of an EDL, its record side as long as its source or as given."""
    length = record or 0
    start = Timecode.from_string("10:00:00:00", rate)
    probe = resolve(read_edl(f"001 {reel} V C {first} {end} 1:0:0:0 1:0:0:0"), rate).events[0]
    assert probe.source is not None
    out = start + (length or probe.source.count)
    lines = "\n".join(comments)
    (found,) = resolve(read_edl(f"001 {reel} V C {first} {end} {start} {out}\n{lines}\n"), rate)
    return found


def match(each: Resolved, *candidates: Candidate, mapping: str | None = None) -> Match:
    read = None if mapping is None else read_mapping(mapping.encode(), "map.csv")
    return Matcher(candidates, [each]).match(each, read)


def result(
    each: Resolved, *candidates: Candidate, mapping: str | None = None
) -> tuple[str, str | None, tuple[str, ...]]:
    found = match(each, *candidates, mapping=mapping)
    assert (found.candidate is None) == (found.status != "matched")
    assert bool(found.reason) == (found.status != "matched")
    return found.status, found.candidate.path if found.candidate else None, found.evidence


A = "01:00:10:00", "01:00:12:00"


# Names


@pytest.mark.parametrize(
    ("reel", "comment", "path", "own", "evidence"),
    [
        ("A001R1AB", "", "/c/A001C003_250101_R1AB.mov", "A001R1AB", "reel"),
        ("A001C003_250101_R1AB", "", "/c/A001C003_250101_R1AB.mov", None, "reel"),
        ("A001C003_250101_R1AB.MOV", "", "/c/A001C003_250101_R1AB.mov", None, "reel"),
        ("A001C003", "", "/c/A001C003_250101_R1AB.mov", None, "short reel"),
        ("A001C003_2501014_R1AB_EXTRA_LONG", "", "/c/A001C003_2501014_R1AB_EXTRA_LONG_NAME.mov", None, "short reel"),
        ("A001", "", "/c/A001C003_250101_R1AB.mov", None, "reel by the camera's naming"),
        ("A001R1AB", "", "/c/A001C003_250101_R1AB.mov", None, "reel by the camera's naming"),
        ("A001C003", "", "/c/A001_C003_1204R5_001.R3D", None, "short reel"),
        ("A001_C003_1204R5", "", "/c/A001_C003_1204R5_001.R3D", None, None),
        ("AX", "* FROM CLIP NAME: A001_C003_1204R5", "/c/A001_C003_1204R5_001.R3D", None, "clip name"),
        ("AX", "* SOURCE FILE: A001C003_250101_R1AB", "/c/A001C003_250101_R1AB.mov", None, "file without extension"),
        ("AX", "* SOURCE FILE: A001C003_250101_R1AB.mov", "/c/A001C003_250101_R1AB.MOV", None, "file"),
        ("AX", "* FROM CLIP: S:\\x\\shot.0001.exr", "/c/shot.%04d.exr", None, "file without extension"),
        ("AX", "* SOURCE FILE: ZZ100_501.LAY3.01", "/c/ZZ100_501.LAY3.01.mov", None, "file without extension"),
        ("AX", "* SOURCE FILE: ZZ100_501.LAY3.01", "/c/ZZ100_501.LAY3.mov", None, None),
        ("AX", "* FROM CLIP NAME: Z686_5A (47.56 FPS)", "/c/Z686_5A.mov", None, "clip name"),
        ("AX", "* FROM CLIP NAME: Z686_5A FF", "/c/Z686_5A.mov", None, "clip name"),
        ("AX", "* FROM CLIP NAME: interview *", "/c/INTERVIEW.mxf", None, "clip name"),
        ("AX", "* REEL AX IS CLIP A001C003_250101_R1AB.mov", "/c/A001C003_250101_R1AB.mov", None, "reel"),
        ("006I", "", "/c/x.mov", "006-I", "short reel"),
        ("B001", "", "/c/A001C003_250101_R1AB.mov", None, None),
        ("BLACKMAG", "", "/c/BLACKMAGIC_01.mov", None, "short reel"),
    ],
)
def test_names(reel: str, comment: str, path: str, own: str | None, evidence: str | None) -> None:
    status, found, by = result(event(reel, *A, comment), media(path, reel=own))
    if evidence is None:
        assert (status, found) == ("no_name", None)
    else:
        assert (status, found, by[0]) == ("matched", path, evidence)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        *(
            ("A.mov", "a"),
            ("a.b.MXF", "a.b"),
            ("a.b.01", "a.b.01"),
            ("shot.0101.exr", "shot"),
            ("shot_0101.dpx", "shot"),
        ),
        *(("shot.%04d.exr", "shot"), ("shot.####.exr", "shot"), ("shot.[1001-1100].exr", "shot"), ("x.1-5.exr", "x")),
        *((".mov", ".mov"), ("", ""), ("clip.0001.mov", "clip.0001"), ("%04d.exr", "%04d")),
    ],
)
def test_stems(name: str, stem: str) -> None:
    assert stem_of(name) == stem


# Ranks


def test_the_file_counts_before_the_reel_and_the_reel_before_the_clip() -> None:
    wanted = event("A001", *A, "* SOURCE FILE: one.mov", "* FROM CLIP NAME: three")
    one, two, three = media("/x/one.mov", reel="Z"), media("/x/two.mov", reel="A001"), media("/x/three.mov", reel="Z")
    assert result(wanted, three, two, one) == ("matched", "/x/one.mov", ("file",))
    assert result(wanted, three, two) == ("matched", "/x/two.mov", ("reel",))
    assert result(wanted, three) == ("matched", "/x/three.mov", ("clip name",))
    twin = media("/y/one.mov", reel="A001")
    assert result(wanted, one, twin) == ("matched", "/y/one.mov", ("file", "reel"))


def test_timecode_decides_between_clips_of_a_reel() -> None:
    clips = [media(f"/c/A001C00{n}_250101_R1AB.mov", f"0{n}:00:00:00") for n in range(1, 6)]
    for n in range(1, 6):
        assert result(event("A001", f"0{n}:00:10:00", f"0{n}:00:12:00"), *clips)[1] == clips[n - 1].path


def test_a_tie_is_never_chosen() -> None:
    wanted = event("A001C003", *A)
    found = match(wanted, media("/a/A001C003_X.mov"), media("/b/A001C003_X.mov"), media("/b/A001C004_X.mov"))
    assert (found.status, [each.path for each in found.rivals]) == ("tie", ["/a/A001C003_X.mov", "/b/A001C003_X.mov"])
    assert "fit equally well by timecode and short reel" in found.reason
    assert "mapping" in found.reason


def test_a_name_without_timecode_is_never_chosen() -> None:
    wanted = event("A001C003", *A)
    assert result(wanted, media("/a/A001C003_X.mov", None))[0] == "no_timecode"
    assert result(wanted, media("/a/A001C003_X.mov", None), media("/b/A001C003_X.mov"))[:2] == (
        "matched",
        "/b/A001C003_X.mov",
    )


def test_timecode_outside_is_never_chosen() -> None:
    found = match(event("A001C003", *A), media("/a/A001C003_X.mov", "02:00:00:00"))
    assert found.status == "outside"
    assert "01:00:10:00 – 01:00:12:00 lies outside" in found.reason
    assert "/a/A001C003_X.mov (02:00:00:00 – 02:01:40:00)" in found.reason


def test_timecode_without_a_name_is_never_chosen() -> None:
    found = match(event("A001C003", *A), media("/a/B001.mov"))
    assert (found.status, found.rivals[0].path) == ("no_name", "/a/B001.mov")
    assert "'a001c003'" in found.reason
    assert result(event("A001C003", *A), media("/a/B001.mov", "05:00:00:00"))[0] == "not_found"


@pytest.mark.parametrize("reel", ["AX", "ax"])
def test_an_event_without_names_takes_the_only_one(reel: str) -> None:
    assert result(event(reel, *A), media("/a/B001.mov")) == ("matched", "/a/B001.mov", ("only candidate",))
    assert result(event(reel, *A), media("/a/B001.mov"), media("/a/B002.mov"))[0] == "tie"
    assert result(event(reel, *A), media("/a/B001.mov", "05:00:00:00"))[0] == "not_found"


def test_what_has_no_media() -> None:
    for each in (event("BL", *A), event("A001", A[0], A[0])):
        assert result(each, media("/a/A001.mov"))[0] == "no_media"


def test_behind_a_transition_the_source_file_may_be_of_either_side() -> None:
    """Both cameras ran: only the reel, or the clip's name, tells which is meant."""
    text = (
        "001 A001 V C 01:00:10:00 01:00:10:00 10:00:02:00 10:00:02:00\n"
        "001 B001 V D 024 01:00:20:00 01:00:22:00 10:00:02:00 10:00:04:00\n"
        "* FROM CLIP NAME: One\n* TO CLIP NAME: Two\n* SOURCE FILE: x\n* SOURCE FILE: y\n"
    )
    outgoing, incoming = resolve(read_edl(text), 24)
    x, y = media("/c/x.mov", reel="A001"), media("/c/y.mov", reel="B001")
    assert [match(each, x, y).candidate for each in (outgoing, incoming)] == [x, y]
    assert match(outgoing, x, y).frames == FrameRange(240, 264)
    unnamed = resolve(read_edl(text.replace("A001", "AX").replace("B001", "AX")), 24)
    assert [match(each, x, y).status for each in unnamed] == ["no_name", "tie"]
    one, two = media("/c/one.mov"), media("/c/two.mov")
    assert [match(each, one, two).candidate for each in unnamed] == [one, two]


# Timecode


@pytest.mark.parametrize(
    ("first", "end", "start", "frames", "inside"),
    [
        ("01:00:00:00", "01:00:01:00", "01:00:00:00", 24, 0),
        ("01:00:00:00", "01:00:01:00", "01:00:00:00", 23, None),
        ("01:00:00:00", "01:00:01:00", "01:00:00:01", 99, None),
        ("23:59:59:12", "00:00:00:12", "23:59:59:00", 48, 12),
        ("00:00:00:12", "00:00:01:00", "23:59:59:00", 48, 36),
        ("00:00:00:12", "00:00:01:01", "23:59:59:00", 48, None),
        ("23:59:59:00", "24:00:00:00", "23:59:00:00", 1440, 59 * 24),
        ("00:00:00:00", "00:00:01:00", "00:00:00:00", 24 * 86400, 0),
    ],
)
def test_the_range_lies_inside(first: str, end: str, start: str, frames: int, inside: int | None) -> None:
    found = match(event("A", first, end), media("/A.mov", start, frames))
    assert found.status == ("outside" if inside is None else "matched")
    if inside is not None:
        assert found.frames is not None
        assert found.frames.first == inside


def test_the_media_counts() -> None:
    """A label names a frame of the media: its own counting decides."""
    wanted = event("A", "01:01:00:02", "01:01:01:02", rate="29.97")
    drop = media("/A.mov", "01:00:00;00", 9000, "29.97")
    found = match(wanted, drop)
    assert (found.status, found.frames) == ("matched", FrameRange(1800, 1830))
    still = media("/A.mov", "01:00:00:00", 9000, "29.97")
    assert match(wanted, still).frames == FrameRange(1802, 1832)
    dropped = event("A", "01:01:00:00", "01:01:01:02", rate="29.97")
    assert match(dropped, drop).status == "outside"


@pytest.mark.parametrize(
    ("rate", "media_rate", "frames"),
    [
        *((24, "23.976", FrameRange(12, 60)), (25, 50, FrameRange(24, 124)), (30, "59.94", FrameRange(24, 144))),
        *((25, 24, None), (24, 30, None), (50, 25, None), (24, 25, None)),
    ],
)
def test_rates(rate: int, media_rate: Any, frames: FrameRange | None) -> None:
    wanted = event("A", "01:00:00:12", f"01:00:02:{12 if rate != 50 else 14}", rate=rate)
    assert match(wanted, media("/A.mov", rate=media_rate)).frames == frames


def test_what_is_needed_is_cut_off_at_the_ends() -> None:
    text = (
        "001 A V C 01:00:00:00 01:00:02:00 10:00:00:00 10:00:02:00\n"
        "002 B V D 024 01:00:00:00 01:00:03:00 10:00:02:00 10:00:05:00\n"
    )
    one, two = resolve(read_edl(text), 24)
    found = match(one, media("/A.mov", frames=60))
    assert (found.frames, found.short_head, found.short_tail) == (FrameRange(0, 60), 0, 12)
    assert match(two, media("/B.mov", "00:59:59:00")).frames == FrameRange(24, 96)


def test_speeds() -> None:
    fast = event("A", "01:00:10:00", "01:00:12:00", "M2 A 048.0 01:00:10:00")
    assert match(fast, media("/A.mov")).frames == FrameRange(240, 336)
    assert match(fast, media("/A.mov", frames=300)).short_tail == 36
    slow = event("A", "01:00:10:00", "01:00:12:00", "M2 A 012.0 01:00:10:00")
    assert match(slow, media("/A.mov", frames=264)).frames == FrameRange(240, 264)
    back = event("A", "01:00:10:00", "01:00:12:00", "M2 A -024.0 01:00:10:00")
    found = match(back, media("/A.mov", frames=242))  # as Final Cut Pro 7 writes it: from its last frames
    assert (found.frames, found.short_tail) == (FrameRange(192, 242), 46)
    still = event("A", "01:00:10:00", "01:00:12:00", "M2 A 000.0 01:00:10:00")
    assert match(still, media("/A.mov", frames=241)).frames == FrameRange(240, 241)


def timeline_event(first: int, frames: int, url: str, *, from_start: bool) -> Resolved:
    each = event("AX", "00:00:00:00", "00:00:01:00")
    exact = ExactRange(Fraction(first), Fraction(frames), FrameRate(24))
    label = [str(Timecode.from_frame(frame, 24)) for frame in (first, first + frames)]
    changed = replace(
        each.event,
        media=(EventMedia(url=url),),
        source_range=exact,
        source_rate=FrameRate(24),
        source_in=label[0],
        source_out=label[1],
        from_media_start=from_start,
    )
    return resolve(replace(read_edl(""), events=(changed,), rate=FrameRate(24))).events[0]


def test_timelines_that_count_from_the_media_start() -> None:
    clip = media("/m/A.mov", "10:00:00:00", 2400)
    assert result(timeline_event(48, 24, "file:///m/A.mov", from_start=True), clip) == (
        *("matched", "/m/A.mov"),
        ("file", "counted from the media's first frame"),
    )
    assert match(timeline_event(48, 24, "file:///m/A.mov", from_start=True), clip).frames == FrameRange(48, 72)
    assert match(timeline_event(48, 24, "A.mov", from_start=True), media("/m/A.mov", None)).frames == FrameRange(48, 72)
    assert result(timeline_event(48, 24, "file:///m/A.mov", from_start=False), clip)[0] == "outside"
    assert result(timeline_event(2390, 24, "file:///m/A.mov", from_start=True), clip)[0] == "outside"
    assert result(timeline_event(48, 24, "file:///m/B.mov", from_start=True), clip)[0] == "not_found"
    real = timeline_event(36000 * 24 + 5, 24, "file:///m/A.mov", from_start=False)
    assert result(real, clip, media("/n/A.mov", "10:00:00:00")) == ("matched", "/m/A.mov", ("path",))


def test_media_that_counts_alike_has_a_rate_for_the_list() -> None:
    alike = [media("/a.mov"), media("/b.mov", "02:00:00:00"), media("/c.wav", None, rate=25)]
    assert common_counting(alike) == Counting(FrameRate(24), False)
    assert common_counting([*alike, media("/d.mov", rate=25)]) is None
    assert common_counting([]) is None
    assert common_counting([media("/a.mov", "01:00:00;00", rate="29.97")]) == Counting(FrameRate(30000, 1001), True)


# Mappings


@pytest.mark.parametrize(
    "mapping",
    [
        "reel,use\nA001C003,/b/A001C003_X.mov\n",
        "Event;Use\n001;/b/A001C003_X.mov\n",
        "clip name,reel,use\n,A001C003,/b/A001C003_X.mov\n",
        '{"A001C003": "/b/A001C003_X.mov"}',
        '[{"event": "002", "use": "/a/A001C003_X.mov"}, {"reel": "a001c003", "use": "/b/A001C003_X.mov"}]',
    ],
)
def test_a_mapping_settles_a_tie(mapping: str) -> None:
    twins = media("/a/A001C003_X.mov"), media("/b/A001C003_X.mov")
    assert result(event("A001C003", *A), *twins, mapping=mapping) == ("matched", "/b/A001C003_X.mov", ("mapping",))
    assert result(event("AX", *A), *twins, mapping='{"B": "/b/A001C003_X.mov"}')[0] == "tie"


def test_a_mapping_names_other_media() -> None:
    wanted = event("AX", *A, "* FROM CLIP NAME: Scene 13")
    assert result(wanted, media("/a/x.mov"), mapping='{"scene 13": "x.mov"}') == ("matched", "/a/x.mov", ("mapping",))
    assert result(wanted, media("/a/x.mov", "05:00:00:00"), mapping='{"scene 13": "x.mov"}')[0] == "outside"
    assert result(wanted, media("/a/x.mov", None), mapping='{"scene 13": "x.mov"}')[0] == "no_timecode"
    assert result(wanted, media("/a/x.mov"), mapping='{"scene 13": "y.mov"}')[0] == "not_found"
    assert result(wanted, media("/a/x.mov"), media("/b/x.mov"), mapping='{"scene 13": "x.mov"}')[0] == "tie"


@pytest.mark.parametrize(
    ("mapping", "why"),
    [
        ("reel,use\nA,\n", "row 1 does not say which media"),
        ("use\n/x\n", "row 1 does not say of what"),
        ('{"a": 5}', "has to name media"),
        ("[5]", "entry 1 is no object"),
        ("{", "not readable as JSON"),
        ("[" * 100_000, "not readable as JSON"),
        ("reel,use\n" + "x" * 200_000 + ",y\n", "not readable as CSV"),
    ],
)
def test_mappings_that_are_none(mapping: str, why: str) -> None:
    with pytest.raises(Damaged, match=why):
        read_mapping(mapping.encode(), "map.csv")


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_a_mapping_or_refused(data: bytes) -> None:
    with contextlib.suppress(Damaged):
        read_mapping(data, "map.csv")


# Against an oracle


def oracle_evidence(each: Resolved, candidate: Candidate) -> tuple[int, int, int]:
    """The ranks as the documentation states them, form by form."""
    name = re.split(r"[/\\]", candidate.path)[-1].lower()
    stem, own = stem_of(name), (candidate.reel or "").lower()
    asked = each.event
    file = 0
    if asked.source_file:
        wanted = re.split(r"[/\\]", asked.source_file)[-1].lower()
        if asked.source_file == candidate.path:
            file = 3
        elif wanted == name:
            file = 2
        elif wanted == stem or stem_of(wanted) == stem:
            file = 1
    reel = 0
    if asked.reel and asked.reel.upper() not in ("AX", "BL"):
        wanted = asked.reel.lower()
        naming = naming_of(stem.upper())
        patterns = [] if naming is None else [naming[0].reel_of(naming[1]).lower(), naming[1]["reel"].lower()]
        shorts = {text[:width] for text in (own, stem) for width in (8, 32) if len(text) > 8}
        cleaned = {plain(text) for text in (own, stem)} | {plain(text)[:8] for text in (own, stem)}
        if wanted in (own, stem, name) or stem_of(wanted) in (own, stem, name):
            reel = 3
        elif wanted in shorts | cleaned or plain(wanted) in shorts | cleaned | {own, stem}:
            reel = 2
        elif wanted in patterns or plain(wanted) in patterns:
            reel = 1
    clip = 0
    if asked.clip_name and {asked.clip_name.lower(), stem_of(asked.clip_name)} & {name, stem}:
        clip = 1
    return file, reel, clip


def oracle_inside(each: Resolved, candidate: Candidate) -> bool:
    """By the labels of the media's frames, one by one."""
    if candidate.start is None or each.source is None:
        return False
    labels = [str(candidate.start + frame) for frame in range(candidate.frames)]
    label = each.event.source_in
    return label in labels and labels.index(label) + each.source.count <= candidate.frames


def oracle(each: Resolved, candidates: list[Candidate]) -> tuple[str, str | None]:
    inside = [candidate for candidate in candidates if oracle_inside(each, candidate)]
    scores = [(oracle_evidence(each, candidate), candidate) for candidate in inside]
    best = max((score for score, _ in scores), default=(0, 0, 0))
    if any(best):
        top = [candidate for score, candidate in scores if score == best]
        return ("matched", top[0].path) if len(top) == 1 else ("tie", None)
    asked = each.event
    if not (asked.source_file or asked.clip_name or (asked.reel and asked.reel.upper() not in ("AX", "BL"))):
        if len(inside) == 1:
            return "matched", inside[0].path
        return ("tie" if inside else "not_found"), None
    named = [candidate for candidate in candidates if any(oracle_evidence(each, candidate))]
    if named:
        return ("no_timecode" if all(candidate.start is None for candidate in named) else "outside"), None
    return ("no_name" if inside else "not_found"), None


STEMS = [
    "A001C001_250101_R1AB",
    "A001C002_250101_R1AB",
    "A001C001_250102_R1AB",
    "B002C001_250101_R2CD",
    "clip",
    "A001",
    "x_y",
]
NAMES = [f"{stem}.{extension}" for stem in STEMS for extension in ("mov", "mxf", "%04d.exr")]
REELS = [
    *STEMS,
    *(stem[:8] for stem in STEMS),
    "AX",
    "A001",
    "A001R1AB",
    "B002R2CD",
    "A001C001_250101_R1AB.MOV",
    "xy",
    "nothing",
]


def a_world(choice: random.Random, count: int) -> tuple[list[Candidate], list[Resolved]]:
    candidates = []
    for number in range(count):
        start = Timecode.from_frame(choice.randrange(-40, 40), 24)
        own = choice.choice([None, None, "A001R1AB", "B002", "clip"])
        path = f"/{number}/{choice.choice(NAMES)}"
        candidates.append(
            Candidate(path, choice.randrange(1, 60), FrameRate(24), choice.choice([start, start, start, None]), own)
        )
    events = []
    for _ in range(6):
        first = Timecode.from_frame(choice.randrange(-40, 60), 24)
        end = first + choice.randrange(1, 12)
        comments = []
        if choice.random() < 0.4:
            comments.append(f"* SOURCE FILE: {choice.choice([*NAMES, *STEMS, 'other', candidates[0].path])}")
        if choice.random() < 0.4:
            comments.append(f"* FROM CLIP NAME: {choice.choice([*NAMES, *STEMS, 'Scene 5'])}")
        events.append(event(choice.choice(REELS), str(first), str(end), *comments))
    return candidates, events


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_the_index_finds_what_looking_at_everything_finds(seed: int) -> None:
    choice = random.Random(seed)
    candidates, events = a_world(choice, choice.choice([1, 3, 8, 60]))
    matcher = Matcher(candidates, events)
    for each in events:
        found = matcher.match(each)
        chosen = found.candidate.path if found.candidate else None
        assert (found.status, chosen) == oracle(each, candidates), (each.event, candidates)


def test_many_of_one_name_are_found_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The index by time gives what looking at each gives."""
    choice = random.Random(5)
    candidates, events = a_world(choice, 400)
    monkeypatch.setattr(matching, "_FEW", 0)
    fast = [(found.status, found.candidate) for found in map(Matcher(candidates, events).match, events)]
    monkeypatch.setattr(matching, "_FEW", 10**9)
    slow = [(found.status, found.candidate) for found in map(Matcher(candidates, events).match, events)]
    assert fast == slow


def test_names_are_compared_both_ways() -> None:
    names = names_of_media("/x/A001C001_250101_R1AB.mov")
    for each in (event("A001C001", *A), event("AX", *A, "* SOURCE FILE: A001C001_250101_R1AB")):
        wanted = names_of_event(each.event)
        assert any(shared(wanted, names))
        assert shared(wanted, names) == shared(names, wanted)


@needs_corpus
def test_a_real_list_finds_the_media_that_it_names() -> None:
    """Media made up for the files that a real list names, and as many that only look like them."""
    edits = resolve(read_edl((CORPUS / "edl" / "iluvcapra__pycmx" / "INS4_R1_010417.edl").read_bytes()), 24)
    spans: dict[str, tuple[int, int]] = {}
    for each in edits:
        needed = each.needed
        if each.has_media and needed is not None and each.event.source_file:
            low, high = spans.get(each.event.source_file, (needed.first, needed.end))
            spans[each.event.source_file] = min(low, needed.first), max(high, needed.end)
    candidates = []
    for number, (name, (low, high)) in enumerate(spans.items()):
        start = Timecode.from_frame(low, 24)
        candidates.append(
            Candidate(f"/card/{name}.mov" if "." not in name else f"/card/{name}", high - low, FrameRate(24), start)
        )
        candidates.append(Candidate(f"/other/{number}.mov", high - low, FrameRate(24), start))
    wrong = []
    for found in match_events(edits, candidates):
        if found.status == "no_media" or not found.event.event.source_file:
            continue
        if found.candidate is None or not found.candidate.path.startswith(f"/card/{found.event.event.source_file}"):
            wrong.append((found.event.event.line, found.status, found.reason))
    assert wrong == []
    assert len(spans) > 50
