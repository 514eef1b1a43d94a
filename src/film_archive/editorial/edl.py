"""CMX3600 edit lists: reading them line by line.

An event line is `number reel channels transition [duration] source-in source-out record-in record-out`; it is read
from the right, four timecodes first, since reels may hold spaces. The short form without reel, `number source-in
source-out`, is read too. A line that looks like an event and can't be read becomes a diagnostic; it never ends the
reading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from film_archive.editorial.event import Diagnostic, EditList, Event

_LABEL = re.compile(r"\d{1,2}[:;]\d{1,2}[:;]\d{1,2}[:;.,]\d{1,3}", re.ASCII)
_WORD = re.compile(r"\S+")
_NUMBER = re.compile(r"\d{1,6}", re.ASCII)
_LABEL_LIKE = re.compile(r"\d{1,4}[:;]\d{1,4}", re.ASCII)
_TRANSITION = re.compile(r"C|D|W\d{1,3}|K[BO]?", re.IGNORECASE | re.ASCII)
_FCM = re.compile(r"FCM:\s*(?P<non>NON[- ]?)?DROP[- ]FRAME", re.IGNORECASE)
_LONGEST_LINE = 4096
"""Characters that are looked at; no list has longer lines."""


def read_edl(text: str) -> EditList:
    """Read a list. Nothing in it is refused; `diagnostics` tells what could not be read, with line numbers."""
    reading = _Reading()
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text.lstrip("\ufeff")), 1):
        line = line.strip("\0\x1a \t\f\v")
        if line:
            reading.line(number, line)
    return reading.finished()


@dataclass(slots=True)
class _Reading:
    title: str | None = None
    drop: bool | None = None
    events: list[Event] = field(default_factory=list)
    header: list[tuple[int, str]] = field(default_factory=list)
    comments: list[tuple[int, str]] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    lost: bool = False
    """Whether the last event could not be read."""

    def line(self, number: int, text: str) -> None:
        upper = text[:8].upper()
        if upper.startswith("TITLE:"):
            self.header.append((number, text))
            self.title = text[6:].strip()
        elif upper.startswith("FCM:"):
            self.header.append((number, text))
            self._count_mode(number, text)
        else:
            self._event_or_comment(number, text)

    def _count_mode(self, number: int, text: str) -> None:
        match = _FCM.fullmatch(text[:_LONGEST_LINE].strip())
        if match is None:
            what = f"{text[4:60].strip()!r} is no frame code mode; it is passed over"
            self.diagnostics.append(Diagnostic(number, what))
        else:
            self.drop = match["non"] is None

    def _event_or_comment(self, number: int, text: str) -> None:
        event = _event(number, text[:_LONGEST_LINE], self.drop)
        if event is not None:
            self._end_event()
            self.events.append(event)
            self.lost = False
        elif _looks_like_event(text[:_LONGEST_LINE]):
            self._end_event()
            self.diagnostics.append(Diagnostic(number, f"looks like an event and can't be read: {text[:80]!r}"))
            self.lost = True
        elif self.lost:
            self.diagnostics.append(Diagnostic(number, f"belongs to the event that could not be read: {text[:80]!r}"))
        elif self.events:
            self.comments.append((number, text))
        else:
            self.header.append((number, text))

    def _end_event(self) -> None:
        if self.comments:
            self.events[-1] = replace(self.events[-1], comments=(*self.events[-1].comments, *self.comments))
            self.comments.clear()

    def finished(self) -> EditList:
        self._end_event()
        return EditList(self.title, tuple(self.events), tuple(self.header), tuple(self.diagnostics))


def _looks_like_event(text: str) -> bool:
    """A number first, and somewhere something like a timecode."""
    first = _WORD.match(text)
    return first is not None and _NUMBER.fullmatch(first[0]) is not None and _LABEL_LIKE.search(text) is not None


def _event(line: int, text: str, drop: bool | None) -> Event | None:
    """The event of a line, or None where it is none."""
    words = list(_WORD.finditer(text))
    if len(words) < 3 or _NUMBER.fullmatch(words[0][0]) is None:
        return None
    labels = _labels(words)
    if labels is None:
        return None
    edit = _edit(text, words[1 : labels.start])
    if edit is None:
        return None
    written = [words[place][0] for place in labels]
    rest = text[words[labels.stop - 1].end() :].strip()
    return Event(
        line=line,
        event=words[0][0],
        reel=edit.reel,
        channels=edit.channels,
        transition=edit.transition,
        transition_duration=edit.duration,
        source_in=written[0],
        source_out=written[1],
        record_in=written[2] if len(written) == 4 else None,
        record_out=written[3] if len(written) == 4 else None,
        drop_frame=drop,
        comments=((line, rest),) if rest else (),
    )


def _labels(words: list[re.Match[str]]) -> range | None:
    """Where the timecodes stand among a line's words: the last four in a row, or the short form's only two."""
    are = [_LABEL.fullmatch(word[0]) is not None for word in words]
    for last in range(len(words) - 1, 3, -1):
        if all(are[last - 3 : last + 1]):
            return range(last - 3, last + 1)
    if sum(are) == 2:
        first = are.index(True)
        if are[first + 1]:
            return range(first, first + 2)
    return None


@dataclass(frozen=True, slots=True)
class _Edit:
    reel: str | None = None
    channels: str | None = None
    transition: str = "C"
    duration: int = 0


def _edit(text: str, words: list[re.Match[str]]) -> _Edit | None:
    """What stands between an event's number and its timecodes; nothing at all in the short form."""
    if not words:
        return _Edit()
    end = len(words)
    duration = 0
    if end >= 2 and _NUMBER.fullmatch(words[-1][0]):
        duration, end = int(words[-1][0]), end - 1
    transition = words[end - 1][0].upper()
    if transition in ("B", "O") and end >= 2 and words[end - 2][0].upper() == "K":
        transition, end = f"K{transition}", end - 1
    elif _TRANSITION.fullmatch(transition) is None:
        return None
    end -= 1
    if end == 0:
        return None
    reel = text[words[0].start() : words[end - 2].end()] if end >= 2 else None
    return _Edit(reel, words[end - 1][0], transition, duration)
