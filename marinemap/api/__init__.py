"""HTTP: OGC API - Processes and Features, and downloads."""
