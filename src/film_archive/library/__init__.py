"""Media between drives: offloading, cataloguing, and the chain of custody that goes with them."""
