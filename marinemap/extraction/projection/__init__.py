"""From one CRS to another: operations, edges that bend, the seam at 180 degrees."""
