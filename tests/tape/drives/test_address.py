from __future__ import annotations

from pathlib import Path

import pytest

from film_archive.core.errors import UsageError
from film_archive.tape.drives.address import DriveAddress, DriveKind, parse_address


def test_drives_are_named() -> None:
    assert parse_address("file:/shelf/FA0001L8").folder == Path("/shelf/FA0001L8")
    assert parse_address("file:a:b").place == "a:b"
    device = parse_address("ltfs:/dev/sg3")
    assert device == DriveAddress(DriveKind.LTFS, "/dev/sg3")
    assert str(device) == "ltfs:/dev/sg3"
    with pytest.raises(UsageError, match="no file-backed"):
        _ = device.folder


@pytest.mark.parametrize("text", ["", "file:", "/dev/sg3", "tape:/dev/nst0", "ltfs", ":x"])
def test_what_names_none(text: str) -> None:
    with pytest.raises(UsageError, match="names no drive"):
        parse_address(text)
