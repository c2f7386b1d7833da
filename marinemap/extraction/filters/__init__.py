"""Filters: CQL2 compiled against the fields of a layer."""
