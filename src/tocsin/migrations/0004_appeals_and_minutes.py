"""Appeals, what contained accounts did minute by minute, and since when stop rules count."""

import django.db.models.deletion
import tocsin.containment.states
import tocsin.kernel.ids
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tocsin", "0003_steps_made"),
    ]

    operations = [
        migrations.AddField(
            model_name="containmentplan",
            name="watched_since_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name="ContainmentAppeal",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("account", models.TextField()),
                ("text", models.TextField()),
                ("state", models.TextField()),
                ("made_at", models.DateTimeField()),
                ("by", models.TextField()),
                ("decided_at", models.DateTimeField(null=True)),
                ("reason", models.TextField(blank=True)),
                (
                    "plan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tocsin.containmentplan"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["plan", "made_at"], name="containment_appeal_made")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    tocsin.containment.states.AppealState["WAITING"],
                                    tocsin.containment.states.AppealState["UPHELD"],
                                    tocsin.containment.states.AppealState["REJECTED"],
                                ],
                            )
                        ),
                        name="containment_appeal_state_known",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", tocsin.containment.states.AppealState["WAITING"])),
                        fields=("plan", "account"),
                        name="containment_one_waiting_appeal",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ContainmentMinute",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("source", models.TextField()),
                ("at", models.DateTimeField()),
                ("sign_ins", models.BigIntegerField()),
                ("failures", models.BigIntegerField()),
                ("resets", models.BigIntegerField()),
                (
                    "plan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tocsin.containmentplan"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("plan", "source", "at"), name="containment_minute_once")
                ],
            },
        ),
    ]
