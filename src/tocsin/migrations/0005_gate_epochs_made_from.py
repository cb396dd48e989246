from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("tocsin", "0004_appeals_and_minutes"),
    ]

    operations = [
        migrations.AddField(
            model_name="gateepoch",
            name="followed_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="gateepoch",
            name="made_from",
            field=models.JSONField(default=dict),
        ),
    ]
