"""Frame-wrapped essence: edit units and the elements in them, by index table as far as one is right, else by walking.

An edit unit is a content package: system item, picture, sound, data, each with filler behind it (ST 379-1).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from film_archive.media.mxf.container import Container
from film_archive.media.mxf.elements import NO_ELEMENTS, Content, Elements
from film_archive.media.mxf.index_tables import IndexTable
from film_archive.media.mxf.klv import KlvReader
from film_archive.media.mxf.lookup import Lookup
from film_archive.media.mxf.walking import walk_units


def read_units(
    reader: KlvReader,
    container: Container,
    table: IndexTable | None,
    lead: bytes,
    others: Collection[bytes],
    fixed: Collection[bytes] = (),
) -> Content:
    """All complete edit units of a frame-wrapped container.

    `lead` is the key of the element that makes an edit unit count (the picture; the sound where there is none),
    `others` are those to find beside it. `fixed` are keys of elements whose codec never changes its size: where the
    units of the index have one size too, they are proved on some units instead of read on all.
    """
    notes: list[str] = []
    if table is not None and len(table):
        found: tuple[Container, Lookup, Content] | None = None
        for candidate in (container,) if container.gapless else (container, container.counted()):
            lookup = Lookup(reader, candidate, table, lead, fixed)
            by_index = lookup.read(others)
            if by_index is not None and (found is None or by_index.indexed > found[2].indexed):
                found = (candidate, lookup, by_index)
        if found is not None:
            right, lookup, by_index = found
            rest = walk_units(reader, right, int(by_index.ends[-1]), lead, others, lookup.first_key)
            return _joined(by_index, rest)
        notes.append("The index table does not lead to the essence; every triplet was visited instead.")
    content = walk_units(reader, container, container.chunks[0].start, lead, others)
    return replace(content, diagnostics=(*notes, *content.diagnostics))


def _joined(first: Content, rest: Content) -> Content:
    count = len(first.starts)
    elements = dict(first.elements)
    for key, tail in rest.elements.items():
        head = elements.get(key, NO_ELEMENTS)
        elements[key] = Elements(
            np.concatenate((head.units, tail.units + count)),
            np.concatenate((head.offsets, tail.offsets)),
            np.concatenate((head.sizes, tail.sizes)),
        )
    notes = [*first.diagnostics, *rest.diagnostics]
    if len(rest.starts):
        notes.append(
            f"{len(rest.starts)} edit unit(s) that the index table does not list were found behind those it lists."
        )
    return Content(
        np.concatenate((first.starts, rest.starts)),
        np.concatenate((first.ends, rest.ends)),
        elements,
        first.indexed,
        first.doubled or rest.doubled,
        rest.cut,
        tuple(notes),
    )
