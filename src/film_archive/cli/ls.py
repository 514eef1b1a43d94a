"""`ls ARCHIVE`: what an archive holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from film_archive.cli.output import print_error, print_json_list, say, size_text, table
from film_archive.core.wording import amount

if TYPE_CHECKING:
    from film_archive.core.member import Member, ProxyRecord


def register(app: typer.Typer) -> None:
    app.command("ls")(ls)


def ls(
    archive: Path = typer.Argument(..., help="An archive: a zip, or a folder made with --in-place."),
    all_members: bool = typer.Option(False, "--all", "-a", help="Also our own data: proxies, frame indexes."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """List an archive's members."""
    from film_archive.workflows.listing import is_own, list_members

    with list_members(archive) as listing:
        if json:
            records = (_record(member) for member in listing.members)
            failure = print_json_list("members", records, **listing.holds.to_json())
            return 0 if failure is None else print_error("film-archive", str(failure), failure.exit_status)
        rows, clips, total, hidden = [], 0, 0, 0
        for member in listing.members:
            if is_own(member) and not all_members:
                hidden += 1
                continue
            clips += member.is_original and bool(member.get("media"))
            total += member.size
            rows.append((member.role, size_text(member.size), _facts(member), member.path))
        table(rows, right=(1,))
        if listing.holds.caution is not None:
            say(f"note: {listing.holds.caution}")
        own = f"; {hidden} more are our own data, hidden (--all shows them)" if hidden else ""
        say(f"{amount(len(rows), 'member')} ({amount(clips, 'clip')}), {size_text(total)}{own}")
        return 0


_OTHER: tuple[tuple[str, object], ...] = (("offset", None), ("digests", {}))
_ORIGINAL = (*_OTHER, ("media", None), ("proxies", []))
"""What a script finds in every record, whether the manifest has it or not."""


def _record(member: Member) -> dict[str, Any]:
    record = member.to_json()
    for key, default in _ORIGINAL if record["role"] == "original" else _OTHER:
        if key not in record:
            record[key] = default
    return record


def _proxy_text(proxy: ProxyRecord) -> str:
    return proxy.size if proxy.codec == "h264" else f"{proxy.size} ({proxy.codec})"


def _facts(member: Member) -> str:
    if member.part_of is not None:
        return f"part of {member.part_of.rpartition('/')[2]}"
    media = member.get("media")
    if not media:
        return ""
    words = [media.get("profile") or media.get("codec") or media.get("container")]
    if media.get("width"):
        words.append(f"{media['width']}×{media['height']}")
    if media.get("frames") is not None:
        words.append(amount(media['frames'], 'frame'))
    if media.get("start_timecode"):
        words.append(media["start_timecode"])
    if member.parts:
        words.append(amount(len(member.parts), "part"))
    if member.proxies:
        words.append("proxies: " + ",".join(_proxy_text(proxy) for proxy in member.proxies))
    return " ".join(str(word) for word in words if word)
