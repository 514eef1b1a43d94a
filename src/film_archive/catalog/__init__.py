"""The catalog: which content is where, on drives and tapes that are here and that are not."""
