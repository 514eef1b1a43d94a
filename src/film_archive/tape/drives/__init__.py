"""What records are put on and read from: file-backed cartridges, a simulated drive, the system's own LTFS."""
