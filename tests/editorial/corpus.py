"""The corpus of real lists, which lies beside the repository (`FILM_ARCHIVE_SHARED` names another place)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("FILM_ARCHIVE_SHARED") or ROOT.parent / "shared")
CORPUS = SHARED / "corpus"
TRUTH = CORPUS / "truth" / "edl"

needs_corpus = pytest.mark.skipif(not TRUTH.is_dir(), reason="the corpus of real lists is not beside the repository")


def real_lists(pattern: str) -> list[Path]:
    """The corpus' files of a kind; empty where it is absent, so that a parametrized test collects nothing."""
    return sorted(CORPUS.glob(pattern))
