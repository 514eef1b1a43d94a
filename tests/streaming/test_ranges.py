"""Ranges and conditions of RFC 9110, against a slow oracle that counts bytes one by one, and case by case."""

from __future__ import annotations

import itertools
import re
from email.utils import formatdate

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.streaming.ranges import (
    MAXIMUM_PARTS,
    MAXIMUM_SPECS,
    Answer,
    Bounded,
    ByteRange,
    EntityTag,
    Representation,
    RequestFields,
    Suffix,
    answer,
    merged,
    parse_date,
    parse_entity_tags,
    parse_range,
    satisfiable,
)

SIZE = 1000
CHANGED = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT
NOW = CHANGED + 3600.0
ETAG = EntityTag("abc")
CONTENT = Representation(size=SIZE, etag=ETAG, last_modified=CHANGED)
WHOLE = Answer(200, (ByteRange(0, SIZE),))


def ask(content: Representation = CONTENT, now: float = NOW, **fields: str) -> Answer:
    return answer(RequestFields(**fields), content, now)


# The Range field


def slow_spec(text: str, size: int) -> set[int] | None:
    """The bytes that a range-spec names, by looking at each byte; None where it is invalid."""
    if (match := re.fullmatch(r"-([0-9]+)", text)) is not None:
        return {byte for byte in range(size) if size - byte <= int(match[1])}
    match = re.fullmatch(r"([0-9]+)-([0-9]*)", text)
    if match is None or (match[2] and int(match[2]) < int(match[1])):
        return None
    return {byte for byte in range(size) if byte >= int(match[1]) and (not match[2] or byte <= int(match[2]))}


SPEC = st.one_of(
    st.builds("{}-{}".format, st.integers(0, 60), st.integers(0, 60)),
    st.builds("{}-".format, st.integers(0, 60)),
    st.builds("-{}".format, st.integers(0, 60)),
    st.builds("{:0{}d}-".format, st.integers(0, 60), st.integers(1, 6)),
    st.sampled_from(["", " ", "-", "5", "a-b", "1-2-3", "+1-2", "1_0-", "٣-٤", "0x1-", "1.0-2", "- 5", "0 -5"]),
)
SPACE = st.sampled_from(["", " ", "\t", "  "])


@given(
    parts=st.lists(st.tuples(SPACE, SPEC, SPACE), min_size=1, max_size=8),
    size=st.integers(0, 50),
    unit=st.sampled_from(["bytes", "BYTES", "Bytes", "byte", "frames", ""]),
)
def test_a_range_field_names_the_bytes_that_the_oracle_counts(
    parts: list[tuple[str, str, str]], size: int, unit: str
) -> None:
    field = f"{unit}=" + ",".join("".join(part) for part in parts)
    content = Representation(size=size, etag=None, last_modified=None)
    found = answer(RequestFields(range=field), content, NOW)

    specs = [spec for _, spec, _ in parts if spec.strip(" \t")]
    named = [slow_spec(spec, size) for spec in specs]
    if unit.lower() != "bytes" or not named or any(bytes_ is None for bytes_ in named):
        assert found == Answer(200, (ByteRange(0, size),))
        return
    wanted = set().union(*(bytes_ for bytes_ in named if bytes_))
    if not wanted:
        a_suffix = any(re.fullmatch(r"-0*[1-9][0-9]*", spec) for spec in specs)
        assert found.status == (200 if a_suffix else 416)
        return
    assert found.status == 206
    served = [set(range(part.first, part.end)) for part in found.ranges]
    assert set().union(*served) == wanted
    assert sum(map(len, served)) == len(wanted), "no byte is sent twice"
    in_place = sorted(found.ranges, key=lambda part: part.first)
    assert all(first.end < later.first for first, later in itertools.pairwise(in_place))
    asked = [min(index for index, bytes_ in enumerate(named) if bytes_ and bytes_ & part) for part in served]
    assert asked == sorted(asked), "parts come in the order of the request"


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=12))
def test_merging_twice_is_merging_once_and_ignores_doubles(runs: list[tuple[int, int]]) -> None:
    ranges = [ByteRange(first, first + length) for first, length in runs]
    once = merged(ranges)
    assert merged(once) == once
    assert merged(ranges + ranges) == once


@given(st.text(max_size=60))
def test_any_text_as_range_is_answered(text: str) -> None:
    assert answer(RequestFields(range=text), CONTENT, NOW).status in (200, 206, 416)
    assert answer(RequestFields(range="bytes=" + text), CONTENT, NOW).status in (200, 206, 416)


@given(st.integers(0, 1 << 70), st.integers(0, 1 << 70))
def test_numbers_of_any_size_are_exact(first: int, last: int) -> None:
    specs = parse_range(f"bytes={first}-{last}")
    if last < first:
        assert specs is None
        return
    assert specs is not None
    size = 1 << 62
    expected = (ByteRange(first, min(last + 1, size)),) if first < size else ()
    assert satisfiable(specs, size) == expected


@pytest.mark.parametrize(
    ("field", "ranges"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=10-19", [(10, 20)]),
        ("bytes=990-", [(990, 1000)]),
        ("bytes=-5", [(995, 1000)]),
        ("bytes=-5000", [(0, 1000)]),
        ("bytes=990-5000", [(990, 1000)]),
        ("bytes=0-", [(0, 1000)]),
        ("BYTES=0-4", [(0, 5)]),
        ("bytes=0-4 , 10-14", [(0, 5), (10, 15)]),
        ("bytes=,0-4,,", [(0, 5)]),
        ("bytes=0-9,5000-", [(0, 10)]),
        ("bytes=20-29,0-9", [(20, 30), (0, 10)]),
        ("bytes=50-59,0-9,5-54", [(0, 60)]),
        ("bytes=0-9,10-19", [(0, 20)]),
        ("bytes=" + "0" * 5000 + "7-8", [(7, 9)]),
        ("bytes=5-" + "9" * 5000, [(5, 1000)]),
        ("bytes=-" + "9" * 5000, [(0, 1000)]),
        ("bytes=" + ",".join(["0-"] * 200), [(0, 1000)]),
    ],
)
def test_ranges_that_are_served(field: str, ranges: list[tuple[int, int]]) -> None:
    assert ask(range=field) == Answer(206, tuple(ByteRange(*part) for part in ranges))


@pytest.mark.parametrize(
    "field", ["bytes=1000-", "bytes=-0", "bytes=5000-6000", "bytes=1000-,-0", "bytes=" + "9" * 5000 + "-"]
)
def test_ranges_outside_are_not_satisfiable(field: str) -> None:
    assert ask(range=field) == Answer(416)


@pytest.mark.parametrize(
    "field",
    ["bytes=5-4", "bytes=abc", "frames=0-5", "bytes", "", "bytes=", "bytes=,", "bytes =0-1", "bytes=0-1;2"],
)
def test_ranges_that_are_ignored(field: str) -> None:
    assert ask(range=field) == WHOLE


def test_too_many_ranges_are_ignored() -> None:
    scattered = ",".join(f"{10 * index}-{10 * index}" for index in range(MAXIMUM_PARTS))
    assert len(ask(range=f"bytes={scattered}").ranges) == MAXIMUM_PARTS
    assert ask(range=f"bytes={scattered},999-999") == WHOLE
    assert parse_range("bytes=" + ",".join(["0-1"] * MAXIMUM_SPECS)) is not None
    assert parse_range("bytes=" + ",".join(["0-1"] * (MAXIMUM_SPECS + 1))) is None


def test_empty_content_has_no_byte_ranges() -> None:
    empty = Representation(size=0, etag=None, last_modified=None)
    assert ask(empty, range="bytes=0-") == Answer(416)
    assert ask(empty, range="bytes=-5") == Answer(200, (ByteRange(0, 0),))
    assert ask(empty, range="bytes=-0") == Answer(416)


def test_what_a_field_says_is_kept_apart_from_what_it_means() -> None:
    assert parse_range("bytes=3-7, 9-,-4") == (Bounded(3, 7), Bounded(9, None), Suffix(4))


def test_head_has_no_range() -> None:
    assert ask(method="HEAD", range="bytes=0-4") == WHOLE
    assert ask(method="HEAD", range="bytes=5000-") == WHOLE


# Entity-tags and dates


VISIBLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"')
TAG = st.builds(EntityTag, st.text(VISIBLE, max_size=9), st.booleans())


@given(st.lists(TAG, max_size=6), SPACE)
def test_entity_tags_are_read_as_they_are_written(tags: list[EntityTag], space: str) -> None:
    assert parse_entity_tags(f"{space},{space}".join(map(str, tags))) == tuple(tags)


@pytest.mark.parametrize(
    "field", ["abc", '"abc', 'w/"abc"', '"a" "b"', '"a", b', "\n", '"a"\n', '"a b"', " " * 5000 + "x"]
)
def test_what_is_no_list_of_tags_matches_nothing(field: str) -> None:
    assert parse_entity_tags(field) == ()


def test_tags_match_by_strength() -> None:
    strong, weak = EntityTag("a"), EntityTag("a", weak=True)
    assert strong.strongly_matches(strong)
    assert not strong.strongly_matches(weak)
    assert not weak.strongly_matches(weak)
    assert strong.weakly_matches(weak)
    assert not strong.weakly_matches(EntityTag("b"))


@given(st.integers(0, 253_402_300_799))
def test_dates_in_the_preferred_form(seconds: int) -> None:
    assert parse_date(formatdate(seconds, usegmt=True)) == seconds


def test_dates_in_the_old_forms() -> None:
    assert parse_date("Sunday, 06-Nov-94 08:49:37 GMT", NOW) == CHANGED
    assert parse_date("Sun Nov  6 08:49:37 1994") == CHANGED
    assert parse_date("Friday, 01-Jan-60 00:00:00 GMT", now=CHANGED) is not None
    in_2020 = 1_600_000_000.0
    assert parse_date("Saturday, 01-Jan-00 00:00:00 GMT", now=in_2020) == 946_684_800
    assert parse_date("Sunday, 06-Nov-94 08:49:37 GMT", now=in_2020) == CHANGED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Xyz 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 0６ Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert parse_date(text) is None


# Conditions, and their precedence (13.2.2)

BEFORE = formatdate(CHANGED - 1, usegmt=True)
THEN = formatdate(CHANGED, usegmt=True)
AFTER = formatdate(CHANGED + 1, usegmt=True)
PART = Answer(206, (ByteRange(0, 5),))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"if_none_match": '"abc"'}, Answer(304)),
        ({"if_none_match": "*"}, Answer(304)),
        ({"if_none_match": '"x", "abc"'}, Answer(304)),
        ({"if_none_match": 'W/"abc"'}, Answer(304)),
        ({"if_none_match": '"x"'}, WHOLE),
        ({"if_none_match": '"x"', "if_modified_since": THEN}, WHOLE),
        ({"if_none_match": '"abc"', "range": "bytes=0-4"}, Answer(304)),
        ({"if_none_match": "garbage", "range": "bytes=0-4"}, PART),
        ({"if_modified_since": THEN}, Answer(304)),
        ({"if_modified_since": AFTER}, Answer(304)),
        ({"if_modified_since": BEFORE}, WHOLE),
        ({"if_modified_since": "garbage"}, WHOLE),
        ({"if_match": '"abc"'}, WHOLE),
        ({"if_match": "*"}, WHOLE),
        ({"if_match": '"x"'}, Answer(412)),
        ({"if_match": 'W/"abc"'}, Answer(412)),
        ({"if_match": "garbage"}, Answer(412)),
        ({"if_match": '"abc"', "if_unmodified_since": BEFORE}, WHOLE),
        ({"if_match": '"x"', "if_none_match": '"abc"'}, Answer(412)),
        ({"if_match": '"abc"', "if_none_match": '"abc"'}, Answer(304)),
        ({"if_unmodified_since": BEFORE}, Answer(412)),
        ({"if_unmodified_since": THEN}, WHOLE),
        ({"if_unmodified_since": "garbage"}, WHOLE),
        ({"if_unmodified_since": BEFORE, "range": "bytes=0-4"}, Answer(412)),
        ({"if_range": '"abc"', "range": "bytes=0-4"}, PART),
        ({"if_range": '"x"', "range": "bytes=0-4"}, WHOLE),
        ({"if_range": 'W/"abc"', "range": "bytes=0-4"}, WHOLE),
        ({"if_range": '"abc", "abc"', "range": "bytes=0-4"}, WHOLE),
        ({"if_range": "*", "range": "bytes=0-4"}, WHOLE),
        ({"if_range": THEN, "range": "bytes=0-4"}, PART),
        ({"if_range": BEFORE, "range": "bytes=0-4"}, WHOLE),
        ({"if_range": AFTER, "range": "bytes=0-4"}, WHOLE),
        ({"if_range": '"x"', "range": "bytes=5000-"}, WHOLE),
        ({"if_range": '"abc"', "range": "bytes=5000-"}, Answer(416)),
        ({"if_range": '"x"'}, WHOLE),
    ],
)
def test_conditions(fields: dict[str, str], expected: Answer) -> None:
    assert ask(**fields) == expected
    head = ask(method="HEAD", **fields)
    assert head == (expected if expected.status in (304, 412) else WHOLE)


def test_a_date_is_no_strong_validator_within_its_own_second() -> None:
    assert ask(now=CHANGED + 0.5, if_range=THEN, range="bytes=0-4") == WHOLE
    assert ask(now=CHANGED + 1.0, if_range=THEN, range="bytes=0-4") == PART


def test_without_validators_conditions_on_them() -> None:
    bare = Representation(size=SIZE, etag=None, last_modified=None)
    assert ask(bare, if_match='"abc"') == Answer(412)
    assert ask(bare, if_match="*") == WHOLE
    assert ask(bare, if_none_match='"abc"') == WHOLE
    assert ask(bare, if_modified_since=THEN) == WHOLE
    assert ask(bare, if_unmodified_since=BEFORE) == WHOLE
    assert ask(bare, if_range='"abc"', range="bytes=0-4") == WHOLE
    assert ask(bare, if_range=THEN, range="bytes=0-4") == WHOLE


@given(
    fields=st.fixed_dictionaries(
        {},
        optional={
            "range": st.sampled_from(["bytes=0-4", "bytes=5000-", "bytes=x"]),
            "if_range": st.sampled_from(['"abc"', '"x"', THEN]),
            "if_match": st.sampled_from(['"abc"', '"x"', "*"]),
            "if_none_match": st.sampled_from(['"abc"', '"x"', "*"]),
            "if_modified_since": st.sampled_from([BEFORE, THEN, "x"]),
            "if_unmodified_since": st.sampled_from([BEFORE, THEN, "x"]),
        },
    ),
    method=st.sampled_from(["GET", "HEAD"]),
)
def test_precedence_step_by_step(fields: dict[str, str], method: str) -> None:
    """The six steps of 13.2.2, as the text has them."""
    holds = {
        "if_match": fields.get("if_match") in ('"abc"', "*"),
        "if_unmodified_since": fields.get("if_unmodified_since") != BEFORE,
        "if_none_match": fields.get("if_none_match") == '"x"',
        "if_modified_since": fields.get("if_modified_since") != THEN,
        "if_range": fields.get("if_range") in (None, '"abc"', THEN),
    }
    if ("if_match" in fields and not holds["if_match"]) or (
        "if_match" not in fields and "if_unmodified_since" in fields and not holds["if_unmodified_since"]
    ):
        expected = 412
    elif ("if_none_match" in fields and not holds["if_none_match"]) or (
        "if_none_match" not in fields and "if_modified_since" in fields and not holds["if_modified_since"]
    ):
        expected = 304
    elif method == "GET" and "range" in fields and holds["if_range"]:
        expected = {"bytes=0-4": 206, "bytes=5000-": 416, "bytes=x": 200}[fields["range"]]
    else:
        expected = 200
    assert answer(RequestFields(method=method, **fields), CONTENT, NOW).status == expected
