"""Have GeoPackages read again, whose rows may keep the extent that the file states, too small."""

from typing import Any

from django.db import migrations


def have_read_again(apps: Any, editor: Any) -> None:
    """Mark layers of GeoPackages as changed, so that the schedule reads their extents again."""
    layers = apps.get_model("catalogue", "Layer").objects.using(editor.connection.alias)
    read = layers.exclude(version="").filter(source__iendswith=".gpkg")
    read.update(fingerprint="extent not sought")


class Migration(migrations.Migration):
    """Forget the marks; no table changes."""

    dependencies = [
        ('catalogue', '0014_begun_work'),
    ]

    operations = [
        migrations.RunPython(have_read_again, migrations.RunPython.noop),
    ]
