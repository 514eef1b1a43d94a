"""Keeps a film, from the camera card to the tape shelf.

The seeds' door is `film_archive.core.models` and the classes in `proxy`, `streaming`, `timecode`, `versioning` and
`tape`; everything that the command line does can be called in `film_archive.workflows`.
"""

__version__ = "0.1.0"
