"""OTIO bundles: what their URLs mean, and what becomes of references that lead nowhere."""
