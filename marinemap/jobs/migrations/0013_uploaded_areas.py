"""Keep areas that people upload for a day."""

import uuid

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the table of uploaded areas."""

    dependencies = [("jobs", "0012_request_ids_and_tallies")]

    operations = [
        migrations.CreateModel(
            name="UploadedArea",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("owner", models.CharField(db_index=True, max_length=64)),
                ("is_owner_known", models.BooleanField(default=True)),
                ("address", models.CharField(blank=True, db_index=True, max_length=64)),
                ("title", models.CharField(blank=True, max_length=200)),
                ("geometry", models.TextField()),
                ("bytes", models.PositiveIntegerField()),
                ("bounds", models.JSONField()),
                ("corners", models.PositiveIntegerField()),
                ("area_km2", models.FloatField()),
                ("notes", models.JSONField(blank=True, default=list)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
        ),
    ]
