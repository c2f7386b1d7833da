"""GeoPackages that need no GDAL: their index of boxes, and their rows."""
