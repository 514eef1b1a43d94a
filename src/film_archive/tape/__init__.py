"""Sets of LTO cartridges: what they hold, and how files are laid out over them."""
