"""The pictures of the plate ingest: reading a clip's frames, turning them into plates, and the movie that shows them."""
