"""Remember which folder belongs to the database."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the table of the mark."""

    dependencies = [("jobs", "0017_operator_events")]

    operations = [
        migrations.CreateModel(
            name="SiteMark",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("mark", models.CharField(max_length=36)),
            ],
        ),
    ]
