"""A report's page as HTML: one file that needs no other, no script and no network, and prints well."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape

from film_archive.library.report_page import Page, Picture, Table

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #b42318 }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin: 0 0 .25rem; font-size: 1.6rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
.verdict { font-weight: 600; padding: .6rem .9rem; border-left: 6px solid var(--good); background: #8881; white-space: pre-line }
.verdict.bad { border-color: var(--bad) }
.made { opacity: .7; font-size: .85rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem } dt { opacity: .7 }
dd { margin: 0; overflow-wrap: anywhere }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-size: .85rem }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; white-space: pre-line }
th { white-space: nowrap } td { min-width: 4rem }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(180px, 1fr)); gap: 1rem }
figure { margin: 0; break-inside: avoid; font-size: .8rem; overflow-wrap: anywhere }
figure img, figure .none { width: 100%; aspect-ratio: 16/9; object-fit: contain; background: #000; border-radius: 4px }
figure .none { display: grid; place-items: center; color: #aaa } figcaption b { display: block }
.sign { display: grid; grid-template-columns: 1fr 1fr; gap: 3rem; margin-top: 5rem; break-inside: avoid }
.sign div { border-top: 1px solid; padding-top: .3rem; font-size: .85rem }
@media print { body { margin: 0; max-width: none; font-size: 11px }
  thead { display: table-header-group } tr { break-inside: avoid } }
"""


def html_of(page: Page) -> bytes:
    """The document, UTF-8."""
    return "\n".join(_parts(page)).encode("utf-8", "backslashreplace")


def _parts(page: Page) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(page.title)}</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>{escape(page.title)}</h1><p class=made>{escape(page.made)}</p>"
    yield f'<p class="verdict{"" if page.is_good else " bad"}">{escape(page.verdict)}</p><dl>'
    for name, value in page.facts:
        yield f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
    yield "</dl>"
    if page.pictures:
        yield f"<h2>Clips ({len(page.pictures)})</h2><div class=clips>"
        yield from map(_figure, page.pictures)
        yield "</div>"
    for table in page.tables:
        yield from _table(table)
    if page.is_signed:
        yield "<div class=sign><div>Name, date, signature</div><div>Received by: name, date, signature</div></div>"
    yield "</body></html>"


def _figure(picture: Picture) -> str:
    if picture.jpeg is None:
        shown = "<div class=none>no picture</div>"
    else:
        shown = f'<img loading="lazy" alt="" src="data:image/jpeg;base64,{base64.b64encode(picture.jpeg).decode()}">'
    facts = "<br>".join(map(escape, picture.facts))
    return f"<figure>{shown}<figcaption><b>{escape(picture.name)}</b>{facts}</figcaption></figure>"


def _table(table: Table) -> Iterator[str]:
    yield f"<h2>{escape(table.title)} ({len(table.rows) + table.left_out:,})</h2><div class=wide><table><thead><tr>"
    yield "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    yield "</tr></thead><tbody>"
    for row in table.rows:
        yield f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
    yield "</tbody></table></div>"
    if table.left_out:
        yield f"<p>… and {table.left_out:,} more, which --json lists.</p>"
