"""QuickTime and MP4: an own reader of their index, for facts, frame indexes, and cutting without re-encoding."""

from film_archive.media.mov.atoms import Atom, Place, is_mov
from film_archive.media.mov.edits import Edit, Segment
from film_archive.media.mov.movie import Movie, MovieHeader
from film_archive.media.mov.reader import MovFile
from film_archive.media.mov.tables import SampleTables
from film_archive.media.mov.timecode import TimecodeBreak, TimecodeFacts
from film_archive.media.mov.track import Reference, Track

__all__ = [
    "Atom",
    "Edit",
    "MovFile",
    "Movie",
    "MovieHeader",
    "Place",
    "Reference",
    "SampleTables",
    "Segment",
    "TimecodeBreak",
    "TimecodeFacts",
    "Track",
    "is_mov",
]
