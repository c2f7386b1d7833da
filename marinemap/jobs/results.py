"""Results of tasks in the site's database, which is waited for when it is away."""

from __future__ import annotations

import logging

from django_celery_results.backends.database import DatabaseBackend

from marinemap.tasks.outages import DATABASE_AWAY, drop_connection

logger = logging.getLogger(__name__)


class PatientBackend(DatabaseBackend):  # type: ignore[misc] # the library has no types
    """Celery's backend, which by itself tries again after a lost connection only.

    Celery's ``result_backend_always_retry`` and its companions say how often and how long.
    """

    def exception_safe_to_retry(self, exc: Exception) -> bool:
        """Tell whether storing or reading failed because the database was away."""
        if not isinstance(exc, DATABASE_AWAY):
            return False
        logger.warning("A result waits for the database: %s", exc)
        drop_connection()
        return True
