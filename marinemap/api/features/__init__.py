"""OGC API - Features (OGC 17-069r4, 18-058r1, 19-079r2): the layers of the catalogue."""
