"""MarineMap: clip, zip and ship. Holds the version only, so that a room can be imported alone."""

__version__ = "0.1.0"
