"""Where capabilities meet: everything that the command line can do, as functions."""
