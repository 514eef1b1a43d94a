"""Branches of archives: a repository of contents, trees, commits and refs, copied only where something changes."""
