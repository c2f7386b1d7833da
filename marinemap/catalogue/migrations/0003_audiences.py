"""Layers for everyone, or for groups of people."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Every layer that is there stays for everyone."""

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("catalogue", "0002_drawing"),
    ]

    operations = [
        migrations.AddField(
            model_name="layer",
            name="groups",
            field=models.ManyToManyField(blank=True, related_name="layers", to="auth.group"),
        ),
        migrations.AddField(
            model_name="layer",
            name="is_restricted",
            field=models.BooleanField(
                default=False,
                help_text="Only members of the groups below, and administrators, learn that it "
                "exists.",
                verbose_name="for groups only",
            ),
        ),
    ]
