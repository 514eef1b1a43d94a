"""OTIO documents as text: references found, nothing else touched, no document of any version refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.errors import Damaged
from film_archive.editorial.otio import Missing, Relinked, read_document
from film_archive.editorial.otio_scan import DEEPEST
from tests.shared import shared

RationalTime, TimeRange = otio.opentime.RationalTime, otio.opentime.TimeRange
CORPUS = sorted(shared("corpus").rglob("*.otio")) if shared("corpus").is_dir() else []


def text_of(timeline: Any) -> bytes:
    found: str = otio.adapters.write_to_string(timeline, "otio_json")
    return found.encode()


def of(text: bytes) -> Any:
    return otio.adapters.read_from_string(text.decode(), "otio_json")


def span(start: float, count: float, rate: float = 24) -> Any:
    return TimeRange(RationalTime(start, rate), RationalTime(count, rate))


def external(url: str, **more: Any) -> Any:
    return otio.schema.ExternalReference(url, span(86400, 100), {"camera": {"roll": "A001", "target_url": "not/this"}}, **more)


def timeline() -> Any:
    """Nested, with several references to a clip, generators, missing ones, and references in metadata."""
    inner = otio.schema.Stack("inner", children=[otio.schema.Clip("deep", external("deep.mov"))])
    both = otio.schema.Clip("both")
    both.set_media_references({"hi": external("hi.mov"), "metadata": external("proxy.mov")}, "hi")
    images = otio.schema.ImageSequenceReference(
        "file:///plates/", "p.", ".exr", 1001, 2, 24, 4, available_range=span(0, 10), metadata={"x": 1}
    )
    children = [
        both,
        otio.schema.Gap(source_range=span(0, 10)),
        otio.schema.Clip("images", images, span(2, 4)),
        otio.schema.Clip("none", otio.schema.MissingReference(metadata={"kept": external("kept.mov")})),
        otio.schema.Clip("bars", otio.schema.GeneratorReference("bars", "SMPTEBars")),
        inner,
    ]
    track = otio.schema.Track("V1", children=children, metadata={"of": external("also_kept.mov")})
    return otio.schema.Timeline("cut", tracks=[track])


def test_what_is_found() -> None:
    found = read_document(text_of(timeline()), "cut.otio").references
    assert {(each.clip, each.url, each.sequence is None) for each in found} == {
        ("both", "hi.mov", True),
        ("both", "proxy.mov", True),
        ("images", "file:///plates/", False),
        ("deep", "deep.mov", True),
    }
    assert len(found) == 4
    (images,) = (each for each in found if each.sequence is not None)
    reference = of(text_of(timeline())).find_clips()[1].media_reference
    numbers = images.sequence.numbers()
    assert len(numbers) == reference.number_of_images_in_sequence()
    assert [images.url_of(number) for number in numbers] == [
        reference.target_url_for_image_number(index) for index in range(len(numbers))
    ]


def test_relinking_changes_urls_and_nothing_else() -> None:
    data = text_of(timeline())
    document = read_document(data, "cut.otio")
    changes = {
        each.place: Relinked("media/", "q\"ü.", ".dpx") if each.sequence else Relinked(f"media/{each.url}")
        for each in document.references
    }
    relinked = of(document.changed(changes))
    expected = of(data)
    for clip in expected.find_clips():
        for reference in clip.media_references().values():
            if isinstance(reference, otio.schema.ExternalReference):
                reference.target_url = f"media/{reference.target_url}"
            elif isinstance(reference, otio.schema.ImageSequenceReference):
                reference.target_url_base, reference.name_prefix, reference.name_suffix = "media/", "q\"ü.", ".dpx"
    assert relinked.is_equivalent_to(expected)
    assert document.changed({}) == data


def test_a_missing_reference_keeps_what_it_was() -> None:
    data = text_of(timeline())
    document = read_document(data, "cut.otio")
    changed = of(document.changed({each.place: Missing("it is not there") for each in document.references}))
    clips = changed.find_clips()
    for before, after in zip(of(data).find_clips(), clips, strict=True):
        assert before.source_range == after.source_range
        for key, old in before.media_references().items():
            new = after.media_references()[key]
            if not isinstance(old, otio.schema.ExternalReference | otio.schema.ImageSequenceReference):
                assert new.is_equivalent_to(old)
                continue
            assert type(new) is otio.schema.MissingReference
            assert (new.name, new.available_range) == (old.name, old.available_range)
            assert new.metadata["missing_reference_because"] == "it is not there"
            url = getattr(old, "target_url", None) or old.target_url_base
            assert new.metadata["original_target_url"] == url
            for name, value in old.metadata.items():
                assert new.metadata[name] == value
    images = clips[1].media_reference.metadata["original_media_reference"]
    assert (images["name_prefix"], images["start_frame"], images["frame_step"]) == ("p.", 1001, 2)
    assert read_document(document.changed({each.place: Missing("x") for each in document.references}), "x").references == ()


def test_versions_that_nobody_knows_pass() -> None:
    document = {
        "OTIO_SCHEMA": "Timeline.99",
        "later": [{"OTIO_SCHEMA": "Marker.3", "color": {"OTIO_SCHEMA": "Color.1", "r": 0.1}}],
        "tracks": {
            "OTIO_SCHEMA": "Stack.7",
            "children": [
                {
                    "OTIO_SCHEMA": "Clip.12",
                    "media_references": {
                        "DEFAULT_MEDIA": {"OTIO_SCHEMA": "ExternalReference.9", "target_url": "a.mov", "more": [1]},
                        "studio": {"OTIO_SCHEMA": "StudioReference.1", "target_url": "b.mov"},
                        "void": {"OTIO_SCHEMA": "MissingReference.4"},
                    },
                    "name": "one",
                },
                {"OTIO_SCHEMA": "Clip.1", "name": "old", "media_reference": {"OTIO_SCHEMA": "ExternalReference.1",
                                                                              "target_url": "c.mov"}},
            ],
        },
    }  # fmt: skip
    found = read_document(json.dumps(document).encode(), "cut.otio")
    assert [(each.clip, each.url) for each in found.references] == [("one", "a.mov"), ("one", "b.mov"), ("old", "c.mov")]
    changed = json.loads(found.changed({each.place: Relinked(f"media/{each.url}") for each in found.references}))
    clips = document["tracks"]["children"]  # type: ignore[index]
    clips[0]["media_references"]["DEFAULT_MEDIA"]["target_url"] = "media/a.mov"
    clips[0]["media_references"]["studio"]["target_url"] = "media/b.mov"
    clips[1]["media_reference"]["target_url"] = "media/c.mov"
    assert changed == document


@pytest.mark.skipif(not CORPUS, reason="../shared/corpus is not there")
@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_real_documents(path: Path) -> None:
    data = path.read_bytes()
    document = read_document(data, path.name)
    assert document.changed({}) == data
    changed = document.changed({each.place: Relinked("media/x") for each in document.references})
    again = read_document(changed, path.name)
    assert [each.url for each in again.references] == ["media/x"] * len(document.references)
    try:
        expected = of(data)
    except otio.exceptions.UnsupportedSchemaError:
        assert path.name == "premiere_example.otio"  # of the next OTIO, with markers of a version that this one does not know
        assert len(document.references) == 12
        return
    kinds = (otio.schema.ExternalReference, otio.schema.ImageSequenceReference)
    urls = [
        getattr(reference, "target_url", None) or getattr(reference, "target_url_base", "")
        for clip in expected.find_clips()
        for reference in clip.media_references().values()
        if isinstance(reference, kinds)
    ]
    assert sorted(each.url for each in document.references) == sorted(urls)
    of(changed)


ranges = st.tuples(st.integers(0, 400), st.sampled_from([24, 25, 30, 24000 / 1001, 30000 / 1001, 12.5]))


@given(ranges, st.sampled_from([24, 25, 24000 / 1001, 60]), st.integers(1, 5), st.integers(-20, 2000), st.integers(0, 8))
def test_image_numbers_are_those_of_otio(
    duration: tuple[int, float], rate: float, step: int, start: int, padding: int
) -> None:
    reference = otio.schema.ImageSequenceReference(
        "/plates", "p.", ".exr", start, step, rate, padding, available_range=span(0, *duration)
    )
    data = text_of(otio.schema.Timeline("t", tracks=[otio.schema.Track(children=[otio.schema.Clip("c", reference)])]))
    (found,) = read_document(data, "t").references
    assert found.sequence is not None
    numbers = found.sequence.numbers()
    assert numbers is not None
    assert len(numbers) == reference.number_of_images_in_sequence()
    for index in {0, len(numbers) // 2, len(numbers) - 1} if len(numbers) else ():
        assert found.url_of(numbers[index]) == reference.target_url_for_image_number(index)


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(
    st.dictionaries(st.text(), VALUE),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.booleans(),
    st.sampled_from([None, 1, 4]),
)
def test_anything_around_a_reference_stays(rest: dict[str, Any], url: str, plain: bool, indent: int | None) -> None:
    reference = {"OTIO_SCHEMA": "ExternalReference.1", "metadata": rest, "target_url": "old", "name": "x"}
    document = {"OTIO_SCHEMA": "Clip.2", "name": "c", "metadata": {"a": reference}, "b": [[reference]], "markers": [rest]}
    text = json.dumps(document, ensure_ascii=plain, indent=indent)
    try:
        data = text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return
    found = read_document(data, "x")
    assert [each.url for each in found.references if each.clip == "c"] == ["old"]
    place = next(each.place for each in found.references if each.clip == "c")
    changed = found.changed({place: Relinked(url)})
    expected = text[:place] + text[place:].replace('"old"', json.dumps(url, ensure_ascii=False), 1)
    assert changed.decode() == expected or '"old"' in json.dumps(rest)


GOOD = text_of(timeline())


def images(values: str) -> bytes:
    """A document with nothing but an image sequence's reference."""
    return f'{{"OTIO_SCHEMA": "ImageSequenceReference.1", "target_url_base": "a", {values}}}'.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"{}",
        b"[]",
        b'"Timeline.1"',
        b"3",
        GOOD[:-3],
        GOOD[: len(GOOD) // 2],
        GOOD + b"{}",
        GOOD.replace(b"}", b"]", 1),
        GOOD.replace(b":", b"", 1),
        GOOD.replace(b"A001", b"A\\001", 1),
        GOOD.replace(b"A001", b"A\\u00g1", 1),
        GOOD.replace(b"A001", b"A\t001", 1),
        GOOD.replace(b",", b",,", 1),
        GOOD.replace(b"86400.0", b"0x10", 1),
        GOOD.replace(b"86400.0", b"086400.0", 1),
        b"PK\x03\x04" + bytes(100),
        b"\xff\xfe" + GOOD.decode().encode("utf-16-le"),
        b'{"OTIO_SCHEMA": "ExternalReference.1", "target_url": "a", "target_url": "b"}',
        images('"frame_zero_padding": -1'),
        images('"start_frame": "x"'),
        images('"available_range": {"duration": 3}'),
        images('"frame_step": 0, "available_range": {"duration": {"value": 1, "rate": 1}}'),
        images('"rate": 1e300, "available_range": {"duration": {"value": 1e300, "rate": 1}}'),
        images('"available_range": {"duration": {"value": NaN, "rate": 1}}'),
        b"[" * (DEEPEST + 1),
        b'{"a":' * (DEEPEST + 1),
        b'{"OTIO_SCHEMA": "ExternalReference.1", "target_url": "a", "x": ' + b"[" * 3000 + b"]" * 3000 + b"}",
    ],
    ids=lambda data: repr(data[:40]),
)
def test_what_is_no_document(data: bytes) -> None:
    with pytest.raises(Damaged, match=r"cut\.otio"):
        read_document(data, "cut.otio")


@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=4))
def test_changed_bytes_end_in_a_document_or_in_damaged(position: int, new: bytes) -> None:
    data = GOOD[:position] + new + GOOD[position + len(new) :]
    try:
        document = read_document(data, "cut.otio")
    except Damaged:
        return
    assert document.changed({}) == data
    json.loads(data)


def test_nested_deep_but_readable() -> None:
    data: Any = {"OTIO_SCHEMA": "ExternalReference.1", "target_url": "deep.mov"}
    text = json.dumps(data)
    for _ in range(1000):
        text = '{"OTIO_SCHEMA": "Stack.1", "children": [' + text + "]}"
    assert [each.url for each in read_document(text.encode(), "x").references] == ["deep.mov"]


def test_a_mark_of_byte_order_is_left_out() -> None:
    document = read_document(b"\xef\xbb\xbf" + GOOD, "cut.otio")
    assert document.changed({}) == GOOD
