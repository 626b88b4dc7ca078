"""Published tables, read into measurements."""
