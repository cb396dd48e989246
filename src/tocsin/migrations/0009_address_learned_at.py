"""When the change of an address was taken in."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("tocsin", "0008_lighter_rows"),
    ]

    operations = [
        migrations.AddField(
            model_name="addressname",
            name="learned_at",
            field=models.DateTimeField(null=True),
        ),
    ]
