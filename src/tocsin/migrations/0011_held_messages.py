"""What is held is found by what holds it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tocsin", "0010_address_changes"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="outboundmessage",
            index=models.Index(
                condition=models.Q(
                    reason__in=["line_flagged", "template_not_usable", "key_missing"], next_try_at__isnull=False
                ),
                fields=["channel", "reason", "template", "next_try_at"],
                name="message_held",
            ),
        ),
    ]
