"""Let an operator say what a layer gives one request at most."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the limits; no layer has one as yet."""

    dependencies = [
        ('catalogue', '0004_area_names'),
    ]

    operations = [
        migrations.AddField(
            model_name='layer',
            name='most_area_km2',
            field=models.PositiveBigIntegerField(blank=True, help_text='Of an area that may be asked for. Empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='largest area, km²'),
        ),
        migrations.AddField(
            model_name='layer',
            name='most_corners',
            field=models.PositiveIntegerField(blank=True, help_text='Of an area that may be asked for. Empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(4)], verbose_name='most corners'),
        ),
        migrations.AddField(
            model_name='layer',
            name='most_features',
            field=models.PositiveBigIntegerField(blank=True, help_text='Of one extract. Empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='most features'),
        ),
        migrations.AddField(
            model_name='layer',
            name='most_megabytes',
            field=models.PositiveIntegerField(blank=True, help_text='Of one extract, before zipping, in millions of bytes. Empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='most megabytes'),
        ),
    ]
