"""The nouns that everything else is made of; imports nothing of the package above it."""
