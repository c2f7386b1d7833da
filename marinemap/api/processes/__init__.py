"""OGC API - Processes, Part 1, version 1.0 (OGC 18-062r2): processes, execution, jobs, results."""
