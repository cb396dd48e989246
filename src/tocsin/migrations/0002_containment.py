"""Approvals, and the tables of containment."""

import django.db.models.deletion
import tocsin.containment.states
import tocsin.kernel.ids
from django.db import migrations, models


# What the database itself refuses: rewriting an approval, a fact of done, a published epoch or change of the gate's list.
NEVER_CHANGED = """
CREATE TRIGGER approval_kept BEFORE UPDATE OR DELETE ON tocsin_approval FOR EACH ROW EXECUTE FUNCTION tocsin_refuse();
CREATE TRIGGER gate_epoch_kept BEFORE UPDATE ON tocsin_gateepoch FOR EACH ROW EXECUTE FUNCTION tocsin_refuse();
CREATE TRIGGER gate_change_kept BEFORE UPDATE ON tocsin_gatechange FOR EACH ROW EXECUTE FUNCTION tocsin_refuse();
CREATE TRIGGER containment_done_kept BEFORE UPDATE ON tocsin_containmentdone FOR EACH ROW EXECUTE FUNCTION tocsin_refuse();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('tocsin', '0001_first_tables'),
    ]

    operations = [
        migrations.CreateModel(
            name='ConnectedSystem',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('name', models.TextField(unique=True)),
                ('kind', models.TextField()),
                ('settings', models.JSONField()),
                ('sealed', models.BinaryField()),
                ('added_at', models.DateTimeField()),
                ('removed_at', models.DateTimeField(null=True)),
                ('done_cursor', models.TextField(blank=True)),
                ('held_until', models.DateTimeField(null=True)),
                ('held_reason', models.TextField(blank=True)),
            ],
        ),
        migrations.CreateModel(
            name='GateEpoch',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('number', models.BigIntegerField(unique=True)),
                ('sha256', models.TextField()),
                ('accounts', models.BigIntegerField()),
                ('bytes', models.BigIntegerField()),
                ('made_at', models.DateTimeField()),
                ('not_after', models.DateTimeField(null=True)),
                ('plans', models.JSONField()),
                ('reason', models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name='GateSeen',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('gate', models.TextField(unique=True)),
                ('epoch', models.BigIntegerField()),
                ('seq', models.BigIntegerField()),
                ('seen_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='SignalStream',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('name', models.TextField(unique=True)),
                ('issuer', models.TextField()),
                ('audience', models.TextField()),
                ('settings', models.JSONField()),
                ('sealed', models.BinaryField()),
                ('added_at', models.DateTimeField()),
                ('removed_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Approval',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('subject', models.TextField()),
                ('digest', models.TextField()),
                ('by', models.TextField()),
                ('staff_id', models.UUIDField(null=True)),
                ('assurance', models.TextField()),
                ('typed_count', models.BigIntegerField(null=True)),
                ('approved_at', models.DateTimeField()),
            ],
            options={
                'indexes': [models.Index(fields=['subject', 'digest'], name='approval_subject_digest')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('staff_id__isnull', False)), fields=('subject', 'digest', 'staff_id'), name='approval_once_a_person')],
            },
        ),
        migrations.CreateModel(
            name='ContainmentDone',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('account', models.TextField()),
                ('kind', models.TextField()),
                ('done_at', models.DateTimeField()),
                ('by', models.TextField()),
                ('source', models.TextField()),
                ('platform', models.TextField(blank=True)),
                ('client_version', models.TextField(blank=True)),
                ('reference', models.TextField(blank=True)),
                ('recorded_at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('account', 'kind', 'done_at', 'source', 'reference'), name='containment_done_once')],
            },
        ),
        migrations.CreateModel(
            name='ContainmentPlan',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField(unique=True)),
                ('policy_name', models.TextField()),
                ('policy', models.JSONField()),
                ('state', models.TextField()),
                ('since_at', models.DateTimeField()),
                ('accounts', models.BigIntegerField()),
                ('measures_sha256', models.TextField()),
                ('combinations', models.JSONField()),
                ('dry_run', models.JSONField()),
                ('digest', models.TextField()),
                ('drawn_at', models.DateTimeField()),
                ('by', models.TextField()),
                ('by_staff_id', models.UUIDField(null=True)),
                ('assurance', models.TextField()),
                ('emergency_reason', models.TextField(blank=True)),
                ('started_at', models.DateTimeField(null=True)),
                ('paused_reason', models.TextField(blank=True)),
                ('closed_at', models.DateTimeField(null=True)),
                ('follows', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tocsin.containmentplan')),
                ('incident', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tocsin.incident')),
                ('revision', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tocsin.scoperevision')),
            ],
        ),
        migrations.CreateModel(
            name='ContainmentProgress',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('account', models.TextField()),
                ('combination', models.PositiveIntegerField()),
                ('wave', models.PositiveSmallIntegerField()),
                ('platform', models.TextField(blank=True)),
                ('measures_done', models.JSONField(default=dict)),
                ('state', models.TextField()),
                ('state_at', models.DateTimeField()),
                ('reason', models.TextField(blank=True)),
                ('plan', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tocsin.containmentplan')),
            ],
        ),
        migrations.CreateModel(
            name='ContainmentStep',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('account', models.TextField()),
                ('system', models.TextField()),
                ('measure', models.TextField()),
                ('details', models.JSONField(default=dict)),
                ('platform', models.TextField(blank=True)),
                ('wave', models.PositiveSmallIntegerField()),
                ('state', models.TextField()),
                ('state_at', models.DateTimeField()),
                ('tries', models.PositiveIntegerField(default=0)),
                ('next_try_at', models.DateTimeField(null=True)),
                ('lease_until', models.DateTimeField(null=True)),
                ('claimed_by', models.TextField(blank=True)),
                ('confirmed_at', models.DateTimeField(null=True)),
                ('done_at', models.DateTimeField(null=True)),
                ('reason', models.TextField(blank=True)),
                ('plan', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tocsin.containmentplan')),
            ],
        ),
        migrations.CreateModel(
            name='ContainmentWave',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('number', models.PositiveSmallIntegerField()),
                ('share', models.FloatField()),
                ('accounts', models.BigIntegerField()),
                ('state', models.TextField()),
                ('begun_at', models.DateTimeField(null=True)),
                ('held_reason', models.TextField(blank=True)),
                ('plan', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='waves', to='tocsin.containmentplan')),
            ],
        ),
        migrations.CreateModel(
            name='GateChange',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('seq', models.BigIntegerField()),
                ('content', models.TextField()),
                ('made_at', models.DateTimeField()),
                ('epoch', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='changes', to='tocsin.gateepoch')),
            ],
        ),
        migrations.CreateModel(
            name='SignalToken',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('jti', models.TextField()),
                ('received_at', models.DateTimeField()),
                ('outcome', models.TextField()),
                ('detail', models.TextField(blank=True)),
                ('stream', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tocsin.signalstream')),
            ],
        ),
        migrations.AddConstraint(
            model_name='containmentplan',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', [tocsin.containment.states.PlanState['DRAWN'], tocsin.containment.states.PlanState['APPROVED'], tocsin.containment.states.PlanState['RUNNING'], tocsin.containment.states.PlanState['PAUSED'], tocsin.containment.states.PlanState['CLOSED'], tocsin.containment.states.PlanState['UNDONE'], tocsin.containment.states.PlanState['SUPERSEDED']])), name='containment_plan_state_known'),
        ),
        migrations.AddConstraint(
            model_name='containmentplan',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', [tocsin.containment.states.PlanState['DRAWN'], tocsin.containment.states.PlanState['APPROVED']])), fields=('incident',), name='containment_one_waiting_plan'),
        ),
        migrations.AddIndex(
            model_name='containmentprogress',
            index=models.Index(fields=['plan', 'state', 'state_at'], name='containment_progress_recent'),
        ),
        migrations.AddConstraint(
            model_name='containmentprogress',
            constraint=models.UniqueConstraint(fields=('plan', 'account'), name='containment_progress_once'),
        ),
        migrations.AddConstraint(
            model_name='containmentprogress',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', [tocsin.containment.states.StepState['PLANNED'], tocsin.containment.states.StepState['SENDING'], tocsin.containment.states.StepState['SENT'], tocsin.containment.states.StepState['CONFIRMED'], tocsin.containment.states.StepState['DONE'], tocsin.containment.states.StepState['CLOSED'], tocsin.containment.states.StepState['UNREACHABLE'], tocsin.containment.states.StepState['REFUSED'], tocsin.containment.states.StepState['EXEMPT'], tocsin.containment.states.StepState['UNDOING'], tocsin.containment.states.StepState['UNDONE'], tocsin.containment.states.StepState['APPEALED']])), name='containment_progress_state_known'),
        ),
        migrations.AddIndex(
            model_name='containmentstep',
            index=models.Index(condition=models.Q(('next_try_at__isnull', False)), fields=['system', 'next_try_at', 'id'], name='containment_step_due'),
        ),
        migrations.AddIndex(
            model_name='containmentstep',
            index=models.Index(fields=['account'], name='containment_step_account'),
        ),
        migrations.AddIndex(
            model_name='containmentstep',
            index=models.Index(fields=['plan', 'system', 'measure', 'wave', 'state'], name='containment_step_funnel'),
        ),
        migrations.AddConstraint(
            model_name='containmentstep',
            constraint=models.UniqueConstraint(fields=('plan', 'account', 'system', 'measure'), name='containment_step_once'),
        ),
        migrations.AddConstraint(
            model_name='containmentstep',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', [tocsin.containment.states.StepState['PLANNED'], tocsin.containment.states.StepState['SENDING'], tocsin.containment.states.StepState['SENT'], tocsin.containment.states.StepState['CONFIRMED'], tocsin.containment.states.StepState['DONE'], tocsin.containment.states.StepState['CLOSED'], tocsin.containment.states.StepState['UNREACHABLE'], tocsin.containment.states.StepState['REFUSED'], tocsin.containment.states.StepState['EXEMPT'], tocsin.containment.states.StepState['UNDOING'], tocsin.containment.states.StepState['UNDONE'], tocsin.containment.states.StepState['APPEALED']])), name='containment_step_state_known'),
        ),
        migrations.AddConstraint(
            model_name='containmentwave',
            constraint=models.UniqueConstraint(fields=('plan', 'number'), name='containment_wave_once'),
        ),
        migrations.AddConstraint(
            model_name='containmentwave',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', [tocsin.containment.states.WaveState['WAITING'], tocsin.containment.states.WaveState['BEGUN'], tocsin.containment.states.WaveState['HELD']])), name='containment_wave_state_known'),
        ),
        migrations.AddConstraint(
            model_name='gatechange',
            constraint=models.UniqueConstraint(fields=('epoch', 'seq'), name='gate_change_once'),
        ),
        migrations.AddConstraint(
            model_name='signaltoken',
            constraint=models.UniqueConstraint(fields=('stream', 'jti'), name='signal_token_once'),
        ),
        migrations.RunSQL(NEVER_CHANGED, reverse_sql=migrations.RunSQL.noop),
    ]
