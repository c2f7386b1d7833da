"""What the runs' own Pythons load."""
