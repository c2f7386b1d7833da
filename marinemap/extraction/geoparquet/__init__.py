"""GeoParquet as a source: read by columns and row groups, where other files are read by GDAL."""
