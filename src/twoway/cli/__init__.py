"""The command line: one file per verb; each parses, calls the Python API and prints."""
