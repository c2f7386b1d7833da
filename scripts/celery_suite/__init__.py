"""Celery's and kombu's own integration tests, on the queue in a database and beside Redis."""
