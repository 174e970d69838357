"""Side-by-side measurements of this service and its peers: one command, one run, one table."""
