"""Let the polygons of a layer be areas with names, which people search."""

import django.db.models.deletion
from django.db import migrations, models

_KEY = models.BigAutoField(
    auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
)


class Migration(migrations.Migration):
    """Add the field of names, and the index of them; no layer has one as yet."""

    dependencies = [("catalogue", "0003_audiences")]

    operations = [
        migrations.AddField(
            model_name="layer",
            name="area_names",
            field=models.CharField(
                blank=True,
                help_text="Of a layer of polygons: the field that names them, so that people can "
                "search them and ask for one as their area. Empty: they cannot.",
                max_length=200,
                verbose_name="field of area names",
            ),
        ),
        migrations.CreateModel(
            name="NameIndex",
            fields=[
                ("id", _KEY),
                ("key", models.CharField(max_length=100)),
                ("is_current", models.BooleanField(default=False)),
                (
                    "layer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="name_indexes",
                        to="catalogue.layer",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="NamedArea",
            fields=[
                ("id", _KEY.clone()),
                ("slug", models.CharField(max_length=120)),
                ("name", models.CharField(max_length=300)),
                ("feature", models.BigIntegerField()),
                ("bounds", models.JSONField(null=True)),
                (
                    "index",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="areas",
                        to="catalogue.nameindex",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="NamePhrase",
            fields=[
                ("id", _KEY.clone()),
                ("place", models.PositiveSmallIntegerField()),
                ("phrase", models.CharField(max_length=160)),
                (
                    "area",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="phrases",
                        to="catalogue.namedarea",
                    ),
                ),
                (
                    "index",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="phrases",
                        to="catalogue.nameindex",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="nameindex",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_current", True)),
                fields=("layer",),
                name="one_current_index",
            ),
        ),
        migrations.AddConstraint(
            model_name="namedarea",
            constraint=models.UniqueConstraint(fields=("index", "slug"), name="one_area_a_slug"),
        ),
        migrations.AddIndex(
            model_name="namephrase",
            index=models.Index(fields=["phrase"], name="name_phrase"),
        ),
    ]
