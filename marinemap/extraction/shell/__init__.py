"""The engine from the shell."""
