from __future__ import annotations

from pathlib import Path

import pytest

from film_archive.core.errors import NotSupported
from film_archive.proxy.companions import companion


def test_where_programs_look() -> None:
    clip = Path("/day1/A001/A001C003.mov")
    assert companion(clip, "resolve") == Path("/day1/A001/Proxy/A001C003.mov")
    assert companion(clip, "premiere") == Path("/day1/A001/Proxies/A001C003_Proxy.mov")
    with pytest.raises(NotSupported, match="resolve, premiere"):
        companion(clip, "flame")
