"""DED-IO: from a camera clip and a cut to plates that a compositor can open."""

from film_archive import __version__ as __version__

from ded_io.footage_ingest import FootageIngestPipeline as FootageIngestPipeline  # isort: skip  # it needs the version
from ded_io.footage_ingest import ingest_shot as ingest_shot  # isort: skip
