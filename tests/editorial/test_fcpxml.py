"""FCPXML: real documents of Final Cut Pro, and its elements one by one."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported
from film_archive.core.timecode import FrameRate
from film_archive.editorial.event import EditList, Event
from film_archive.editorial.fcpxml import read_fcpxml
from film_archive.editorial.fcpxml_elements import conformed
from film_archive.editorial.fcpxml_resources import seconds
from film_archive.editorial.resolving import resolve
from tests.editorial.corpus import CORPUS, needs_corpus, real_lists

FILM, NTSC = FrameRate(24000, 1001), FrameRate(30000, 1001)
DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE fcpxml>
<fcpxml version="1.11"><resources>
<format id="f24" frameDuration="1/24s"/><format id="f25" frameDuration="100/2500s"/>
<format id="f2398" name="FFVideoFormat1080p2398"/>
<format id="f2997" frameDuration="1001/30000s"/><format id="none" name="FFVideoFormatRateUndefined"/>
<asset id="a" name="A" start="3600s" duration="100s" hasVideo="1" hasAudio="1" format="f24">
<media-rep kind="proxy-media" src="file:///p/A.mov"/><media-rep kind="original-media" src="file:///m/A%20x.mov"/>
<metadata><md key="com.apple.proapps.studio.reel" value="R1"/></metadata></asset>
<asset id="b" name="B" start="7200s" duration="100s" hasVideo="1" format="f24" src="file:///m/B.mov"/>
<asset id="s" name="S" start="0s" duration="100s" hasAudio="1" src="file:///m/S.wav"/>
<asset id="p" name="P" start="0s" duration="100s" hasVideo="1" format="f25" src="file:///m/P.mov"/>
<effect id="e" name="Title"/>
{resources}</resources>
<library><event name="E"><project name="P1"><sequence format="f24" tcStart="3600s" tcFormat="NDF">
<spine>{spine}</spine></sequence>
</project></event></library></fcpxml>"""


def read(spine: str, resources: str = "", **more: Any) -> EditList:
    return read_fcpxml(DOCUMENT.format(spine=spine, resources=resources).encode(), **more)


def rows(edits: EditList) -> list[tuple[Any, ...]]:
    return [
        (event.source_file, event.source_in, event.source_out, event.record_in, event.record_out) for event in edits
    ]


def speed(event: Event) -> Fraction | None:
    return None if event.speed is None else event.speed.ratio


def test_clips_one_after_the_other() -> None:
    edits = read(
        '<asset-clip ref="a" offset="3600s" name="one" start="3610s" duration="2s"/>'
        '<gap offset="3602s" duration="1s" start="3600s"/>'
        '<asset-clip ref="b" name="two" duration="49/24s" srcEnable="video">'
        '<marker start="7201s" duration="1/24s" value="M" note="n"/>'
        "</asset-clip>"
    )
    assert rows(edits) == [
        ("A x.mov", "01:00:10:00", "01:00:12:00", "01:00:00:00", "01:00:02:00"),
        ("B.mov", "02:00:00:00", "02:00:02:01", "01:00:03:00", "01:00:05:01"),
    ]
    one, two = edits
    assert (one.channels, one.reel, one.from_clip_name, one.track) == ("B", "R1", "one", "lane 0")
    assert [(each.url, each.active) for each in one.media] == [
        ("file:///p/A.mov", False),
        ("file:///m/A%20x.mov", True),
    ]
    assert (one.media[0].start, one.media[0].frames) == (86400, 2400)
    assert (two.channels, two.markers[0].name, two.markers[0].text) == ("V", "M", "n")
    assert (edits.title, edits.rate, edits.drop_frame, edits.diagnostics) == ("P1", 24, False, ())


def test_connected_clips_and_storylines() -> None:
    edits = read(
        '<asset-clip ref="a" offset="3600s" start="3610s" duration="10s">'
        '<asset-clip ref="b" lane="1" offset="3612s" start="7210s" duration="1s">'
        '<audio ref="s" lane="-1" offset="7210s" duration="9s"/>'
        '<asset-clip ref="s" lane="-2" offset="7210s" duration="3s"/></asset-clip>'
        '<spine lane="2" offset="3613s"><asset-clip ref="b" offset="0s" start="7220s" duration="1s"/>'
        '<asset-clip ref="b" offset="1s" start="7230s" duration="1s"/></spine></asset-clip>'
    )
    assert [(event.track, event.channels, *row) for event, row in zip(edits, rows(edits), strict=True)] == [
        ("lane 0", "B", "A x.mov", "01:00:10:00", "01:00:20:00", "01:00:00:00", "01:00:10:00"),
        ("lane 1", "V", "B.mov", "02:00:10:00", "02:00:11:00", "01:00:02:00", "01:00:03:00"),
        ("lane 1, -1 sound", "A", "S.wav", "00:00:00:00", "00:00:09:00", "01:00:02:00", "01:00:11:00"),
        ("lane 1, -2 sound", "A", "S.wav", "00:00:00:00", "00:00:03:00", "01:00:02:00", "01:00:05:00"),
        ("lane 2", "V", "B.mov", "02:00:20:00", "02:00:21:00", "01:00:03:00", "01:00:04:00"),
        ("lane 2", "V", "B.mov", "02:00:30:00", "02:00:31:00", "01:00:04:00", "01:00:05:00"),
    ]


def test_transitions() -> None:
    edits = read(
        '<asset-clip ref="a" offset="3600s" start="3610s" duration="2s"/><transition offset="43222/12s" duration="16/24s"/>'
        '<asset-clip ref="b" offset="3602s" start="7210s" duration="2s"/>'
    )
    one, two = resolve(edits)
    assert rows(edits)[0][3:] == ("01:00:00:00", "01:00:01:20")
    assert (two.event.transition, two.event.transition_duration, two.event.source_in) == ("D", 16, "02:00:09:20")
    assert (one.tail, one.needed and one.needed.count) == (16, 44 + 16)


def test_compound_clips_are_opened_up_and_trimmed() -> None:
    compound = (
        '<media id="c" name="C"><sequence format="f24" tcStart="100s"><spine>'
        '<asset-clip ref="a" offset="100s" start="3600s" duration="2s"/>'
        '<asset-clip ref="b" offset="102s" start="7200s" duration="9s"/>'
        "</spine></sequence></media>"
    )
    edits = read(
        '<ref-clip ref="c" offset="3600s" start="101s" duration="3s"/><ref-clip ref="c" duration="1s"/>', compound
    )
    assert rows(edits) == [
        ("A x.mov", "01:00:01:00", "01:00:02:00", "01:00:00:00", "01:00:01:00"),
        ("B.mov", "02:00:00:00", "02:00:02:00", "01:00:01:00", "01:00:03:00"),
        ("A x.mov", "01:00:00:00", "01:00:01:00", "01:00:03:00", "01:00:04:00"),
    ]
    assert "is not there" in read('<ref-clip ref="x" duration="1s"/>').diagnostics[0].what


def test_multicam_and_synchronized_clips() -> None:
    multicam = (
        '<media id="m" name="M"><multicam format="f24" tcStart="50s"><mc-angle angleID="1"><gap offset="50s" duration="1s"/>'
        '<asset-clip ref="a" offset="51s" start="3600s" duration="9s"/></mc-angle><mc-angle angleID="2">'
        '<asset-clip ref="s" offset="50s" duration="9s"/></mc-angle></multicam></media>'
    )
    sources = '<mc-source angleID="1" srcEnable="video"/><mc-source angleID="2" srcEnable="audio"/>'
    edits = read(
        f'<mc-clip ref="m" offset="3600s" start="52s" duration="2s">{sources}</mc-clip>'
        '<sync-clip name="sync" start="7201s" duration="2s"><asset-clip ref="b" offset="7200s" start="7200s" duration="9s"/>'
        '<asset-clip ref="s" lane="-1" offset="7202s" start="1s" duration="1s"/></sync-clip>',
        multicam,
    )
    found = {(event.channels, *row) for event, row in zip(edits, rows(edits), strict=True)}
    assert found == {
        ("V", "A x.mov", "01:00:01:00", "01:00:03:00", "01:00:00:00", "01:00:02:00"),
        ("A", "S.wav", "00:00:02:00", "00:00:04:00", "01:00:00:00", "01:00:02:00"),
        ("V", "B.mov", "02:00:01:00", "02:00:03:00", "01:00:02:00", "01:00:04:00"),
        ("A", "S.wav", "00:00:01:00", "00:00:02:00", "01:00:03:00", "01:00:04:00"),
    }


def test_a_clip_shows_its_video() -> None:
    edits = read(
        '<clip offset="3600s" name="c" start="12s" duration="2s" tcFormat="NDF">'
        '<video ref="b" offset="10s" start="7200s" duration="9s">'
        '<audio ref="b" lane="-1" offset="7200s" duration="9s"/></video></clip>'
    )
    assert rows(edits) == [("B.mov", "02:00:02:00", "02:00:04:00", "01:00:00:00", "01:00:02:00")]
    assert edits.events[0].from_clip_name == "c"


def test_auditions_titles_and_what_is_disabled() -> None:
    edits = read(
        '<audition offset="3600s"><asset-clip ref="a" start="3610s" duration="2s"/><asset-clip ref="b" duration="5s"/></audition>'
        '<title ref="e" name="T" start="3600s" duration="1s"/><asset-clip ref="b" enabled="0" duration="1s" name="off"/>'
        '<asset-clip ref="b" duration="1s"/>'
    )
    assert [(event.is_generated, event.record_in) for event in edits] == [
        (False, "01:00:00:00"),
        (True, "01:00:02:00"),
        (False, "01:00:04:00"),
    ]
    assert [each.what for each in edits.diagnostics] == ["the asset-clip 'off' is disabled; it is left out"]


MAP = '<timeMap><timept time="{}" value="{}"/><timept time="{}" value="{}"/></timeMap>'


@pytest.mark.parametrize(
    ("points", "start", "ratio", "first", "frames"),
    [
        (("1800s", "3600s", "1850s", "3700s"), "1801s", Fraction(2), "01:00:02:00", 96),
        (("7200s", "3600s", "7400s", "3700s"), "7202s", Fraction(1, 2), "01:00:01:00", 24),
        (("0s", "3700s", "100s", "3600s"), "10s", Fraction(-1), "01:01:28:01", 48),
        (("0s", "3600s", "100s", "3600s"), "10s", Fraction(0), "01:00:00:00", 1),
    ],
)
def test_retiming(points: tuple[str, ...], start: str, ratio: Fraction, first: str, frames: int) -> None:
    (event,) = resolve(read(f'<asset-clip ref="a" start="{start}" duration="2s">{MAP.format(*points)}</asset-clip>'))
    assert speed(event.event) == ratio
    assert event.needed is not None
    assert (str(event.needed.start_label), event.needed.count) == (first, frames)
    assert event.problems == ()


def test_a_changing_speed_is_said() -> None:
    knots = MAP.format("0s", "3600s", "1s", "3601s").replace(
        "</timeMap>", '<timept time="3s" value="3611s"/></timeMap>'
    )
    edits = read(f'<asset-clip ref="a" name="ramp" start="0s" duration="2s">{knots}</asset-clip>')
    assert speed(edits.events[0]) == 3
    assert "the speed of the asset-clip 'ramp' changes within it" in edits.diagnostics[0].what


def test_conformed_rates() -> None:
    clip = '<asset-clip ref="p" start="2s" duration="50/24s"><conform-rate {}srcFrameRate="25"/></asset-clip>'
    (scaled,) = resolve(read(clip.format("")))
    (sampled,) = resolve(read(clip.format('scaleEnabled="0" ')))
    assert (speed(scaled.event), rows(read(clip.format("")))[0][1:3]) == (
        Fraction(24, 25),
        ("00:00:02:00", "00:00:04:00"),
    )
    assert (speed(sampled.event), sampled.source and sampled.source.count) == (None, 53)
    assert "which is none" in read(clip.format("").replace('"25"', '"x"')).diagnostics[0].what


@pytest.mark.parametrize(
    ("source", "sequence", "ratio"),
    [
        (FILM, FrameRate(24), Fraction(1001, 1000)),
        (FILM, FrameRate(60), Fraction(1001, 1000)),
        (FILM, FrameRate(60000, 1001), Fraction(1)),
        (FrameRate(25), FILM, FILM / 25),
        (NTSC, FrameRate(60000, 1001), Fraction(1)),
        (FrameRate(60), FrameRate(24), Fraction(1)),
    ],
)
def test_how_conformed_rates_run(source: FrameRate, sequence: FrameRate, ratio: Fraction) -> None:
    assert conformed(source, sequence) == ratio


def test_browser_clips_have_no_place_in_record() -> None:
    text = DOCUMENT.format(spine="", resources="")
    start, end = text.index("<project"), text.index("</event>")
    text = (
        text[:start] + '<asset-clip ref="a" name="one" start="3610s" duration="2s"/><asset-clip ref="b"/>' + text[end:]
    )
    edits = read_fcpxml(text.encode())
    assert rows(edits) == [
        ("A x.mov", "01:00:10:00", "01:00:12:00", None, None),
        ("B.mov", "02:00:00:00", "02:01:40:00", None, None),
    ]


def test_rates_and_drop_frame() -> None:
    text = DOCUMENT.format(spine='<asset-clip ref="a" offset="3600s" duration="1s" start="3600s"/>', resources="")
    drop = text.replace(
        '<sequence format="f24" tcStart="3600s" tcFormat="NDF">', '<sequence format="f2997" tcFormat="DF">'
    )
    assert (read_fcpxml(drop.encode()).rate, read_fcpxml(drop.encode()).events[0].record_in) == (NTSC, "01:00:00;00")
    unknown = text.replace('<sequence format="f24"', '<sequence format="none"')
    assert "--rate" in read_fcpxml(unknown.encode()).diagnostics[0].what
    assert len(read_fcpxml(unknown.encode(), rate=24)) == 1
    named = text.replace('<sequence format="f24"', '<sequence format="f2398"')
    assert read_fcpxml(named.encode()).rate == FILM


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(
            ("5s", Fraction(5)),
            ("1001/24000s", Fraction(1001, 24000)),
            ("-1/2s", Fraction(-1, 2)),
            ("2.5s", Fraction(5, 2)),
        ),
        *(("1/0s", None), ("", None), (None, None), ("9" * 200 + "s", None), ("1/2/3s", None)),
    ],
)
def test_times(text: str | None, value: Fraction | None) -> None:
    assert seconds(text) == value


def test_endless_compound_clips() -> None:
    """Each compound clip holds the next one ten times: without a bound that is more clips than atoms."""
    media = "".join(
        f'<media id="c{n}"><sequence format="f24"><spine><gap duration="1s">'
        + f'<ref-clip ref="c{n + 1}" lane="1" offset="0s" duration="1s"/>' * 10
        + "</gap></spine></sequence></media>"
        for n in range(30)
    )
    edits = read('<ref-clip ref="c0" offset="3600s" duration="100s"/>', media)
    assert len(edits) == 0
    assert any("without end" in each.what for each in edits.diagnostics)
    circle = '<media id="c"><sequence format="f24"><spine><ref-clip ref="c" duration="1s"/></spine></sequence></media>'
    assert any("without end" in each.what for each in read('<ref-clip ref="c" duration="1s"/>', circle).diagnostics)


def test_what_is_refused() -> None:
    with pytest.raises(NotSupported, match="declares a document type"):
        read_fcpxml(b'<!DOCTYPE fcpxml [<!ENTITY a "b">]><fcpxml/>')
    with pytest.raises(Damaged, match="no FCPXML: its root is xmeml"):
        read_fcpxml(b"<xmeml/>")
    with pytest.raises(Damaged, match="not readable as XML"):
        read_fcpxml(b"<fcpxml>")
    assert len(read_fcpxml(b"<fcpxml/>")) == 0


@settings(max_examples=100)
@given(st.data())
def test_mutated_documents(data: st.DataObject) -> None:
    base = DOCUMENT.format(
        spine='<asset-clip ref="a" offset="3600s" start="3610s" duration="2s"><conform-rate srcFrameRate="25"/></asset-clip>'
        '<transition offset="3601s" duration="2s"/><clip duration="1s"><video ref="b" offset="0s"/></clip>'
        f'<mc-clip ref="m" duration="1s"/><sync-clip duration="1s">{MAP.format("0s", "1s", "2s", "9s")}<spine/></sync-clip>',
        resources="",
    )
    place = data.draw(st.integers(300, len(base) - 1))
    piece = data.draw(
        st.sampled_from(
            ["0", "-", "9" * 30, "/", "s", '"', "spine", "ref", "ref-clip", " lane='1'", "enabled", "<gap/>"]
        )
    )
    text = base[:place] + piece + base[place + data.draw(st.integers(0, 8)) :]
    try:
        edits = read_fcpxml(text.encode())
        resolve(edits, 24)
    except FilmArchiveError:
        pass


@needs_corpus
def test_the_same_cut_at_several_rates_takes_the_same_frames() -> None:
    folder = CORPUS / "fcpxml" / "TheAcharya__pipeline-neo"
    film, whole, double = (read_fcpxml((folder / f"{name}.fcpxml").read_bytes()) for name in ("23.98", "24", "60"))
    assert (film.rate, whole.rate, double.rate) == (FILM, 24, 60)
    cut = [event for event in whole if event.source_rate == FILM]
    again = [event for event in double if event.source_rate == FILM]
    assert len(cut) == len(again) == 10
    third, other = cut[2], again[2]
    assert (third.source_in, third.source_out, other.source_in, other.source_out) == ("00:01:26:22", "00:01:52:22") * 2
    assert film.events[2].source_in == "00:01:26:22"


@needs_corpus
def test_real_documents() -> None:
    files = real_lists("fcpxml/**/*.fcpxml")
    assert len(files) > 30
    rates: dict[str, int] = {}
    for file in files:
        edits = read_fcpxml(file.read_bytes(), file.name)
        if edits.rate is None:
            assert file.name == "fcpx_clips.fcpxml"
            continue
        for event in resolve(edits):
            assert event.problems == (), (file.name, event)
            assert event.record is not None
            rate = str(event.event.source_rate)
            rates[rate] = rates.get(rate, 0) + 1
    assert rates["24000/1001"] > 200
    assert rates["30000/1001"] > 100
    counts = {file.name: len(read_fcpxml(file.read_bytes())) for file in files}
    assert (
        counts["MulticamSampleWithCuts.fcpxml"],
        counts["CompoundClips.fcpxml"],
        counts["SyncClipRoles2.fcpxml"],
    ) == (9, 3, 5)
