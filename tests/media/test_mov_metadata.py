"""Metadata: texts of all three kinds, and what is taken from them."""

import struct

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from film_archive.media.mov.atoms import Notes
from film_archive.media.mov.metadata import Tag, created_of, iso_date, looks_like_umid, printable_text
from tests.media.mov_building import atom, full, movie, opened, timecode, timecode_entry, video


def user_text(kind: bytes, text: bytes, language: int = 0x55C4) -> bytes:
    return atom(kind, struct.pack(">HH", len(text), language), text)


def keys(*pairs: tuple[str, int, bytes], plain: bool = True) -> bytes:
    names = b"".join(atom(b"mdta", name.encode()) for name, _, _ in pairs)
    values = b"".join(
        atom(struct.pack(">I", n), atom(b"data", struct.pack(">II", kind, 0), value))
        for n, (_, kind, value) in enumerate(pairs, 1)
    )
    handler = full(b"hdlr", bytes(4), b"mdta", bytes(12), b"\0")
    return atom(b"meta", b"" if plain else bytes(4), handler, full(b"keys", struct.pack(">I", len(pairs)), names),
                atom(b"ilst", values))  # fmt: skip


def facts_with(*in_moov: bytes, in_trak: tuple[bytes, ...] = (), created: int = 0):
    return opened(movie(video(in_trak=list(in_trak)), in_moov=in_moov, created=created)).facts()


CAMERA = keys(
    ("com.apple.quicktime.make", 1, b"ARRI"),
    ("com.apple.quicktime.camera.identifier", 1, b"K0123"),
    ("com.arri.camera.SensorFps", 22, b"\x5d\xc0"),
    ("com.example.offset", 21, b"\xff"),
    ("com.example.speed", 23, struct.pack(">f", 23.5)),
    ("com.example.crop", 71, struct.pack(">2f", 16, 8)),
    ("com.example.wide", 78, struct.pack(">Q", 1 << 40)),
    ("com.example.utf16", 2, "日本".encode("utf-16-be")),
    ("com.example.picture", 13, b"\xff\xd8"),
    ("com.example.broken", 24, b"\0"),
)


@pytest.mark.parametrize(
    "place",
    [
        {"in_moov": (CAMERA,)},
        {"in_moov": (atom(b"udta", CAMERA),)},
        {"in_moov": (atom(b"udta", CAMERA, bytes(4)),)},
        {"in_trak": (CAMERA,)},
        {"in_trak": (atom(b"udta", CAMERA),)},
    ],
)
def test_keys_are_found_wherever_they_are(place):
    facts = facts_with(*place.get("in_moov", ()), in_trak=place.get("in_trak", ()))
    assert dict(facts.camera) == {
        "make": "ARRI",
        "camera.identifier": "K0123",
        "com.arri.camera.SensorFps": "24000",
        "com.example.offset": "-1",
        "com.example.speed": "23.5",
        "com.example.crop": "16,8",
        "com.example.wide": str(1 << 40),
        "com.example.utf16": "日本",
    }


def test_mp4_s_meta_has_version_and_flags():
    facts = facts_with(atom(b"udta", keys(("com.apple.quicktime.model", 1, b"X"), plain=False)))
    assert facts.camera == {"model": "X"}


def test_user_texts():
    facts = facts_with(
        atom(b"udta", user_text(b"\xa9mak", b"Sony"), user_text(b"\xa9mod", b"K\x8amera", 0), user_text(b"\xa9swr", b"Lavf"),
             bytes(4))
    )  # fmt: skip
    assert facts.camera == {"make": "Sony", "model": "Kämera"}


@pytest.mark.parametrize("tail", [b"\0\0\0\4abcd", b"\xff\xff\xff\xffabcd", b"abc", atom(b"\xa9mod", b"\0"), atom(b"meta", b"x")])
def test_broken_metadata_stops_nobody(tail):
    facts = facts_with(atom(b"udta", user_text(b"\xa9mak", b"Sony"), tail))
    assert facts.camera["make"] == "Sony"
    assert facts.frames == 6


def test_a_length_that_lies_and_signs_that_control():
    facts = facts_with(atom(b"udta", atom(b"\xa9mak", struct.pack(">HH", 9999, 0x55C4), b"So\x1b[31mny\n")))
    assert facts.camera["make"] == "So[31mny"


def test_thousands_of_texts():
    many = atom(b"udta", user_text(b"\xa9mak", b"Sony"), user_text(b"\xa9inf", b"x") * 5_000)
    facts = facts_with(many)
    assert any("more than 2000 metadata texts" in note for note in facts.diagnostics)
    assert facts.camera["make"] == "Sony"


# Reel

UMID = "060A2B340101010501010F2013000000" + "AB" * 16


@pytest.mark.parametrize(
    ("pairs", "reel"),
    [
        ([("com.apple.proapps.reel", "A001")], ("A001", "com.apple.proapps.reel")),
        ([("com.other.ReelName", "B1"), ("com.apple.proapps.reel", "A001")], ("A001", "com.apple.proapps.reel")),
        ([("com.other.ReelName", "B1"), ("com.apple.proapps.reel", UMID)], ("B1", "com.other.ReelName")),
        ([("com.apple.proapps.reel", UMID)], (None, None)),
        ([("com.apple.proapps.reel", "  ")], (None, None)),
        ([("reel_name", "C")], ("C", "reel_name")),
        ([("com.other.reels", "D")], (None, None)),
    ],
)
def test_reels(pairs, reel):
    facts = facts_with(keys(*((name, 1, text.encode()) for name, text in pairs)))
    assert (facts.reel, facts.reel_source) == reel


def test_the_timecode_track_s_reel_comes_first():
    track = timecode([0], timecode_entry(reel=b"FROM_TC"))
    meta = keys(("com.apple.proapps.reel", 1, b"FROM_KEY"))
    facts = opened(movie(video(), track, in_moov=(meta,))).facts()
    assert (facts.reel, facts.reel_source) == ("FROM_TC", "tmcd track")
    umid = timecode([0], timecode_entry(reel=UMID.encode()))
    assert opened(movie(video(), umid, in_moov=(meta,))).facts().reel == "FROM_KEY"


@pytest.mark.parametrize(
    ("text", "umid"),
    [
        (UMID, True),
        (UMID.lower(), True),
        ("0x" + UMID, True),
        (" ".join(UMID[n : n + 2] for n in range(0, 64, 2)), True),
        ("0123456789abcdef" * 4, True),
        ("A001C003_240506_R1XY", False),
        ("1234", False),
        ("", False),
    ],
)
def test_umids(text, umid):
    assert looks_like_umid(text) is umid


# Dates


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2024-05-06T07:08:09+0200", "2024-05-06T07:08:09+02:00"),
        ("2024-05-06T07:08:09-07:00", "2024-05-06T07:08:09-07:00"),
        ("2024-05-06T07:08:09Z", "2024-05-06T07:08:09Z"),
        ("2024-05-06 07:08:09", "2024-05-06T07:08:09"),
        ("2024-05-06T07:08:09.123+02", "2024-05-06T07:08:09.123+02:00"),
        ("2024-05-06T07:08", "2024-05-06T07:08:00"),
        ("2024-05-06", "2024-05-06"),
        ("2024", None),
        ("2024-13-06T07:08:09Z", None),
        ("2024-05-06T27:08:09Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates(text, date):
    assert iso_date(text) == date


def test_where_the_date_comes_from():
    key, day = ("com.apple.quicktime.creationdate", 1, b"2024-05-06T07:08:09+0200"), user_text(b"\xa9day", b"2023-01-02")
    both = facts_with(keys(key), atom(b"udta", day), created=3_800_000_000)
    assert (both.created, both.created_source) == ("2024-05-06T07:08:09+02:00", "com.apple.quicktime.creationdate")
    facts = facts_with(atom(b"udta", day), created=3_800_000_000)
    assert (facts.created, facts.created_source) == ("2023-01-02", "©day")
    facts = facts_with(atom(b"udta", user_text(b"\xa9day", b"2023")), created=3_800_000_000)
    assert (facts.created, facts.created_source) == ("2024-05-31T11:33:20Z", "mvhd")
    assert facts_with().created is None
    facts = facts_with(created=1_700_000_000)
    assert (facts.created, facts.created_source) == ("2023-11-14T22:13:20Z", "mvhd, counted from 1970")
    facts = facts_with(keys((key[0], 1, b"last week")))
    assert facts.created is None
    assert any("'last week' can't be read" in note for note in facts.diagnostics)


@given(st.integers(0, (1 << 64) - 1))
def test_no_count_of_seconds_fails(seconds):
    created = created_of([], seconds, Notes())
    assert created is None or created.date.endswith("Z")


@given(st.text(max_size=40))
def test_no_text_fails(text):
    assert created_of([Tag("©day", text)], 0, Notes()) is None or iso_date(text) is not None
    assert "\x1b" not in printable_text(text.encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=60))
def test_no_bytes_fail(data):
    text = printable_text(data)
    assert all(sign.isprintable() for sign in text)
