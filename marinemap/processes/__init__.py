"""What can be run: each process is one file of this room."""
