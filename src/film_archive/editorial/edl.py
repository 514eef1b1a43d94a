"""CMX3600 edit lists, and what has become of them: reading them line by line.

An event line is `number reel channels transition [duration] source-in source-out record-in record-out`. It is read from
the right, four timecodes first, since reels hold blanks and have any width; then from the left. The source columns, or
all four, may be frame numbers. The short form without reel, `number source-in source-out`, is read too. A line that
looks like an event and can't be read becomes a diagnostic; it never ends the reading. Sources: the CMX 340/3400/3600
manuals' list format, and what programs really write (`docs/lists.md`).

Every expression here matches a single word, or has no two ways to match, so that the time is linear in the list's size.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

from film_archive.editorial.comments import LONGEST, facts_of
from film_archive.editorial.event import Diagnostic, EditList, Event, Speed
from film_archive.editorial.text import Line, decode, lines

_LABEL = re.compile(r"\d{1,2}[:;]\d{1,2}[:;]\d{1,2}[:;.,]\d{1,3}", re.ASCII)
_WORD = re.compile(r"[^\s\0]+")
_NUMBER = re.compile(r"\d{1,6}", re.ASCII)
_FRAMES = re.compile(r"\d{1,9}", re.ASCII)
_LABEL_LIKE = re.compile(r"\d{1,4}[:;]\d{1,4}", re.ASCII)
_TRANSITION = re.compile(r"C|D|W\d{1,3}|K[BO]?", re.IGNORECASE | re.ASCII)
_FCM = re.compile(r"(?P<non>NON[- ]?)?DROP[- ]?FRAME", re.IGNORECASE)
_PER_SECOND = re.compile(r"[-+]?\d{1,6}(?:\.\d{0,6})?", re.ASCII)


def read_edl(text: str | bytes) -> EditList:
    """Read a list. Nothing in it is refused; `diagnostics` tells what could not be read, with line numbers."""
    encoding = None
    if isinstance(text, bytes):
        text, encoding = decode(text)
    reading = _Reading()
    for line in lines(text.removeprefix("\ufeff")):
        reading.line(line)
    return reading.finished(encoding)


def looks_like_edl(text: str) -> bool:
    """Whether some line among a text's first ones is an event."""
    return any(_event(line, None) is not None for line in lines(text[:65536]))


@dataclass(slots=True)
class _Draft:
    """An event whose comments are still to come."""

    line: int
    event: str
    edit: _Edit
    labels: list[str]
    rest: str
    drop: bool | None
    comments: list[Line] = field(default_factory=list)
    speed: Speed | None = None

    def finished(self) -> Event:
        edit, labels = self.edit, self.labels
        return Event(
            line=self.line,
            event=self.event,
            reel=edit.reel,
            channels=edit.channels,
            transition=edit.transition,
            transition_duration=edit.duration,
            source_in=labels[0],
            source_out=labels[1],
            record_in=labels[2] if len(labels) == 4 else None,
            record_out=labels[3] if len(labels) == 4 else None,
            drop_frame=self.drop,
            rest=self.rest,
            comments=tuple(self.comments),
            speed=self.speed,
            **facts_of(self.comments),
        )


@dataclass(slots=True)
class _Reading:
    title: str | None = None
    drop: bool | None = None
    drafts: list[_Draft] = field(default_factory=list)
    header: list[Line] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    lost: bool = False
    """Whether the last event could not be read."""

    def line(self, line: Line) -> None:
        start = line.text[:8].upper()
        if start.startswith("TITLE:"):
            self.header.append(line)
            self.title = line.text[6:].strip() if self.title is None else self.title
        elif start.startswith("FCM:"):
            self.header.append(line)
            self._count_mode(line)
        elif start.startswith(("M2 ", "M2\t")):
            self._speed(line)
        else:
            self._event_or_comment(line)

    def _count_mode(self, line: Line) -> None:
        match = _FCM.fullmatch(line.text[4:64].strip())
        if match is None:
            what = f"{line.text[4:64].strip()!r} is no frame code mode; it is passed over"
            self.diagnostics.append(Diagnostic(line.number, what))
        else:
            self.drop = match["non"] is None

    def _event_or_comment(self, line: Line) -> None:
        draft = _event(line, self.drop)
        if draft is not None:
            self.drafts.append(draft)
            self.lost = False
        elif _looks_like_event(line.text[:LONGEST]):
            self._unread(line, "looks like an event and can't be read")
            self.lost = True
        else:
            self._comment(line)

    def _comment(self, line: Line) -> None:
        if self.lost:
            self._unread(line, "belongs to an event that could not be read")
        elif self.drafts:
            self.drafts[-1].comments.append(line)
        else:
            self.header.append(line)

    def _unread(self, line: Line, why: str) -> None:
        self.diagnostics.append(Diagnostic(line.number, f"{why}: {line.text[:80]!r}", line.text))

    def _speed(self, line: Line) -> None:
        """An M2 line belongs to the line of this event whose reel and source in it names, else the nearest fit."""
        speed = _speed(line)
        if speed is None or self.lost or not self.drafts:
            if speed is None:
                self.diagnostics.append(Diagnostic(line.number, f"this M2 line can't be read: {line.text[:80]!r}"))
            self._comment(line)
            return
        draft = self._draft_for(speed)
        if draft is None:
            what = f"event {self.drafts[-1].event} has two M2 lines; the second one is kept as a comment"
            self.diagnostics.append(Diagnostic(line.number, what))
            self._comment(line)
            return
        draft.speed = speed
        if not _same_label(draft.labels[0], speed.trigger):
            what = f"M2 names {speed.trigger}, which is no source in of event {draft.event}; it is taken for line {draft.line}"
            self.diagnostics.append(Diagnostic(line.number, what))

    def _draft_for(self, speed: Speed) -> _Draft | None:
        """Of the lines of the event being read, at most the last few, that which an M2 line is meant for."""
        best: tuple[int, _Draft] | None = None
        for draft in reversed(self.drafts[-8:]):
            if draft.event != self.drafts[-1].event:
                break
            if draft.speed is not None:
                continue
            fit = 2 * _same_label(draft.labels[0], speed.trigger) + (draft.edit.reel == speed.reel)
            if best is None or fit > best[0]:
                best = (fit, draft)
        return None if best is None else best[1]

    def finished(self, encoding: str | None) -> EditList:
        return EditList(
            self.title,
            tuple(draft.finished() for draft in self.drafts),
            tuple(self.header),
            tuple(self.diagnostics),
            encoding=encoding,
        )


def _same_label(one: str, other: str | None) -> bool:
    return other is not None and one.replace(";", ":") == other.replace(";", ":")


def _speed(line: Line) -> Speed | None:
    """`M2 reel frames-per-second timecode`; the reel may hold blanks or be absent, more may follow."""
    words = list(_WORD.finditer(line.text[:LONGEST]))
    for place in range(2, len(words)):
        if _is_time(words[place][0]) and _PER_SECOND.fullmatch(words[place - 1][0]):
            reel = line.text[words[1].start() : words[place - 2].end()] if place > 2 else None
            return Speed(Fraction(words[place - 1][0]), None, words[place][0], reel, line)
    if len(words) == 3 and _PER_SECOND.fullmatch(words[2][0]):
        return Speed(Fraction(words[2][0]), None, None, words[1][0], line)
    return None


def _is_time(word: str) -> bool:
    return _LABEL.fullmatch(word) is not None


def _looks_like_event(text: str) -> bool:
    """A number first, and somewhere something like a timecode."""
    first = _WORD.match(text)
    return first is not None and _NUMBER.fullmatch(first[0]) is not None and _LABEL_LIKE.search(text) is not None


def _event(line: Line, drop: bool | None) -> _Draft | None:
    """The event of a line, or None where it is none."""
    text = line.text[:LONGEST]
    first = _WORD.match(text)
    if first is None or _NUMBER.fullmatch(first[0]) is None:
        return None
    words = list(_WORD.finditer(text))
    for columns in _columns(words):
        edit = _edit(text, words[1 : columns.start])
        if edit is not None:
            written = [words[place][0] for place in columns]
            rest = line.text[words[columns.stop - 1].end() :].strip()
            return _Draft(line.number, words[0][0], edit, written, rest, drop)
    return None


def _columns(words: list[re.Match[str]]) -> list[range]:
    """Where the times can stand among a line's words, best first.

    Four timecodes in a row, the last ones; two frame numbers before the last two timecodes; four frame numbers that end
    the line; the short form's only two timecodes.
    """
    count = len(words)
    are = [_LABEL.fullmatch(word[0]) is not None for word in words]
    found = []
    fours = (range(last - 3, last + 1) for last in range(count - 1, 3, -1))
    four = next((place for place in fours if all(are[place.start : place.stop])), None)
    if four is not None:
        return [four]
    pair = next((last for last in range(count - 1, 4, -1) if are[last] and are[last - 1]), None)
    if pair is not None and _are_frames(words[pair - 3 : pair - 1]):
        found.append(range(pair - 3, pair + 1))
    if count > 5 and not any(are) and _are_frames(words[count - 4 :]):
        found.append(range(count - 4, count))
    if sum(are) == 2:
        first = are.index(True)
        if are[first + 1]:
            found.append(range(first, first + 2))
    return found


def _are_frames(words: list[re.Match[str]]) -> bool:
    return all(_FRAMES.fullmatch(word[0]) for word in words)


@dataclass(frozen=True, slots=True)
class _Edit:
    reel: str | None = None
    channels: str | None = None
    transition: str = "C"
    duration: int = 0


def _edit(text: str, words: list[re.Match[str]]) -> _Edit | None:
    """What stands between an event's number and its times; nothing at all in the short form."""
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
