"""Reading MXF (SMPTE ST 377-1 and its mappings): facts, frame index, and the structure that cutting needs."""

from film_archive.media.mxf.container import Chunk, Container
from film_archive.media.mxf.klv import is_mxf
from film_archive.media.mxf.metadata import Descriptor, LocalSet, Metadata, Package, Track
from film_archive.media.mxf.partitions import Partition, Partitions, Section
from film_archive.media.mxf.reader import EditUnits, MxfFile
from film_archive.media.mxf.tracks import EssenceTrack, EssenceTracks

__all__ = [
    "Chunk",
    "Container",
    "Descriptor",
    "EditUnits",
    "EssenceTrack",
    "EssenceTracks",
    "LocalSet",
    "Metadata",
    "MxfFile",
    "Package",
    "Partition",
    "Partitions",
    "Section",
    "Track",
    "is_mxf",
]
