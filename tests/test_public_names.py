"""The names that users write are pinned here: a name that goes, or comes by accident, fails a test."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from typing import Any

import pytest

from film_archive.core import errors, models

MODELS = [
    *("ArchiveBranch", "ArchiveMetadata", "MediaFile", "ProxyFile", "ProxyResolution", "StreamRequest"),
    *("TapeArchive", "TapeFormat", "Timecode", "TimecodeRange", "VideoCodec"),
]

ERRORS = [
    *(
        "Damaged",
        "FilmArchiveError",
        "InvalidTimecode",
        "NoSpace",
        "NotFound",
        "NotMedia",
        "NotSupported",
    ),
    *("OutOfRange", "PartlyDone", "ProgramFailed", "RateUnknown", "Refused", "ShortRead", "SourceChanged"),
    *("StorageError", "TimecodeUnknown", "Unreachable", "UsageError"),
]

FIELDS: dict[str, list[str]] = {
    "MediaFile": [
        *("file_path", "size", "codec", "duration", "frame_rate", "resolution", "audio_channels", "metadata"),
        *("start_timecode", "reel"),
    ],
    "StreamRequest": ["archive_path", "file_path", "start_byte", "end_byte", "buffer_size"],
    "Timecode": ["hours", "minutes", "seconds", "frames", "frame_rate", "drop_frame"],
    "TimecodeRange": ["start", "end", "handles"],
}

CLASSES: dict[str, dict[str, list[str]]] = {
    "proxy.generator.ProxyGenerator": {
        "__init__": ["temp_dir", "max_workers"],
        "generate_proxy": ["media_file", "resolution"],
        "generate_proxies": ["media_file", "resolutions"],
        "embed_proxy_in_archive": ["archive_path", "proxy_file", "member"],
        "extract_proxy_from_archive": ["archive_path", "member", "resolution", "output_path"],
        "select_optimal_proxy": ["available_proxies", "target_bandwidth", "display_resolution"],
    },
    "streaming.streamer.ArchiveStreamer": {
        "__init__": ["cache_size", "prefetch_size", "max_connections"],
        "stream_file": ["request"],
        "create_http_range_response": ["request", "range_header"],
        "seek_to_frame": ["archive_path", "file_path", "frame_number"],
        "get_adaptive_buffer_size": ["network_bandwidth", "latency_ms"],
        "calculate_bitrate_for_smooth_playback": [],
        "get_stream_statistics": [],
    },
    "timecode.extractor.TimecodeExtractor": {
        "__init__": ["working_dir"],
        "extract_segment": ["archive_data", "media_file", "tc_range", "output_path"],
        "extract_multiple_segments": [],
        "parse_edl_timecodes": ["text", "frame_rate"],
        "merge_overlapping_ranges": [],
        "create_extraction_manifest": [],
        "validate_timecode_continuity": [],
    },
    "versioning.branching.ArchiveBranchManager": {
        "__init__": ["repository_root"],
        "create_branch": ["archive_path", "branch_name", "description", "parent_branch_id"],
        "add_file_to_branch": ["branch_id", "path", "name_in_archive"],
        "remove_file_from_branch": [],
        "get_branch_differences": [],
        "merge_branches": ["source_branch_id", "target_branch_id", "conflict_resolution"],
        "export_branch_as_archive": ["branch_id", "output_path"],
        "get_branch_history": [],
        "calculate_storage_savings": [],
        "cleanup_orphaned_objects": [],
    },
    "tape.lto_manager.LTOTapeManager": {
        "__init__": ["tape_staging_dir"],
        "prepare_tape_archive": ["tape_id", "format", "files_to_archive"],
        "write_to_tape": ["tape_archive"],
        "restore_from_tape": ["tape_id"],
        "calculate_tape_span_distribution": [],
        "estimate_tape_requirements": [],
    },
}
"""Class → method → its first arguments, as the seeds and their contract write them."""

COROUTINES = {
    *("generate_proxy", "generate_proxies", "create_http_range_response", "seek_to_frame", "get_stream_statistics"),
    *("extract_segment", "extract_multiple_segments", "create_branch", "add_file_to_branch"),
    *("remove_file_from_branch", "merge_branches", "export_branch_as_archive", "prepare_tape_archive"),
    *("write_to_tape", "restore_from_tape"),
}


def test_models() -> None:
    assert sorted(models.__all__) == MODELS
    assert [name for name in models.__all__ if not hasattr(models, name)] == []


def test_nothing_public_is_left_out_of_all() -> None:
    made_here = {
        name
        for name, value in vars(models).items()
        if isinstance(value, type) and value.__module__ == models.__name__ and not name.startswith("_")
    }
    assert made_here <= set(models.__all__)


def test_errors() -> None:
    found = [
        name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
    ]
    assert sorted(found) == ERRORS


@pytest.mark.parametrize("name", FIELDS)
def test_fields_and_their_order(name: str) -> None:
    fields = list(getattr(models, name).model_fields)
    assert fields[: len(FIELDS[name])] == FIELDS[name]


def the_class(path: str) -> Any:
    module, _, name = f"film_archive.{path}".rpartition(".")
    package = module.rpartition(".")[0]
    if importlib.util.find_spec(package) is None or importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not built yet")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("path", CLASSES)
def test_classes_of_the_seeds(path: str) -> None:
    found = the_class(path)
    for method, arguments in CLASSES[path].items():
        function = getattr(found, method)
        parameters = [name for name in inspect.signature(function).parameters if name != "self"]
        assert parameters[: len(arguments)] == arguments, method
        if method == "stream_file":
            assert inspect.isasyncgenfunction(function)
        else:
            assert inspect.iscoroutinefunction(function) == (method in COROUTINES), method


@pytest.mark.parametrize("path", [path for path in CLASSES if "branching" not in path])
def test_constructors_need_no_argument(path: str) -> None:
    parameters = inspect.signature(the_class(path)).parameters.values()
    assert [parameter.name for parameter in parameters if parameter.default is parameter.empty] == []
