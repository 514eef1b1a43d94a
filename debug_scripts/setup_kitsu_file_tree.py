"""Makes a production in Kitsu ready for plates, its file tree among the rest: the same as `ded-io kitsu setup`."""

import sys

from ded_io.cli import main

if __name__ == "__main__":
    sys.exit(main(["kitsu", "setup", *sys.argv[1:]]))
