"""Let an operator say under which heading people find a layer."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the theme; no layer has one as yet."""

    dependencies = [
        ('catalogue', '0008_source_address'),
    ]

    operations = [
        migrations.AddField(
            model_name='layer',
            name='theme',
            field=models.CharField(blank=True, help_text='The heading under which people find it, among other layers of it, such as Habitats.', max_length=100),
        ),
    ]
