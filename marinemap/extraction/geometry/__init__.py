"""Geometries as arrays: columns of WKB, rings, cutting, curves."""
