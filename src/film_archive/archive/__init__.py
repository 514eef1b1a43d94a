"""The container, in both its forms: a ZIP64 that any unzip opens, and a folder with `.film-archive/` in it.

`docs/archive-format.md` states the format; `zipformat` holds its bytes, `layout` its paths.
"""
