"""Ways to use the plate ingest from Python; each function stands alone. `python examples.py NAME [ARGUMENTS]` runs one.

    python examples.py single /path/to/clip.mxf
    python examples.py batch shots.json
    python examples.py custom /path/to/clip.mxf
    python examples.py color /tmp/dpx_output sht100 /tmp/exr
    python examples.py edit_list cut.edl /footage
"""

import sys
from pathlib import Path
from typing import Any

from ded_io import FootageIngestPipeline, ingest_shot
from ded_io.batch import read_batch
from ded_io.cut_list import shots_of_list
from ded_io.models import EditorialCutInfo, ImageSequence, ProcessingResult, ShotInfo
from ded_io.pipeline import PipelineBuilder
from ded_io.stages import (
    BurnInProxyStage,
    CleanupStage,
    OIIOColorTransformStage,
    PipelineStage,
    ShotTreeOrganizationStage,
    SonyRawConversionStage,
)


def single(clip: str) -> bool:
    """One shot, with the settings as they are."""
    summary = ingest_shot(project="my_project", sequence="sht", shot="100", source_file=Path(clip), in_point=100, out_point=150)
    print(f"sht100: {'done' if summary['overall_success'] else summary['errors']}")
    return bool(summary["overall_success"])


def batch(shots: str) -> bool:
    """The shots of a JSON file, three at a time where pipeline.shots says so."""
    pipeline = FootageIngestPipeline(project="my_project")
    pipeline.ingest_batch(read_batch(Path(shots)).cuts)
    summary = pipeline.get_summary()
    print(f"{summary['successful_shots']} of {summary['total_shots_processed']} shots")
    return bool(summary["overall_success"])


class ListFrames(PipelineStage):
    """A stage of one's own: writes the frames' names into a text file beside the plate's folder."""

    NEEDS = ("plate",)

    def process(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> None:
        if not self.validate_inputs(shot_info, result):
            return
        plate = shot_info.outputs.plate
        assert plate is not None
        target = shot_info.settings.shot_tree_root / f"{shot_info.code}_frames.txt"
        target.write_text("".join(f"{path.name}\n" for path in plate.paths()))
        result.data["output_path"] = str(target)


def custom(clip: str) -> bool:
    """A pipeline without Kitsu, with burnt-in frame numbers and a stage of one's own."""
    cut = EditorialCutInfo(sequence="sht", shot="100", source_file=Path(clip), in_point=100, out_point=150)
    builder = PipelineBuilder("CustomIngest")
    for stage in (SonyRawConversionStage(), OIIOColorTransformStage(), BurnInProxyStage(), ShotTreeOrganizationStage()):
        builder.add_stage(stage)
    builder.add_stage(ListFrames(), condition=lambda shot_info, results: not shot_info.outputs.unchanged)
    builder.add_stage(CleanupStage())
    summary = builder.build().execute(ShotInfo("my_project", "sht", "100", cut))
    for stage in summary["stage_results"]:
        print(f"{stage['stage_name']}: {'done' if stage['success'] else stage['errors']}")
    return bool(summary["overall_success"])


def color(frames: str, base_name: str, target: str) -> bool:
    """The colour stage alone, on DPX frames that are there."""
    sequence = ImageSequence.find(Path(frames), base_name, "dpx")
    last = sequence.frame_count - 1
    cut = EditorialCutInfo(sequence="sht", shot="100", source_file=Path("clip.mxf"), in_point=0, out_point=last)
    result = OIIOColorTransformStage().execute(
        ShotInfo("my_project", "sht", "100", cut), input_sequence=sequence, output_dir=Path(target)
    )
    print(f"{result.data.get('frames', 0)} frames: {'done' if result.success else result.errors}")
    return result.success


def edit_list(cut_list: str, media: str) -> bool:
    """A dry run over the shots of an EDL, whose clips lie in a folder."""
    shots = shots_of_list(Path(cut_list), [media], sequence="sht")
    for problem in shots.problems:
        print(problem)
    summaries = FootageIngestPipeline(project="my_project").ingest_batch(shots.cuts, dry_run=True)
    for summary in summaries:
        print(f"{summary['code']}: {len(summary['plan'])} steps")
    return all(summary["overall_success"] for summary in summaries)


if __name__ == "__main__":
    known = {each.__name__: each for each in (single, batch, custom, color, edit_list)}
    if len(sys.argv) < 2 or sys.argv[1] not in known:
        sys.exit(__doc__)
    sys.exit(0 if known[sys.argv[1]](*sys.argv[2:]) else 1)
