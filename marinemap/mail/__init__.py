"""Letters that the site sends by e-mail: kept as rows, and sent beside all other work."""
