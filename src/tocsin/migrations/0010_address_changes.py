"""An address may change hands more than once: each change is a row of its own."""

from django.db import migrations, models

MOVE = """
INSERT INTO tocsin_addresschange (portfolio, kind, value, other, at, since_at, learned_at, doubtful)
SELECT portfolio, kind, value, other_value, seen_at, CASE WHEN other_value = '' THEN seen_at END,
       coalesce(learned_at, seen_at), FALSE
  FROM tocsin_addressname WHERE kind = other_kind;
DELETE FROM tocsin_addressname WHERE kind = other_kind;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("tocsin", "0009_address_learned_at"),
    ]

    operations = [
        migrations.CreateModel(
            name="AddressChange",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("portfolio", models.TextField()),
                ("kind", models.TextField()),
                ("value", models.TextField()),
                ("other", models.TextField(blank=True)),
                ("at", models.DateTimeField()),
                ("since_at", models.DateTimeField(null=True)),
                ("learned_at", models.DateTimeField()),
                ("doubtful", models.BooleanField(default=False)),
            ],
        ),
        migrations.RunSQL(MOVE, reverse_sql=migrations.RunSQL.noop),
        migrations.RemoveField(model_name="addressname", name="learned_at"),
        migrations.AddConstraint(
            model_name="addressname",
            constraint=models.CheckConstraint(
                condition=~models.Q(kind=models.F("other_kind")), name="address_name_kinds_differ"
            ),
        ),
        migrations.AddIndex(
            model_name="addresschange",
            index=models.Index(fields=["other"], name="address_change_other"),
        ),
        migrations.AddConstraint(
            model_name="addresschange",
            constraint=models.UniqueConstraint(
                fields=("portfolio", "kind", "value", "at", "other", "since_at"),
                name="address_change_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="addresschange",
            constraint=models.CheckConstraint(
                condition=models.Q(kind__in=["phone", "email", "whatsapp", "app"]), name="address_change_kind_known"
            ),
        ),
    ]
