"""OGC API - Tiles, Part 1 (OGC 20-057): the drawings made for the map, tile by tile."""
