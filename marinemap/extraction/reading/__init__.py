"""Features out of a source, batch by batch; what a source holds, and whether it is whole."""
