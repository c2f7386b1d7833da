"""A message queue in SQL, as a kombu transport."""
