"""Zips that are made to fill a disk or to take for ever: the one rule by which they are known.

Members of an honest zip lie beside each other, so what they take up is no more than the file has. And what they unpack to stays
near it: media hardly shrink at all, text and tables at most some 30 : 1, a frame of one colour 1000 : 1, which is what deflate
can do. A whole zip of over 200 : 1 has nothing in it but such; below 1 GiB it does no harm on any disk, whatever the ratio.
So: more than 1 GiB *and* more than 200 times its packed bytes is refused, and so are members that together take up more
than the file. Both are told from the directory alone, before anything is unpacked.
"""

from __future__ import annotations

from collections.abc import Iterable

from film_archive.archive import packing

HARMLESS = 1 << 30
"""Bytes, unpacked."""
RATIO = 200


def claim_problem(file_size: int, claims: Iterable[tuple[int, int, int]]) -> str | None:
    """What is wrong with what members claim, each as (method, packed size, size); None where it can be true.

    Claims that no stream can hold don't count: such members are never unpacked.
    """
    packed, total = 0, 0
    for method, member_packed, member_size in claims:
        if not packing.is_possible(method, member_packed, member_size):
            continue
        packed += member_packed
        total += member_size
    if packed > file_size:
        return f"has {file_size} bytes of which {packed} are claimed, some more than once, as in a zip bomb"
    if total > HARMLESS and total > RATIO * max(1, packed):
        return f"has {packed} packed bytes that claim to be {total} when unpacked, as in a zip bomb"
    return None


def overlaps(regions: Iterable[tuple[int, int, str]]) -> Iterable[tuple[str, str]]:
    """Pairs of names of which the second's region (start, end, name) begins before an earlier one's end."""
    reached, whose = 0, ""
    for start, end, name in sorted(regions):
        if start < reached and end > start:
            yield whose, name
        if end > reached:
            reached, whose = end, name
