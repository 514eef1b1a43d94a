"""What is inside a media file, and cutting it."""
