"""Feeding changed bytes to everything that reads bytes: `python -m film_archive.testing.fuzz SECONDS [TARGET…]`.

The property is the same for all readers: what they are given ends in an answer or in one of our errors, soon, in bounded memory;
and what `check` calls whole is equal to what was archived. `mutation` changes bytes; `archives`, `records`, `media` and
`pictures` are the targets; `bench` runs cases in processes with limits and keeps what it finds.
"""
