"""Tables and views of PostGIS as sources, read by SQL where files are read by GDAL."""
