"""The Linear Tape File System in pure Python: labels, indexes, volumes, over any drive of records."""
