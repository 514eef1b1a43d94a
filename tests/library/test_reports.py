"""Reports: all that JSON has, for people; HTML that needs nothing, PDF that other programs read; pictures of real clips."""

from __future__ import annotations

import html.parser
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from film_archive.core.errors import NotFound, Refused, UsageError
from film_archive.core.job import Failure, Report
from film_archive.library.offload import offload
from film_archive.library.offload_report import offload_page
from film_archive.library.report_html import html_of
from film_archive.library.report_page import Page, page_of, require_writable, table, write_page
from film_archive.library.report_pictures import pictures_of
from film_archive.testing.media import ClipSpec, make_clip
from tests.cli.running import film_archive
from tests.library.trees import require_program, write

HOSTILE = '<script>alert(1)</script> & "quoted" \x1b[31m 日本 \udce9.mov'


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Report):
    root: str
    bytes: int
    clean: bool
    moved: tuple[str, ...]
    failed: tuple[Failure, ...]

    @property
    def exit_status(self) -> int:
        return 12 if self.failed else 0


DONE = Done(
    root=HOSTILE,
    bytes=1_234_567,
    clean=False,
    moved=("/a/1.mov", "/a/2.mov"),
    failed=(Failure(path=HOSTILE, reason=f"{HOSTILE} can't be read.", status=5),),
    seconds=1.25,
)


class _Reader(html.parser.HTMLParser):
    """What is in a page: its tags, its text, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += (value or "" for name, value in attrs if name in ("src", "href"))

    def handle_data(self, data: str) -> None:
        self.text += data


def shot(place: Path, name: str = "A001C001_240911_R1AB.mov") -> Path:
    place.mkdir(parents=True, exist_ok=True)
    return make_clip(ClipSpec(name="shot", width=320, height=180, frames=10), place).rename(place / name)


def test_a_page_has_all_that_the_report_has() -> None:
    page = page_of("Moved", DONE)
    assert dict(page.facts) == {"Root": page.facts[0][1], "Bytes": "1.23 MB (1,234,567 bytes)", "Clean": "no", "Seconds": "1.2"}
    assert [each.title for each in page.tables] == ["Moved", "Failed"]
    assert page.tables[0].rows == (("/a/1.mov",), ("/a/2.mov",))
    assert not page.is_good
    assert "in part" in page.verdict


def test_html_loads_nothing_and_shows_hostile_names_as_text() -> None:
    text = html_of(page_of(HOSTILE, DONE)).decode()
    read = _Reader(text)
    assert "script" not in read.tags
    assert "<script>alert(1)</script>" in read.text
    assert "\x1b" not in text
    assert read.loaded == []
    assert "url(" not in text


def test_pdf_has_the_text_over_several_pages(tmp_path: Path) -> None:
    pdftotext = require_program("pdftotext")
    rows = [(f"/card/clip {number:04d} 日本.mov", f"{number}" * 8) for number in range(200)]
    page = page_of("Offload of Ä001", DONE, more=[table("Files", ("Path", "Digest"), rows)], is_signed=True)
    write_page(tmp_path / "r.pdf", page)
    text = subprocess.run([pdftotext, "-layout", tmp_path / "r.pdf", "-"], check=True, capture_output=True, text=True).stdout
    assert text.count("\f") > 2
    assert text.count("Digest") == text.count("\f") - text.split("Files (200)")[0].count("\f")  # the head is on each page
    assert all(f"clip {number:04d}" in text for number in range(200))
    assert "Offload of Ä001" in text
    assert "Received by" in text


def test_tables_that_are_too_long_say_how_much_they_leave_out() -> None:
    long = table("Files", ("Path",), ((f"{number}",) for number in range(20_007)))
    assert (len(long.rows), long.left_out) == (20_000, 7)
    page = Page("t", "v", True, (), (long,), (), "now")
    assert "and 7 more" in html_of(page).decode()


def test_clips_have_a_picture_where_one_can_be_decoded(tmp_path: Path) -> None:
    good = shot(tmp_path / "card")
    (tmp_path / "card/cut.mov").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    write(tmp_path / "card", {"notes.txt": b"no media", "empty.mov": b"", "noise.mxf": b"\x06\x0e+4" * 100})
    found = {each.name: each for each in pictures_of(str(path) for path in (tmp_path / "card").iterdir())}
    picture = found[good.name]
    assert picture.jpeg is not None
    assert picture.jpeg.startswith(b"\xff\xd8\xff")
    assert "320×180" in picture.facts[0]
    assert not {"notes.txt", "empty.mov", "noise.mxf"} & found.keys()


def test_what_a_production_signs_of_an_offload(tmp_path: Path) -> None:
    clip = shot(tmp_path / "A001/PRIVATE/M4ROOT/CLIP", "C0001.MP4")
    (tmp_path / "raid").mkdir()
    done = offload(tmp_path / "A001", [tmp_path / "raid"])
    page = offload_page(done)
    assert "1 copy on 1 device, 1 file" in page.verdict
    assert "read back" in page.verdict
    files = next(each for each in page.tables if each.title == "Files of the copies")
    (row,) = files.rows
    assert row[0].endswith(clip.name)
    assert re.fullmatch(r"xxh128 [0-9a-f]{32}", row[2])
    assert [bool(each.jpeg) for each in page.pictures] == [True]
    assert page.is_signed
    loaded = _Reader(html_of(page).decode()).loaded
    assert [each.partition(",")[0] for each in loaded] == ["data:image/jpeg;base64"]
    again = offload_page(offload(tmp_path / "A001", [tmp_path / "raid"]))
    assert "not read now" in again.verdict
    assert "every file was read back" not in again.verdict


@pytest.mark.parametrize(
    ("name", "error"), [("report.txt", UsageError), ("report", UsageError), ("no/folder.html", NotFound), ("f.pdf", Refused)]
)
def test_a_report_that_could_not_be_written_stops_before_the_work(name: str, error: type[Exception], tmp_path: Path) -> None:
    (tmp_path / "f.pdf").mkdir()
    with pytest.raises(error):
        require_writable(tmp_path / name)


def test_verbs_write_reports(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "photos", {"a.txt": b"same" * 999, "b/a.txt": b"same" * 999})
    done = film_archive(capfd, "library", "dupes", tmp_path / "photos", "--report", tmp_path / "d.html")
    assert done.status == 0
    read = _Reader((tmp_path / "d.html").read_text())
    assert str(tmp_path / "photos/b/a.txt") in read.text
    refused = film_archive(
        capfd, "library", "sort", tmp_path / "photos", "--to", tmp_path / "q", "--dry-run", "--report", tmp_path / "s.html"
    )
    assert refused.status == 2
    assert "dry run" in refused.errors
    nowhere = film_archive(capfd, "library", "sort", tmp_path / "photos", "--to", tmp_path / "q", "--report", tmp_path / "s.doc")
    assert nowhere.status == 2
    assert not (tmp_path / "q").exists()


@pytest.mark.parametrize(
    "verb",
    [
        "offload", "safe", "where", "find", "library ingest", "library verify", "library crawl", "library dupes", "library sort",
        "library undo", "library archive", "library burned",
    ],
)  # fmt: skip
def test_each_verb_has_a_report(verb: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert "--report" in film_archive(capfd, *verb.split(), "--help").output
