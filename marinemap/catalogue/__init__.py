"""The layers that people may ask for."""
