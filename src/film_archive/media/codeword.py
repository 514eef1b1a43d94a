"""The timecode code word of SMPTE ST 12-1: eight BCD digits with flags among them, as image headers and sidecars
carry it."""

from __future__ import annotations

from dataclasses import dataclass

from film_archive.core.errors import InvalidTimecode
from film_archive.core.timecode import FrameRate, Timecode

_WORD_BASES = (30, 25, 24)


@dataclass(frozen=True, slots=True)
class CodeWord:
    """A label without a rate: hours to frames as the word has them, and its flags."""

    hours: int
    minutes: int
    seconds: int
    frames: int
    drop_frame: bool = False
    second_of_pair: bool = False
    """Above 30 fps, whether this is the later half of the frames that share the label (the field mark)."""
    in_full: bool = False
    """Whether every frame has its own label at any rate, as where 59 is written out at 60 fps."""

    @property
    def text(self) -> str:
        sign = ";" if self.drop_frame else ":"
        return f"{self.hours:02d}:{self.minutes:02d}:{self.seconds:02d}{sign}{self.frames:02d}"

    def timecode(self, rate: FrameRate) -> Timecode | None:
        """The label at a rate; None where it does not exist there.

        A word's frames run to 29 at most, so above 30 fps each stands for two frames or four (ST 12-1, 12-3): the field
        mark tells the halves apart.
        """
        frames = self.frames
        if rate.nominal > 30 and not self.in_full:
            base = next((base for base in _WORD_BASES if rate.nominal % base == 0), None)
            if base is None or frames >= base:
                return None
            steps = rate.nominal // base
            frames = frames * steps + (steps // 2 if self.second_of_pair else 0)
        try:
            return Timecode(self.hours, self.minutes, self.seconds, frames, rate, self.drop_frame)
        except InvalidTimecode:
            return None


def code_word(timecode: Timecode) -> int:
    """A timecode as 0xHHMMSSFF with its flags: drop-frame in bit 6, field mark in bit 15.

    Above 30 fps it counts pairs of frames, and the field mark tells the second of a pair.
    """
    pair, second = timecode.frame_pair
    word = 0
    for value in (timecode.hours, timecode.minutes, timecode.seconds, pair):
        word = word << 8 | (value // 10) << 4 | value % 10
    return word | timecode.drop_frame << 6 | second << 15


def read_code_word(word: int) -> CodeWord | None:
    """Read 0xHHMMSSFF with its flag bits; None where a digit is none.

    Bits as in OpenEXR's TV60 packing of ST 12-1: 6 drop-frame, 7 colour frame, 15 field mark (of 24- and 30-frame
    labels), 23, 30, 31 binary groups; with 25-frame labels the field mark is bit 31.
    """
    digits = (word >> 24 & 0x3F, word >> 16 & 0x7F, word >> 8 & 0x7F, word & 0x3F)
    if word < 0 or word >> 32 or any(digit & 0xF > 9 for digit in digits):
        return None
    hours, minutes, seconds, frames = ((digit >> 4) * 10 + (digit & 0xF) for digit in digits)
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    return CodeWord(hours, minutes, seconds, frames, bool(word & 0x40), bool(word & 0x8000))


def read_plain_digits(word: int) -> CodeWord | None:
    """Read 0xHHMMSSFF as eight BCD digits without flags (ST 268 knows none in a DPX); None where they are none."""
    text = f"{word & 0xFFFFFFFF:08x}"
    if word < 0 or word >> 32 or not text.isdecimal():
        return None
    hours, minutes, seconds, frames = (int(text[place : place + 2]) for place in (0, 2, 4, 6))
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    return CodeWord(hours, minutes, seconds, frames, in_full=True)


@dataclass(frozen=True, slots=True)
class HeaderStart:
    """An image header's rate and label, as far as they can be told."""

    rate: FrameRate | None = None
    timecode: Timecode | None = None
    label: str | None = None
    diagnostics: tuple[str, ...] = ()
    """Why the label is kept as text only, or how it was read."""


def header_start(word: CodeWord | None, stated: FrameRate | None, given: FrameRate | None) -> HeaderStart:
    """The start that an image header tells: its word counted at its own rate, else at the caller's."""
    rate = stated or given
    if word is None:
        return HeaderStart(rate)
    if rate is None:
        said = f"its header has timecode {word.text} but no frame rate: give one to use it"
        return HeaderStart(None, None, word.text, (said,))
    timecode = word.timecode(rate)
    if timecode is None:
        said = f"its header's timecode {word.text} does not exist at {rate.text} and was left out"
        return HeaderStart(rate, None, word.text, (said,))
    if rate.nominal > 30 and not word.in_full:
        return HeaderStart(rate, timecode, word.text, ("its header's timecode is read as ST 12-1 frame pairs",))
    return HeaderStart(rate, timecode)
