"""DED-IO: from a camera clip and a cut to plates that a compositor can open."""
