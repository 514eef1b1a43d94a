"""DED-IO: from a camera clip and a cut to plates that a compositor can open."""

from film_archive import __version__ as __version__
