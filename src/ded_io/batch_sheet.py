"""The contact sheet of a batch: what its summaries name is read, and shown with what was odd about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ded_io.models import ImageSequence
from ded_io.settings import Settings
from film_archive.core import files
from film_archive.core.errors import UsageError


def write_batch_sheet(path: Path, summaries: Sequence[Mapping[str, Any]], settings: Settings) -> list[Path]:
    """Write first, middle and last frame of each shot that has a plate; returns the pages. An older sheet is replaced."""
    from ded_io.pictures.contact_sheet import SheetShot, write_contact_sheet
    from ded_io.pictures.qc import QcReport
    from ded_io.pictures.review import ReviewLook

    require_sheet_name(path)
    shots = []
    for summary in summaries:
        plate = plate_of(summary)
        if plate is None:
            continue
        outputs = summary["outputs"]
        checks = [stage["data"]["qc"] for stage in summary["stage_results"] if "qc" in stage["data"]]
        source = f"source {outputs['source_first']}-{outputs['source_last']}, cut from {outputs['in_frame']}"
        notes = (Path(outputs["container"]).name, source)
        qc = QcReport.from_json(checks[0]) if checks else None
        shots.append(SheetShot(summary["code"], list(plate.paths()), plate.first_frame, notes, qc))
    files.make_folders(path.absolute().parent)
    look = ReviewLook(
        colorspace=settings.target_colorspace,
        ocio_config=settings.ocio_config,
        display=settings.display,
        view=settings.view,
    )
    return write_contact_sheet(shots, path, look=look, replace=True)


def require_sheet_name(path: Path) -> None:
    """Raise UsageError where a contact sheet can't be called so."""
    if path.suffix.lower() not in (".jpg", ".jpeg"):
        raise UsageError(f"A contact sheet is written as .jpg, not as {path.name!r}.")


def plate_of(summary: Mapping[str, Any]) -> ImageSequence | None:
    """The plate that a shot's summary names."""
    outputs = summary["outputs"]
    if not summary["overall_success"] or summary["dry_run"] or not outputs.get("plate"):
        return None
    pattern = Path(outputs["plate"])
    base, _, rest = pattern.name.rpartition(".%0")
    padding, _, extension = rest.partition("d.")
    return ImageSequence(pattern.parent, base, extension, outputs["first_frame"], outputs["last_frame"], int(padding))
