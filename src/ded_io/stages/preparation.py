"""The first look at a shot: whether its clip is there and whole, and whether the shot tree has the plate already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ded_io.looks import require_look
from ded_io.models import Act, ProcessingResult, ShotInfo
from ded_io.numbers import numbers_text
from ded_io.preparing import prepare
from ded_io.shot_tree import Place, next_version, remember, standing
from ded_io.stages.base import PipelineStage
from film_archive.core.errors import Damaged


class PreparationStage(PipelineStage):
    """Looks at the clip and the shot tree before anything is made. What the tree has of the same input is not made again."""

    def process(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> None:
        made = shot_info.outputs
        facts = prepare(shot_info, result)
        assert made.frames is not None
        assert made.ingest_id is not None
        holes = sorted(facts.missing.intersection(range(made.frames.first_source, made.frames.last_source + 1)))
        if holes:
            raise Damaged(
                f"{shot_info.editorial_info.source_file} lacks the frames {numbers_text(holes)}, counted from 0, of those that "
                f"{shot_info.code} takes; nothing was written."
            )
        place = Place.of(shot_info)
        found, warnings = standing(place, made.ingest_id)
        for warning in warnings:
            result.add_warning(warning)
        if found is not None:
            remember(shot_info, place, found)
            result.data["unchanged"] = True
        else:
            require_look(shot_info)
            next_version(place, shot_info.editorial_info.version)  # refused now, not after all frames
        result.data["frames"] = made.frames.count
        result.data["first_frame"], result.data["last_frame"] = made.frames.first_number, made.frames.last_number

    def plan(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> Iterator[Act]:
        self.process(shot_info, result)  # it only looks
        if shot_info.outputs.unchanged:
            yield Act(self.name, "note", f"unchanged: {shot_info.outputs.container} was made of the same")
