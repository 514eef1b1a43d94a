"""Running verbs in this process, as the console script does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from film_archive.cli.main import application
from film_archive.cli.running import run_app


@dataclass(frozen=True)
class Ran:
    """What a verb ended with and printed."""

    status: int
    output: str
    errors: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        found = json.loads(self.output)
        assert isinstance(found, dict)
        assert found["schema_version"] == 1
        return found


def film_archive(capfd: pytest.CaptureFixture[str], *arguments: object) -> Ran:
    capfd.readouterr()
    words = [str(argument) for argument in arguments]
    status = run_app(application(words), "film-archive", words)
    output, errors = capfd.readouterr()
    assert "Traceback" not in errors
    return Ran(status, output, errors)
