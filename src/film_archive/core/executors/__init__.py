"""Where work is done: here, in threads, in processes. One file each; `executor.py` says what they have in common."""
