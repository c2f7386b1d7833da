"""Keep of each job which layers it reads: what one may see no more is not downloaded."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models


def fill(apps: Any, _: Any) -> None:
    """Name the layers of the extracts that can still be downloaded."""
    job, documents = (apps.get_model("jobs", name) for name in ("Job", "JobDocuments"))
    unfinished = models.Q(status__in=("accepted", "running"))
    alive = job.objects.filter(unfinished | ~models.Q(artifact=""), process_id="extract")
    for job_id in alive.values_list("pk", flat=True).iterator():
        found = documents.objects.filter(pk=job_id).values_list("inputs", flat=True).first()
        listed = (found or {}).get("layers", [])
        layers = [each["name"] if isinstance(each, dict) else each for each in listed]
        job.objects.filter(pk=job_id).update(layers=layers)


class Migration(migrations.Migration):
    """Add the column, and fill it for what waits, runs or can be downloaded."""

    dependencies = [("jobs", "0008_request_keys")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="layers",
            field=models.JSONField(
                blank=True, default=list, help_text="The layers of the catalogue that it reads."
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
