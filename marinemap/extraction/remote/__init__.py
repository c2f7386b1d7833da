"""Files on HTTP servers as sources, read by ranges of bytes, each of one state of the file."""
