"""GeoPackages as sources: SQLite, and moments that are all in UTC (OGC 12-128r19, table 1)."""

from __future__ import annotations

import dataclasses

from marinemap.extraction.sources import sqlite

SOURCE = dataclasses.replace(sqlite.SOURCE, suffixes=(".gpkg",), has_one_zone=True)
