"""Cutting without re-encoding: the very bytes of the frames in a new file, with their sound and their timecode."""
