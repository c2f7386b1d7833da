"""Remember what the clock showed when files were last removed by it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the table of the clock's sightings."""

    dependencies = [("jobs", "0013_uploaded_areas")]

    operations = [
        migrations.CreateModel(
            name="ClockSighting",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("seen_at", models.DateTimeField()),
                ("jumped_from", models.DateTimeField(null=True)),
                ("jumped_at", models.DateTimeField(null=True)),
            ],
        ),
    ]
