"""Where the immutable objects of a repository lie: one interface, one file a store."""
