"""An area of interest from a file that a person uploaded."""
