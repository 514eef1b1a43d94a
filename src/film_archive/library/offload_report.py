"""What a production signs of an offload: its clips with pictures, and every file with the digests of its ASC MHL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from film_archive.core.wording import amount, size_text
from film_archive.library import mhl
from film_archive.library.offload import Offloaded
from film_archive.library.report_page import Page, page_of, table
from film_archive.library.report_pictures import pictures_of


def offload_page(done: Offloaded) -> Page:
    """The page of an offload. What it says of files is read from the first copy, not from the card."""
    copies = [Path(copy.path) for copy in done.copies]
    entries = sorted(mhl.read_history(copies[0]), key=lambda entry: entry.path) if copies else []
    files = [copies[0] / entry.path for entry in entries]
    rows = ((entry.path, "–" if entry.size is None else f"{entry.size:,}", _digests(entry)) for entry in entries)
    return page_of(
        f"Offload of {done.name}, {done.date}",
        done,
        verdict="\n".join(_verdict(done)),
        pictures=pictures_of(str(path) for path in files if path.is_file()),
        more=[table("Files of the copies", ("Path", "Bytes", "Digests"), rows)] if entries else (),
        is_signed=True,
    )


def _verdict(done: Offloaded) -> Iterator[str]:
    devices = len({copy.device for copy in done.copies})
    made = sum(not copy.already for copy in done.copies)
    yield (
        f"{amount(len(done.copies), 'copy', 'copies')} on {amount(devices, 'device')}, {amount(done.files, 'file')}, "
        f"{size_text(done.bytes)}."
        if done.copies
        else "No copy is whole. Do not format this card."
    )
    if made:
        yield f"{amount(made, 'copy', 'copies')} made now: every file was read back, and is what the card has."
    if made < len(done.copies):
        were = amount(len(done.copies) - made, "copy was", "copies were")
        yield f"{were} there already and not read now: names, sizes and times are the card's; the digests are from then."
    if done.failed:
        yield f"{amount(len(done.failed), 'thing')} failed: see below. Do not format this card."


def _digests(entry: mhl.MhlEntry) -> str:
    return "\n".join(f"{name} {value}" for name, value in entry.digests.items())
