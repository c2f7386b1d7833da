"""Pages of features, for programs that ask for a few at a time."""
