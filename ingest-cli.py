"""The plate ingest's command line from a checkout: the same as `ded-io`."""

import sys

try:
    from ded_io.cli import run
except ImportError as error:
    sys.exit(f"ingest-cli.py: {error}; install the package first: pip install -e .")

if __name__ == "__main__":
    run()
