"""Let jobs come in batches; a batch is its jobs, and has no row of its own."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add which batch a job came with, and its place there."""

    dependencies = [("jobs", "0009_job_layers")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="batch",
            field=models.UUIDField(
                blank=True, db_index=True, help_text="The batch that it came with.", null=True
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="place_in_batch",
            field=models.PositiveSmallIntegerField(blank=True, null=True),
        ),
    ]
