"""`python -m benchmarks.library_command …`: the command line out of this checkout, as a process of its own."""

from film_archive.cli.main import run

if __name__ == "__main__":  # workers import this module again
    run()
