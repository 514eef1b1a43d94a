"""A report's page as PDF, A4, with a picture of each clip and numbered pages: what a production signs.

Made with ReportLab, which is BSD, Python alone (beside Pillow), and breaks tables over pages with their heads. Its font is
Bitstream Vera, embedded; signs that it lacks are set in the CJK fonts that every PDF reader has, else as their numbers.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache, partial
from html import escape
from typing import Any

from film_archive.library.report_page import Page, Picture, Table

_FONT, _BOLD, _CJK = "Vera", "VeraBd", "HeiseiKakuGo-W5"
_COLUMNS = 4
_PICTURE = (120.0, 67.5)
"""Points."""
_WIDE = 6
"""From so many columns on, a table lies across a page that lies."""


def pdf_of(page: Page) -> bytes:
    """The document."""
    from reportlab.lib.pagesizes import A4, landscape
    from reportlab.platypus import SimpleDocTemplate

    _fonts()
    target = io.BytesIO()
    lies = any(len(table.columns) >= _WIDE for table in page.tables)
    document = SimpleDocTemplate(
        target,
        pagesize=landscape(A4) if lies else A4,
        leftMargin=42,
        rightMargin=42,
        topMargin=42,
        bottomMargin=48,
        title=page.title,
        author="film-archive",
        subject=page.verdict,
        invariant=1,
    )
    foot = partial(_foot, page.title, page.made)
    document.build(list(_story(page, document.width)), onFirstPage=foot, onLaterPages=foot)
    return target.getvalue()


@cache
def _fonts() -> frozenset[int]:
    """Make the fonts known; returns the signs that the main one has."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.ttfonts import TTFont

    main = TTFont(_FONT, "Vera.ttf")
    for font in (main, TTFont(_BOLD, "VeraBd.ttf"), UnicodeCIDFont(_CJK)):
        pdfmetrics.registerFont(font)
    return frozenset(main.face.charToGlyph)


def _marked(text: str) -> str:
    """Text as ReportLab's markup, in fonts that have its signs."""
    known = _fonts()
    made = []
    for sign in text:
        if sign == "\n":
            made.append("<br/>")
        elif ord(sign) in known:
            made.append(escape(sign))
        elif 0x2E80 <= ord(sign) <= 0x9FFF or 0xF900 <= ord(sign) <= 0xFFEF:
            made.append(f'<font name="{_CJK}">{sign}</font>')
        else:
            made.append(escape(sign.encode("unicode_escape").decode("ascii")))
    return "".join(made).replace(f'</font><font name="{_CJK}">', "")


def _words(text: str, size: float = 9, *, bold: bool = False, color: str = "#000000") -> Any:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    # Paths and digests have no spaces to break at.
    style = ParagraphStyle(
        f"{size}{bold}{color}",
        fontName=_BOLD if bold else _FONT,
        fontSize=size,
        leading=size * 1.3,
        textColor=color,
        splitLongWords=1,
    )
    return Paragraph(_marked(text), style)


def _story(page: Page, width: float) -> Iterator[Any]:
    from reportlab.platypus import KeepTogether, Spacer
    from reportlab.platypus import Table as Grid

    yield _words(page.title, 17, bold=True)
    yield Spacer(0, 4)
    yield _words(page.made, 8, color="#666666")
    yield Spacer(0, 8)
    side = "#1a7f37" if page.is_good else "#b42318"
    yield Grid(
        [[_words(page.verdict, 11, bold=True)]],
        colWidths=[width],
        style=[("LINEBEFORE", (0, 0), (0, -1), 4, side), ("BACKGROUND", (0, 0), (-1, -1), "#f3f3f3")],
    )
    yield Spacer(0, 8)
    facts = [[_words(name, 9, color="#666666"), _words(value)] for name, value in page.facts]
    if facts:
        yield Grid(facts, colWidths=[width * 0.22, width * 0.78], style=[("VALIGN", (0, 0), (-1, -1), "TOP"), *_tight(1)])
    if page.pictures:
        yield Spacer(0, 10)
        yield _words(f"Clips ({len(page.pictures)})", 12, bold=True)
        yield Spacer(0, 4)
        for start in range(0, len(page.pictures), _COLUMNS):
            cells: list[Any] = [_cell(picture) for picture in page.pictures[start : start + _COLUMNS]]
            cells += [""] * (_COLUMNS - len(cells))
            yield Grid([cells], colWidths=[width / _COLUMNS] * _COLUMNS, style=[("VALIGN", (0, 0), (-1, -1), "TOP"), *_tight(3)])
    for table in page.tables:
        yield from _table(table, width)
    if page.is_signed:
        lines = Grid(
            [[_words("Name, date, signature", 8), "", _words("Received by: name, date, signature", 8)]],
            colWidths=[width * 0.45, width * 0.1, width * 0.45],
            style=[("LINEABOVE", (0, 0), (0, 0), 0.7, "#000000"), ("LINEABOVE", (2, 0), (2, 0), 0.7, "#000000")],
        )
        yield KeepTogether([Spacer(0, 60), lines])


def _tight(points: float) -> list[tuple[Any, ...]]:
    return [(side, (0, 0), (-1, -1), points) for side in ("TOPPADDING", "BOTTOMPADDING")]


def _cell(picture: Picture) -> list[Any]:
    from reportlab.platypus import Image
    from reportlab.platypus import Table as Grid

    if picture.jpeg is None:
        box = [("BACKGROUND", (0, 0), (-1, -1), "#222222"), ("VALIGN", (0, 0), (-1, -1), "MIDDLE")]
        shown = Grid([[_words("no picture", 8, color="#aaaaaa")]], colWidths=[_PICTURE[0]], rowHeights=[_PICTURE[1]], style=box)
        shown.hAlign = "LEFT"
    else:
        shown = Image(io.BytesIO(picture.jpeg), *_PICTURE, kind="proportional", hAlign="LEFT")
    return [shown, _words(picture.name, 7.5, bold=True), *(_words(fact, 7) for fact in picture.facts)]


def _table(table: Table, width: float) -> Iterator[Any]:
    from reportlab.platypus import LongTable, Spacer

    yield Spacer(0, 12)
    yield _words(f"{table.title} ({len(table.rows) + table.left_out:,})", 12, bold=True)
    yield Spacer(0, 4)
    rows = [[_words(column, 7.5, bold=True) for column in table.columns]]
    rows += [[_words(cell, 7) for cell in row] for row in table.rows]
    shares = [_share(table, number) for number in range(len(table.columns))]
    style = [("LINEBELOW", (0, 0), (-1, -1), 0.25, "#999999"), ("VALIGN", (0, 0), (-1, -1), "TOP"), *_tight(1.5)]
    yield LongTable(rows, colWidths=[width * share / sum(shares) for share in shares], repeatRows=1, style=style)
    if table.left_out:
        yield _words(f"… and {table.left_out:,} more, which --json lists.", 8)


def _share(table: Table, column: int) -> float:
    """How wide a column is to be, by what is in it."""
    longest = max((len(row[column]) for row in table.rows[:200]), default=0)
    return float(max(9, len(table.columns[column]) + 2, min(40, longest)))


def _foot(title: str, made: str, canvas: Any, document: Any) -> None:
    from reportlab.platypus import Frame

    canvas.saveState()
    foot = Frame(document.leftMargin - 6, 14, document.width + 12, 26, showBoundary=0)
    foot.addFromList([_words(f"{title} · {made} · page {canvas.getPageNumber()}", 7, color="#666666")], canvas)
    canvas.restoreState()
