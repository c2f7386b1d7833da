"""Keep the zones of times that a layer's data bear, which took a reading of all of them to find."""

from typing import Any

from django.db import migrations, models

# Their columns tell the zone, as those of a table do.
_TOLD_BY_COLUMNS = (".gpkg", ".shp", ".gdb", ".tab", ".mif")


def have_read_again(apps: Any, editor: Any) -> None:
    """Mark layers whose times may bear zones as changed, so that the schedule reads them again."""
    layers = apps.get_model("catalogue", "Layer").objects.using(editor.connection.alias)
    for layer in layers.exclude(version="").iterator():
        if layer.source.lower().endswith(_TOLD_BY_COLUMNS) or "://" in layer.source:
            continue
        if any(field["type"] == "datetime" for field in layer.fields):
            layers.filter(pk=layer.pk).update(fingerprint="zones not sought")


class Migration(migrations.Migration):
    """Add the zones; none were sought as yet."""

    dependencies = [
        ('catalogue', '0009_layer_theme'),
    ]

    operations = [
        migrations.AddField(
            model_name='layer',
            name='zones',
            field=models.JSONField(blank=True, editable=False, null=True, verbose_name='zones of times'),
        ),
        migrations.RunPython(have_read_again, migrations.RunPython.noop),
    ]
