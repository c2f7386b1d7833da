"""Callbacks in turn by host, and for a day from when the state was reached."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.db import migrations, models
from django.db.models import F


def fill_in(apps: Any, schema_editor: Any) -> None:
    """Give those that wait to be told their hosts and, at the latest, their moments."""
    callbacks = apps.get_model("jobs", "Callback").objects.using(schema_editor.connection.alias)
    callbacks.filter(due_at__isnull=False).update(reached_at=F("due_at"))
    for pk, uri in callbacks.values_list("pk", "uri").iterator():
        callbacks.filter(pk=pk).update(host=(urlsplit(uri).hostname or "")[:255])


class Migration(migrations.Migration):
    """Add the two columns."""

    dependencies = [("jobs", "0006_callbacks")]

    operations = [
        migrations.AddField(
            "callback",
            "host",
            models.CharField(
                max_length=255, default="", help_text="Of the address: hosts have turns."
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "callback", "reached_at", models.DateTimeField(null=True, blank=True)
        ),
        migrations.RunPython(fill_in, migrations.RunPython.noop),
    ]
