"""A timeline as a picture (SVG 1.1): tracks as rows, pictures above sound as in an editing program, what lacks media in red.

Everything that a document says is text in it and nothing else: no links, no scripts, nothing is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from fractions import Fraction
from xml.sax.saxutils import escape, quoteattr

from film_archive.core.timecode import FrameRate
from film_archive.core.xml import is_character
from film_archive.editorial.otio_layout import LaidTrack, Layout, Piece, PieceKind


class Look(StrEnum):
    """How a piece is drawn."""

    WHOLE = "whole"
    MISSING = "missing"
    OUTSIDE = "outside"
    """Its media are there, and do not hold all of what it shows."""
    GENERATED = "generated"
    """It has no media and needs none."""


_WIDTH = 1200
_LEFT = 130
_RIGHT = 20
_TOP = 74
_ROW = 40
_STEP = 48
_LABEL = 70
"""How wide a time is, about."""
_LONGEST = 400
"""Signs of a name; more are not seen."""
_CHARACTER = 6.6
"""Points that a sign of a name takes, about."""
_STYLES = {
    Look.WHOLE: ("#3f6fb5", "#ffffff"),
    Look.MISSING: ("#c62828", "#ffffff"),
    Look.OUTSIDE: ("#e08a00", "#1c1c1c"),
    Look.GENERATED: ("#8a8f98", "#ffffff"),
}
_SOUND = "#3f8f6b"
_LEGEND = (
    (Look.WHOLE, "media in place"),
    (Look.MISSING, "media missing"),
    (Look.OUTSIDE, "range not in the media"),
    (Look.GENERATED, "without media"),
)


def draw(layout: Layout, look: Callable[[Piece], Look], title: str, below_title: str) -> str:
    """The picture; `look` says of clips, and of what is nested, how they are drawn."""
    pictures = [track for track in layout.tracks if not _is_sound(track)]
    rows = [*reversed(pictures), *(track for track in layout.tracks if _is_sound(track))]
    height = _TOP + _STEP * len(rows) + 46
    return "\n".join(_svg(rows, layout, look, title, below_title, height)) + "\n"


def _svg(
    rows: list[LaidTrack], layout: Layout, look: Callable[[Piece], Look], title: str, below_title: str, height: int
) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="Helvetica, Arial, sans-serif">'
    )
    yield f"<title>{_text(title)}</title>"
    yield f'<rect width="{_WIDTH}" height="{height}" fill="#f7f7f5"/>'
    yield f'<text x="20" y="28" font-size="18" font-weight="bold" fill="#1c1c1c">{_text(title)}</text>'
    yield f'<text x="20" y="46" font-size="12" fill="#555555">{_text(below_title)}</text>'
    scale = Fraction(_WIDTH - _LEFT - _RIGHT) / (layout.seconds or 1)
    yield from _ruler(layout, scale, _TOP + _STEP * len(rows))
    for number, track in enumerate(rows):
        yield from _track(track, _TOP + _STEP * number, scale, look)
    yield from _legend(height - 16)
    yield "</svg>"


def _ruler(layout: Layout, scale: Fraction, bottom: int) -> Iterator[str]:
    """Lines at round times, at most some twelve of them."""
    if not layout.seconds:
        return
    step = next((step for step in _TICKS if layout.seconds / step <= 12), layout.seconds / 12)
    for number in range(int(layout.seconds / step) + 1):
        x = _LEFT + float(number * step * scale)
        yield f'<line x1="{x:.2f}" y1="{_TOP - 8}" x2="{x:.2f}" y2="{bottom}" stroke="#d9d9d4"/>'
        if x < _WIDTH - _LABEL:
            label = clock(number * step, layout.rate)
            yield f'<text x="{x + 3:.2f}" y="{_TOP - 6}" font-size="10" fill="#777777">{label}</text>'


_TICKS = tuple(
    Fraction(step) for step in ("1/24", "1/8", "1/4", "1/2", 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
)


def clock(seconds: Fraction, rate: FrameRate | None) -> str:
    """A length as hours, minutes, seconds and frames; with thousandths where there is no frame rate."""
    whole = int(seconds)
    text = f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
    if rate is None:
        return f"{text}.{int((seconds - whole) * 1000):03}"
    frames = round(seconds * rate)
    nominal = rate.nominal
    whole, rest = divmod(frames, nominal)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}:{rest:02}"


def _track(track: LaidTrack, y: int, scale: Fraction, look: Callable[[Piece], Look]) -> Iterator[str]:
    name = _shortened(track.name, (_LEFT - 30) / _CHARACTER)
    yield f'<text x="20" y="{y + 25}" font-size="12" fill="#333333">{_text(name)}</text>'
    yield (
        f'<rect x="{_LEFT}" y="{y}" width="{_WIDTH - _LEFT - _RIGHT}" height="{_ROW}" fill="#ececea"/>'
    )
    for piece in track.pieces:
        if piece.kind in (PieceKind.CLIP, PieceKind.NESTED):
            yield from _piece(piece, track, y, scale, look(piece))
    for piece in track.pieces:
        if piece.kind is PieceKind.TRANSITION:
            x, width = _across(piece, scale)
            points = f"{x:.2f},{y + _ROW} {x + width:.2f},{y} {x + width:.2f},{y + _ROW}"
            yield f'<polygon points="{points}" fill="#ffffff" fill-opacity="0.45" stroke="#1c1c1c" stroke-width="0.6"/>'


def _piece(piece: Piece, track: LaidTrack, y: int, scale: Fraction, look: Look) -> Iterator[str]:
    x, width = _across(piece, scale)
    fill, ink = _STYLES[look]
    if look is Look.WHOLE and _is_sound(track):
        fill = _SOUND
    dashed = ' stroke-dasharray="5 3"' if piece.kind is PieceKind.NESTED else ""
    yield "<g>"
    yield f"<title>{_text(piece.name or piece.kind)}</title>"
    yield (
        f'<rect x="{x:.2f}" y="{y + 1}" width="{max(width, 1):.2f}" height="{_ROW - 2}" rx="2" fill={quoteattr(fill)} '
        f'stroke="#1c1c1c" stroke-width="0.8"{dashed}/>'
    )
    name = _shortened(piece.name, (width - 8) / _CHARACTER)
    if name:
        yield f'<text x="{x + 5:.2f}" y="{y + 24}" font-size="11" fill={quoteattr(ink)}>{_text(name)}</text>'
    yield "</g>"


def _across(piece: Piece, scale: Fraction) -> tuple[float, float]:
    begin = max(Fraction(0), piece.begin)
    return _LEFT + float(begin * scale), float((piece.begin + piece.seconds - begin) * scale)


def _legend(y: int) -> Iterator[str]:
    x = _LEFT
    for look, meaning in _LEGEND:
        yield f'<rect x="{x}" y="{y - 10}" width="12" height="12" rx="2" fill="{_STYLES[look][0]}"/>'
        yield f'<text x="{x + 18}" y="{y}" font-size="11" fill="#333333">{meaning}</text>'
        x += 170


def _is_sound(track: LaidTrack) -> bool:
    return track.kind.casefold().startswith("audio")


def _shortened(name: str, signs: float) -> str:
    """As much of a name as there is room for; "" where that says nothing."""
    if len(name) <= signs:
        return name
    return "" if signs < 3 else name[: int(signs) - 1] + "…"


def _text(text: str) -> str:
    """Text for XML, which has no control characters, not even escaped."""
    return escape("".join(sign if is_character(sign) else "\ufffd" for sign in text[:_LONGEST]))
