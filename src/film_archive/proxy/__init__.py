"""Small versions of clips, made from one decode and kept inside the archive."""
