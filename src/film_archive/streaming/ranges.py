"""Byte ranges and conditional requests of HTTP (RFC 9110, sections 8.8, 13 and 14), as functions on values.

Nothing here reads a file or a socket: a request's fields and what is known of the content go in, the answer comes out.
A `ByteRange` is half-open, as everywhere inside; a `Bounded` is what a request writes, inclusive.
"""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache

MAXIMUM_SPECS = 256
"""More ranges than this in one request, and its Range is ignored (14.2 allows it): reading it stays short."""
MAXIMUM_PARTS = 64
"""More parts than this left after merging, and Range is ignored."""

_FAR = 1 << 63
"""Stands for every number of a request that no file reaches; so a number of a million digits costs nothing."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `first` to just before `end`."""

    first: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.first


# What a request's Range says (14.1.1, 14.1.2)


@dataclass(frozen=True, slots=True)
class Bounded:
    """first-last, inclusive as written; `last` None is the open form "first-"."""

    first: int
    last: int | None


@dataclass(frozen=True, slots=True)
class Suffix:
    """-length: the last `length` bytes."""

    length: int


Spec = Bounded | Suffix


def parse_range(field: str) -> tuple[Spec, ...] | None:
    """The ranges of a Range field in its order; None where the field is to be ignored.

    Ignored are other units, whatever is not the grammar's, a last position before its first, and more than
    MAXIMUM_SPECS.
    """
    unit, equals, rest = field.partition("=")
    if not equals or unit.lower() != "bytes" or rest.count(",") >= MAXIMUM_SPECS:
        return None
    specs = []
    for text in rest.split(","):
        text = text.strip(" \t")
        if text:  # empty list elements are passed over (5.6.1.2)
            spec = _parse_spec(text)
            if spec is None:
                return None
            specs.append(spec)
    return tuple(specs) or None


def _parse_spec(text: str) -> Spec | None:
    first, dash, last = text.partition("-")
    if not dash or not all(part == "" or (part.isascii() and part.isdigit()) for part in (first, last)):
        return None
    if not first:
        return Suffix(_number(last)) if last else None
    if not last:
        return Bounded(_number(first), None)
    return Bounded(_number(first), _number(last)) if _digits_in_order(first, last) else None


def _number(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return _FAR if len(digits) > 19 else min(int(digits), _FAR)


def _digits_in_order(first: str, last: str) -> bool:
    """first ≤ last, exactly, without making numbers of them."""
    first, last = first.lstrip("0"), last.lstrip("0")
    return (len(first), first) <= (len(last), last)


def satisfiable(specs: Iterable[Spec], size: int) -> tuple[ByteRange, ...]:
    """The bytes that the specs name in content of `size` bytes, in their order; those that name none are left out."""
    found = []
    for spec in specs:
        if isinstance(spec, Suffix):
            here = ByteRange(max(0, size - spec.length), size)
        else:
            here = ByteRange(spec.first, size if spec.last is None else min(spec.last + 1, size))
        if here.length > 0:
            found.append(here)
    return tuple(found)


def merged(ranges: Sequence[ByteRange]) -> tuple[ByteRange, ...]:
    """Overlapping and touching ranges made one, so that no byte is named twice; in the order in which each was first
    asked.

    One pass over the ranges sorted by place (15.3.7.2 allows merging, and asks for the request's order).
    """
    runs: list[tuple[int, ByteRange]] = []
    for asked in sorted(range(len(ranges)), key=lambda index: ranges[index].first):
        here = ranges[asked]
        if runs and here.first <= runs[-1][1].end:
            earlier, run = runs[-1]
            runs[-1] = (min(earlier, asked), ByteRange(run.first, max(run.end, here.end)))
        else:
            runs.append((asked, here))
    return tuple(run for _, run in sorted(runs, key=lambda pair: pair[0]))


# Validators (8.8)


@dataclass(frozen=True, slots=True)
class EntityTag:
    """An entity-tag; `opaque` is what stands between the quotes."""

    opaque: str
    weak: bool = False

    def __str__(self) -> str:
        return f'{"W/" if self.weak else ""}"{self.opaque}"'

    def strongly_matches(self, other: EntityTag) -> bool:
        return not self.weak and not other.weak and self.opaque == other.opaque

    def weakly_matches(self, other: EntityTag) -> bool:
        return self.opaque == other.opaque


_TAG = re.compile(r'[ \t]*(?:(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*)?(?:,|\Z)')


def parse_entity_tags(field: str) -> tuple[EntityTag, ...]:
    """The entity-tags of a list; empty where it is not one (a condition that cannot be read matches nothing)."""
    tags, position = [], 0
    while position < len(field):
        match = _TAG.match(field, position)
        if match is None:
            return ()
        if match[2] is not None:
            tags.append(EntityTag(match[2], weak=match[1] is not None))
        position = match.end()
    return tuple(tags)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_DAY_NAME = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY_NAME = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_MONTH = r"(?P<month>[A-Z][a-z]{2})"
_DATES = tuple(
    re.compile(form, re.ASCII)
    for form in (
        rf"{_DAY_NAME}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_CLOCK} GMT",
        rf"{_LONG_DAY_NAME}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_CLOCK} GMT",
        rf"{_DAY_NAME} {_MONTH} (?P<day>\d\d| \d) {_CLOCK} (?P<year>\d{{4}})",
    )
)


def parse_date(field: str, now: float | None = None) -> int | None:
    """Unix seconds of an HTTP-date in any of its three forms (5.6.7); None where it is none.

    A two-digit year that seems more than 50 years ahead of `now` is of the century before.
    """
    match = next((match for form in _DATES if (match := form.fullmatch(field))), None)
    if match is None or match["month"] not in _MONTHS:
        return None
    day, year = int(match["day"]), int(match["year"])
    if len(match["year"]) == 2:
        this_year = time.gmtime(now).tm_year
        year += this_year // 100 * 100
        year -= 100 if year > this_year + 50 else 0
    month = _MONTHS.index(match["month"]) + 1
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"])
    if year < 1 or not 1 <= day <= calendar.monthrange(year, month)[1] or hour > 23 or minute > 59 or second > 60:
        return None
    return calendar.timegm((year, month, day, hour, minute, second))


@lru_cache(maxsize=1024)
def format_date(seconds: int) -> str:
    """An IMF-fixdate."""
    return formatdate(seconds, usegmt=True)


# The answer (13.2.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFields:
    """What of a request decides which bytes it gets: method and field values, None where a field is not there."""

    method: str = "GET"
    range: str | None = None
    if_range: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_unmodified_since: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Representation:
    """What is known of the content: size in bytes, validators, type. `last_modified` in whole Unix seconds."""

    size: int
    etag: EntityTag | None
    last_modified: int | None
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status 200 (one range: all), 206 (one or several), 304, 412 or 416 (none)."""

    status: int
    ranges: tuple[ByteRange, ...] = ()


def answer(request: RequestFields, content: Representation, now: float) -> Answer:
    """What a GET or HEAD gets, by the precedence of 13.2.2; HEAD, and any method but GET, has no Range (14.2).

    `now` in Unix seconds tells whether a date is a strong validator yet.
    """
    if request.if_match is not None:
        if not _matches(request.if_match, content.etag, strongly=True):
            return Answer(412)
    elif request.if_unmodified_since is not None and _modified_since(request.if_unmodified_since, content, now):
        return Answer(412)
    if request.if_none_match is not None:
        if _matches(request.if_none_match, content.etag, strongly=False):
            return Answer(304)
    elif request.if_modified_since is not None and _modified_since(request.if_modified_since, content, now) is False:
        return Answer(304)
    if request.method == "GET" and request.range is not None and _if_range_holds(request.if_range, content, now):
        return _ranged(request.range, content.size)
    return Answer(200, (ByteRange(0, content.size),))


def _ranged(field: str, size: int) -> Answer:
    whole = Answer(200, (ByteRange(0, size),))
    specs = parse_range(field)
    if specs is None:
        return whole
    ranges = merged(satisfiable(specs, size))
    if len(ranges) > MAXIMUM_PARTS:
        return whole
    if ranges:
        return Answer(206, ranges)
    # A suffix of empty content is satisfiable (14.1.2), but no Content-Range can say so.
    return whole if any(isinstance(spec, Suffix) and spec.length for spec in specs) else Answer(416)


def _matches(field: str, etag: EntityTag | None, *, strongly: bool) -> bool:
    if field.strip(" \t") == "*":
        return True
    if etag is None:
        return False
    return any(etag.strongly_matches(t) if strongly else etag.weakly_matches(t) for t in parse_entity_tags(field))


def _modified_since(field: str, content: Representation, now: float) -> bool | None:
    """None where the condition is to be ignored: no date, or nothing known to compare it with."""
    since = parse_date(field, now)
    return None if since is None or content.last_modified is None else content.last_modified > since


def _if_range_holds(field: str | None, content: Representation, now: float) -> bool:
    """13.1.5: one entity-tag, compared strongly, or a date that is exactly Last-Modified and strong."""
    if field is None:
        return True
    tags = parse_entity_tags(field)
    if tags:
        return len(tags) == 1 and content.etag is not None and content.etag.strongly_matches(tags[0])
    date = parse_date(field, now)
    # Within its own second a file can change again and keep its date (8.8.2.2).
    return date is not None and date == content.last_modified and now >= date + 1
