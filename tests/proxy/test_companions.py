from __future__ import annotations

from pathlib import Path

import pytest

from film_archive.core.errors import UsageError
from film_archive.proxy.companions import Program, files_for


def test_where_programs_look() -> None:
    clip = Path("/day1/A001/A001C003.mov")
    assert files_for(Program.RESOLVE, clip, clip.stem, 2) == (Path("/day1/A001/Proxy/A001C003.mov"),)
    assert files_for(Program.PREMIERE, clip, clip.stem, 2) == (Path("/day1/A001/Proxies/A001C003_Proxy.mov"),)
    beside = [path.name for path in files_for(Program.AVID, clip, clip.stem, 2)]
    assert beside == ["A001C003_V01.mxf", "A001C003_A01.mxf", "A001C003_A02.mxf", "A001C003.ale"]
    assert {path.parent for path in files_for(Program.AVID, clip, clip.stem, 2)} == {Path("/day1/A001/Avid")}
    assert {path.parent for path in files_for(Program.AVID, clip, clip.stem, 1, Path("/out"))} == {Path("/out")}


def test_programs_have_names() -> None:
    assert Program.named("Resolve") is Program.RESOLVE
    with pytest.raises(UsageError, match="resolve, premiere, avid"):
        Program.named("flame")
