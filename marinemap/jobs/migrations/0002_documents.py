"""Move what may be large out of the jobs' rows."""

import django.db.models.deletion
from django.db import migrations, models

_COPY = """
    INSERT INTO jobs_jobdocuments (job_id, inputs, outputs)
    SELECT id, inputs, outputs FROM jobs_job
"""
_MARK = "UPDATE jobs_job SET has_outputs = TRUE WHERE outputs IS NOT NULL"


class Migration(migrations.Migration):

    dependencies = [("jobs", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="JobDocuments",
            fields=[
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="documents",
                        serialize=False,
                        to="jobs.job",
                    ),
                ),
                ("inputs", models.JSONField()),
                ("outputs", models.JSONField(blank=True, null=True)),
            ],
            options={"verbose_name_plural": "job documents"},
        ),
        migrations.AddField("job", "has_outputs", models.BooleanField(default=False)),
        migrations.AddField(
            "job",
            "address",
            models.CharField(
                blank=True,
                default="",
                help_text="A digest of the network address that it came from.",
                max_length=64,
            ),
            preserve_default=False,
        ),
        migrations.AddField("job", "put_off", models.PositiveSmallIntegerField(default=0)),
        migrations.RunSQL([_COPY, _MARK], migrations.RunSQL.noop),
    ]
