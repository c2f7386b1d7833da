"""Let a result be found by who asks for the same."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Results that are there already are given to nobody: of which data they are is not known."""

    dependencies = [("jobs", "0010_batches")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="reuse_key",
            field=models.CharField(
                blank=True,
                db_index=True,
                default="",
                help_text="A digest of process, inputs and data: of the result, or of what is "
                "waited for.",
                max_length=64,
            ),
            preserve_default=False,
        ),
    ]
