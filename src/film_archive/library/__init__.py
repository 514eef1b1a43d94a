"""The library: cards, drives and folders; offload, crawl, duplicates, sorting, volumes."""
