"""Make a production in Kitsu ready for plates, its file tree among it: the same as `ded-io kitsu setup`."""

import sys

from ded_io.cli import run

if __name__ == "__main__":
    run(["kitsu", "setup", *sys.argv[1:]])
