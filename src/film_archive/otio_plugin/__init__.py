"""Adapters for OpenTimelineIO, found by its plugin system through this package's entry point.

`otioz_archive` and `otiod_archive` read and write bundles through this program when they are asked for by name. They claim no
file endings, so that a program that does not ask has OTIO's own adapters; `default.plugin_manifest.json` is for those who
want ours for every `.otioz` and `.otiod` (put its path into OTIO_PLUGIN_MANIFEST_PATH).
"""
