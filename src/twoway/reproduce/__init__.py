"""Published tables and figures, one file each."""
