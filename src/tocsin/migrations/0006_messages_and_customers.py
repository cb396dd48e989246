"""The people we may have to tell, and messages out and in."""

import django.db.models.deletion
import tocsin.kernel.ids
from django.db import migrations, models

# A message's row is written five times in its life: half-empty pages let a new version stand beside the old one.
FILLFACTOR = """
ALTER TABLE tocsin_outboundmessage SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02,
                                        autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE tocsin_webhookintake SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE TRIGGER message_never_sent_again BEFORE UPDATE ON tocsin_outboundmessage FOR EACH ROW
    WHEN (OLD.state IN ('sent', 'failed', 'delivered', 'bounced', 'read')
          AND NEW.state IN ('queued', 'claimed', 'retrying', 'withheld', 'unknown')
          OR OLD.state IN ('withheld', 'read') AND NEW.state <> OLD.state)
    EXECUTE FUNCTION tocsin_refuse();
CREATE TRIGGER intake_done BEFORE UPDATE ON tocsin_webhookintake FOR EACH ROW
    WHEN (OLD.state = 'done' AND NEW.state <> OLD.state) EXECUTE FUNCTION tocsin_refuse();
CREATE TRIGGER message_attempt_kept BEFORE UPDATE ON tocsin_messageattempt FOR EACH ROW EXECUTE FUNCTION tocsin_refuse();
CREATE TRIGGER message_status_kept BEFORE UPDATE ON tocsin_messagestatus FOR EACH ROW EXECUTE FUNCTION tocsin_refuse();
CREATE TRIGGER message_batch_kept BEFORE UPDATE ON tocsin_messagebatch FOR EACH ROW EXECUTE FUNCTION tocsin_refuse();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('tocsin', '0005_gate_epochs_made_from'),
    ]

    operations = [
        migrations.CreateModel(
            name='CustomerPerson',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('key', models.TextField(unique=True)),
                ('name', models.TextField(blank=True)),
                ('language', models.TextField(blank=True)),
                ('changed_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='InboundMedia',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('message_id', models.UUIDField(db_index=True)),
                ('channel', models.TextField()),
                ('media_id', models.TextField()),
                ('media_type', models.TextField(blank=True)),
                ('sha256', models.TextField(blank=True)),
                ('path', models.TextField(blank=True)),
                ('bytes', models.BigIntegerField(default=0)),
                ('tries', models.PositiveSmallIntegerField(default=0)),
                ('next_try_at', models.DateTimeField(null=True)),
                ('reason', models.TextField(blank=True)),
                ('expires_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='LinePace',
            fields=[
                ('scope', models.TextField(primary_key=True, serialize=False)),
                ('per_second', models.FloatField(default=0)),
                ('room', models.FloatField(default=0)),
                ('free_at', models.DateTimeField()),
                ('lowered_at', models.DateTimeField(null=True)),
                ('wait_until', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='MessageAttempt',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('message_id', models.UUIDField(db_index=True)),
                ('number', models.PositiveSmallIntegerField()),
                ('channel', models.TextField()),
                ('claimed_at', models.DateTimeField()),
                ('begun_at', models.DateTimeField(null=True)),
                ('answered_at', models.DateTimeField(null=True)),
                ('state', models.TextField()),
                ('reason', models.TextField(blank=True)),
                ('code', models.IntegerField(default=0)),
                ('detail', models.TextField(blank=True)),
                ('provider_id', models.TextField(blank=True)),
                ('fallback', models.BooleanField(default=False)),
                ('digest', models.BinaryField()),
                ('batch_id', models.UUIDField()),
            ],
        ),
        migrations.CreateModel(
            name='MessageBatch',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.TextField()),
                ('rows', models.PositiveIntegerField()),
                ('root', models.BinaryField()),
                ('leaves', models.BinaryField()),
                ('entry_id', models.UUIDField()),
                ('made_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='MessagePrice',
            fields=[
                ('message_id', models.UUIDField(primary_key=True, serialize=False)),
                ('channel', models.TextField()),
                ('broadcast', models.TextField(blank=True)),
                ('category', models.TextField()),
                ('price_type', models.TextField(blank=True)),
                ('market', models.TextField()),
                ('at', models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name='MessageStatus',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('message_id', models.UUIDField(db_index=True)),
                ('status', models.TextField()),
                ('at', models.DateTimeField()),
                ('received_at', models.DateTimeField()),
                ('code', models.IntegerField(default=0)),
                ('detail', models.TextField(blank=True)),
                ('category', models.TextField(blank=True)),
                ('price_type', models.TextField(blank=True)),
                ('intake_id', models.BigIntegerField(null=True)),
                ('batch_id', models.UUIDField()),
            ],
        ),
        migrations.CreateModel(
            name='MessagingSwitch',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('paused_at', models.DateTimeField()),
                ('reason', models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name='UploadedFile',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('channel', models.TextField()),
                ('sha256', models.TextField()),
                ('media_type', models.TextField()),
                ('media_id', models.TextField()),
                ('name', models.TextField(blank=True)),
                ('bytes', models.BigIntegerField()),
                ('uploaded_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('channel', 'sha256', 'media_type'), name='uploaded_file_once')],
            },
        ),
        migrations.CreateModel(
            name='WebhookApp',
            fields=[
                ('id', models.TextField(primary_key=True, serialize=False)),
                ('kind', models.TextField()),
                ('name', models.TextField(unique=True)),
                ('sealed', models.BinaryField()),
                ('made_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='AddressName',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('portfolio', models.TextField()),
                ('kind', models.TextField()),
                ('value', models.TextField()),
                ('other_kind', models.TextField()),
                ('other_value', models.TextField()),
                ('seen_at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('portfolio', 'kind', 'value', 'other_kind'), name='address_name_once'), models.CheckConstraint(condition=models.Q(('kind__in', ['phone', 'email', 'whatsapp', 'app']), ('other_kind__in', ['phone', 'email', 'whatsapp', 'app'])), name='address_name_kinds_known')],
            },
        ),
        migrations.CreateModel(
            name='CustomerAccount',
            fields=[
                ('account', models.TextField(primary_key=True, serialize=False)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='accounts', to='tocsin.customerperson')),
            ],
        ),
        migrations.CreateModel(
            name='InboundMessage',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('channel', models.TextField()),
                ('provider_id', models.TextField()),
                ('address', models.TextField()),
                ('address_kind', models.TextField()),
                ('person_id', models.UUIDField(null=True)),
                ('kind', models.TextField()),
                ('at', models.DateTimeField()),
                ('received_at', models.DateTimeField()),
                ('body_id', models.UUIDField()),
                ('digest', models.BinaryField()),
                ('reply_to', models.TextField(blank=True)),
                ('intake_id', models.BigIntegerField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['address', 'at'], name='inbound_address')],
                'constraints': [models.UniqueConstraint(fields=('channel', 'provider_id'), name='inbound_message_once')],
            },
        ),
        migrations.CreateModel(
            name='MessageBody',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('digest', models.BinaryField()),
                ('sealed', models.BinaryField(null=True)),
                ('keep_until', models.DateTimeField()),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('sealed__isnull', False)), fields=['keep_until'], name='message_body_expiry')],
            },
        ),
        migrations.CreateModel(
            name='MessageRate',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('valid_from_on', models.DateField()),
                ('currency', models.TextField()),
                ('market', models.TextField()),
                ('category', models.TextField()),
                ('messages_from', models.BigIntegerField(default=0)),
                ('micros', models.BigIntegerField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('valid_from_on', 'currency', 'market', 'category', 'messages_from'), name='message_rate_once')],
            },
        ),
        migrations.CreateModel(
            name='MessageTemplate',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('account', models.TextField()),
                ('name', models.TextField()),
                ('language', models.TextField()),
                ('provider_id', models.TextField(blank=True)),
                ('status', models.TextField()),
                ('category', models.TextField(blank=True)),
                ('coming_category', models.TextField(blank=True)),
                ('quality', models.TextField(blank=True)),
                ('reason', models.TextField(blank=True)),
                ('parameter_format', models.TextField(blank=True)),
                ('components', models.JSONField(default=list)),
                ('held_until', models.DateTimeField(null=True)),
                ('held_reason', models.TextField(blank=True)),
                ('told_at', models.JSONField(default=dict)),
                ('seen_at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('account', 'name', 'language'), name='message_template_once')],
            },
        ),
        migrations.CreateModel(
            name='MessagingChannel',
            fields=[
                ('name', models.TextField(primary_key=True, serialize=False)),
                ('kind', models.TextField()),
                ('line', models.TextField(blank=True)),
                ('account', models.TextField(blank=True)),
                ('portfolio', models.TextField(blank=True)),
                ('settings', models.JSONField(default=dict)),
                ('sealed', models.BinaryField()),
                ('added_at', models.DateTimeField()),
                ('paused_at', models.DateTimeField(null=True)),
                ('paused_reason', models.TextField(blank=True)),
                ('held_until', models.DateTimeField(null=True)),
                ('held_reason', models.TextField(blank=True)),
                ('health', models.JSONField(default=dict)),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('line', ''), _negated=True), fields=('kind', 'line'), name='messaging_line_once')],
            },
        ),
        migrations.CreateModel(
            name='OutboundMessage',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('channel', models.TextField()),
                ('priority', models.PositiveSmallIntegerField()),
                ('purpose', models.TextField()),
                ('address', models.TextField()),
                ('address_kind', models.TextField()),
                ('person_id', models.UUIDField(null=True)),
                ('account', models.TextField(blank=True)),
                ('once_key', models.TextField(null=True, unique=True)),
                ('broadcast', models.TextField(blank=True)),
                ('reply_to', models.TextField(blank=True)),
                ('body_id', models.UUIDField()),
                ('digest', models.BinaryField()),
                ('batch_id', models.UUIDField()),
                ('needs_window', models.BooleanField(default=False)),
                ('template', models.TextField(blank=True)),
                ('category', models.TextField(blank=True)),
                ('state', models.TextField(default='queued')),
                ('reason', models.TextField(blank=True)),
                ('detail', models.TextField(blank=True)),
                ('tries', models.PositiveSmallIntegerField(default=0)),
                ('crashes', models.PositiveSmallIntegerField(default=0)),
                ('next_try_at', models.DateTimeField(null=True)),
                ('claimed_by', models.TextField(blank=True)),
                ('lease_until', models.DateTimeField(null=True)),
                ('provider_id', models.TextField(blank=True)),
                ('queued_at', models.DateTimeField()),
                ('state_at', models.DateTimeField()),
                ('sent_at', models.DateTimeField(null=True)),
                ('delivered_at', models.DateTimeField(null=True)),
                ('read_at', models.DateTimeField(null=True)),
                ('expires_at', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('next_try_at__isnull', False)), fields=['channel', 'priority', 'next_try_at', 'id'], name='message_due'), models.Index(condition=models.Q(('lease_until__isnull', False)), fields=['lease_until'], name='message_leased'), models.Index(condition=models.Q(('reason__in', ['no_answer', 'sender_died'])), fields=['queued_at'], name='message_unknown'), models.Index(condition=models.Q(('provider_id', ''), _negated=True), fields=['provider_id'], name='message_provider_id'), models.Index(condition=models.Q(('person_id__isnull', False)), fields=['person_id'], name='message_person'), models.Index(fields=['address', 'id'], name='message_address'), models.Index(condition=models.Q(('broadcast', ''), _negated=True), fields=['broadcast'], name='message_broadcast')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['queued', 'claimed', 'retrying', 'withheld', 'unknown', 'sent', 'failed', 'delivered', 'bounced', 'read'])), name='message_state_known'), models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['withheld', 'failed']), _negated=True), models.Q(('reason', ''), _negated=True), _connector='OR'), name='message_reason_given'), models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['queued', 'retrying']), _negated=True), ('next_try_at__isnull', False), _connector='OR'), name='message_waits_until'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'claimed'), _negated=True), ('lease_until__isnull', False), _connector='OR'), name='message_claimed_until'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'unknown'), _negated=True), ('reason__in', ['no_answer', 'sender_died']), _connector='OR'), name='message_unknown_since')],
            },
        ),
        migrations.CreateModel(
            name='PairPace',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('channel', models.TextField()),
                ('address', models.TextField()),
                ('free_at', models.DateTimeField()),
                ('refused', models.PositiveSmallIntegerField(default=0)),
                ('wait_until', models.DateTimeField(null=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('channel', 'address'), name='pair_pace_once')],
            },
        ),
        migrations.CreateModel(
            name='PersonObjection',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('kind', models.TextField()),
                ('address', models.TextField()),
                ('purpose', models.TextField(blank=True)),
                ('reason', models.TextField()),
                ('since_at', models.DateTimeField()),
                ('lifted_at', models.DateTimeField(null=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('kind', 'address', 'purpose'), name='objection_once')],
            },
        ),
        migrations.CreateModel(
            name='PortfolioPerson',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('portfolio', models.TextField()),
                ('address', models.TextField()),
                ('begun_at', models.DateTimeField()),
            ],
            options={
                'indexes': [models.Index(fields=['portfolio', 'begun_at'], name='portfolio_begun')],
                'constraints': [models.UniqueConstraint(fields=('portfolio', 'address'), name='portfolio_person_once')],
            },
        ),
        migrations.CreateModel(
            name='ServiceWindow',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('channel', models.TextField()),
                ('address', models.TextField()),
                ('last_inbound_at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('channel', 'address'), name='service_window_once')],
            },
        ),
        migrations.CreateModel(
            name='WebhookIntake',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('app', models.TextField()),
                ('received_at', models.DateTimeField()),
                ('digest', models.BinaryField()),
                ('sealed', models.BinaryField(null=True)),
                ('headers', models.JSONField(default=dict)),
                ('state', models.TextField(default='waiting')),
                ('tries', models.PositiveSmallIntegerField(default=0)),
                ('next_try_at', models.DateTimeField(null=True)),
                ('reason', models.TextField(blank=True)),
                ('keep_until', models.DateTimeField()),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state', 'waiting')), fields=['next_try_at', 'id'], name='intake_due'), models.Index(condition=models.Q(('state__in', ['aside', 'failed'])), fields=['id'], name='intake_aside'), models.Index(fields=['keep_until'], name='intake_expiry')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'done', 'aside', 'failed'])), name='intake_state_known')],
            },
        ),
        migrations.CreateModel(
            name='CustomerAddress',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('kind', models.TextField()),
                ('value', models.TextField()),
                ('preferred', models.BooleanField(default=False)),
                ('person', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='addresses', to='tocsin.customerperson')),
            ],
            options={
                'indexes': [models.Index(fields=['kind', 'value'], name='customer_address_value')],
                'constraints': [models.UniqueConstraint(fields=('person', 'kind', 'value'), name='customer_address_once'), models.CheckConstraint(condition=models.Q(('kind__in', ['phone', 'email', 'whatsapp', 'app'])), name='customer_address_kind_known')],
            },
        ),
        migrations.RunSQL(FILLFACTOR, reverse_sql=migrations.RunSQL.noop),
    ]
