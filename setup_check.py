"""Whether this machine has what the plate ingest needs: the same as `ded-io doctor`."""

import sys

try:
    from ded_io.cli import doctor
except ImportError as error:
    sys.exit(f"[MISSING] {error}; install the package first: pip install -e .")

if __name__ == "__main__":
    sys.exit(doctor())
