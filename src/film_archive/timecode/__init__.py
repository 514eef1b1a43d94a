"""The seeds' face of timecode extraction; lists are read in `editorial`, clips are cut in `media.cutting`."""
