"""The schedule that beat follows: in the database, made from settings where absent."""

from __future__ import annotations

from typing import Any

from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler


class EditableScheduler(DatabaseScheduler):  # type: ignore[misc] # the library has no types
    """A database scheduler that leaves what an administrator has edited as it is.

    The scheduler that it extends writes the settings over the database at every start.
    """

    def update_from_dict(self, mapping: dict[str, Any]) -> None:
        """Create the entries of the settings that the database does not have."""
        known = set(PeriodicTask.objects.filter(name__in=mapping).values_list("name", flat=True))
        super().update_from_dict(
            {name: entry for name, entry in mapping.items() if name not in known}
        )
