"""Measurements: each prints a ratio against a floor or a peer, taken in one run."""
