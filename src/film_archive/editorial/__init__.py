"""Edit lists: reading them, and what their events say."""
