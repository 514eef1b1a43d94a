"""Bytes of archives as streams. The server and the library stand on the same functions."""
