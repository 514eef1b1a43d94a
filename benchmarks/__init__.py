"""Measurements, each as a ratio to a named peer in one run: `python -m benchmarks NAME`."""
