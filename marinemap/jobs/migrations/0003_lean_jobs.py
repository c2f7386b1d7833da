"""Remove from the jobs' rows what their documents have; apart, for PostgreSQL alters no table
with changes that are not committed."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("jobs", "0002_documents")]

    operations = [
        migrations.RemoveField("job", "inputs"),
        migrations.RemoveField("job", "outputs"),
        migrations.AddIndex("job", models.Index(fields=["finished_at"], name="job_finished")),
        migrations.AddIndex(
            "job", models.Index(fields=["address", "status"], name="job_address_status")
        ),
    ]
