"""Real servers for the tests, each on ports of its own in a folder of its own, gone afterwards."""
