"""One layer of a request: ready to be read, counted, estimated."""
