"""From a request to a verified archive."""
