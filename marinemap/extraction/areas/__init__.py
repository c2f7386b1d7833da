"""The area of interest, and what lies in it."""
