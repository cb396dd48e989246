"""When the steps of a wave on connected systems were all made."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tocsin', '0002_containment'),
    ]

    operations = [
        migrations.AddField(
            model_name='containmentwave',
            name='steps_made_at',
            field=models.DateTimeField(null=True),
        ),
    ]
