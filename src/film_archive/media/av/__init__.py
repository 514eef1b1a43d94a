"""The only place that touches PyAV: opening, decoding, encoding, writing containers."""
