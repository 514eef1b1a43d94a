"""The names of a pull's cuts: each may be there once, and nothing else may have it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from film_archive.archive import layout
from film_archive.core.errors import Refused
from film_archive.core.source import printable
from film_archive.editorial.identity import media_name, stem_of
from film_archive.workflows import pull_records
from film_archive.workflows.cut_records import sidecar_of
from film_archive.workflows.pull_plans import PulledEvent, PullStep


class CutNames:
    """The names of a pull's cuts; each may be there once, and nothing may have it."""

    def __init__(self, folder: Path, list_path: Path) -> None:
        self._folder, self._list_path = folder, list_path
        self._taken: dict[str, str] = {}
        for name in pull_records.own_names(list_path):
            self._taken[layout.fold(name)] = "this pull's own record"
        self._steps: list[PullStep] = []

    def take(self, step: PullStep, events: Sequence[PulledEvent]) -> None:
        who = f"event {events[step.events[0]].event} (line {events[step.events[0]].line})"
        for name in (step.output.name, sidecar_of(step.output).name):
            other = self._taken.setdefault(layout.fold(name), who)
            if other is not who:
                raise Refused(
                    f"{other} and {who} would both be called {printable(step.output.name)}; put more into the template "
                    "({line}, {start}, {track}), or --merge what overlaps. Nothing was written."
                )
        self._steps.append(step)

    def require_free(self) -> None:
        known = pull_records.Known.read(self._folder, self._list_path)
        for step in self._steps:
            for path in (step.output, sidecar_of(step.output)):
                if os.path.lexists(path) and not known.may_be_ours(step):
                    raise Refused(
                        f"{printable(path)} exists already, and is not what this pull had made there; nothing was written. Pull "
                        "into another folder, or give another template."
                    )


def clip_stem(what: str) -> str:
    """What a clip is called in the names of its cuts: its file without extension, a sequence without its number."""
    name = media_name(what)
    stem = stem_of(name)
    return name[: len(stem)] if name.casefold().startswith(stem) else stem
