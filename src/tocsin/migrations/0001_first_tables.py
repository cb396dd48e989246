"""The first tables, and what the database itself refuses to do with them."""

import django.db.models.deletion
import tocsin.kernel.ids
from django.db import migrations, models

# What the database itself refuses, whoever asks: rewriting numbered entries, heads, facts and frozen revisions.
NEVER_CHANGED = """
CREATE FUNCTION tocsin_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER journal_entry_numbered BEFORE UPDATE ON tocsin_journalentry FOR EACH ROW
    WHEN (OLD.number IS NOT NULL OR (NEW.id, NEW.written_at, NEW.verb, NEW.subject, NEW.content)
        IS DISTINCT FROM (OLD.id, OLD.written_at, OLD.verb, OLD.subject, OLD.content))
    EXECUTE FUNCTION tocsin_refuse();
CREATE TRIGGER journal_entry_kept BEFORE DELETE ON tocsin_journalentry FOR EACH ROW EXECUTE FUNCTION tocsin_refuse();
CREATE TRIGGER journal_entry_whole BEFORE TRUNCATE ON tocsin_journalentry EXECUTE FUNCTION tocsin_refuse();

CREATE TRIGGER journal_personal_erased_only BEFORE UPDATE ON tocsin_journalpersonal FOR EACH ROW
    WHEN (NEW.salt IS NOT NULL OR (NEW.entry_id, NEW.name, NEW.commitment)
        IS DISTINCT FROM (OLD.entry_id, OLD.name, OLD.commitment))
    EXECUTE FUNCTION tocsin_refuse();
CREATE TRIGGER journal_personal_kept BEFORE DELETE ON tocsin_journalpersonal FOR EACH ROW EXECUTE FUNCTION tocsin_refuse();
CREATE TRIGGER journal_personal_whole BEFORE TRUNCATE ON tocsin_journalpersonal EXECUTE FUNCTION tocsin_refuse();

CREATE TRIGGER journal_head_kept BEFORE UPDATE OR DELETE ON tocsin_journalhead FOR EACH ROW EXECUTE FUNCTION tocsin_refuse();
CREATE TRIGGER journal_head_whole BEFORE TRUNCATE ON tocsin_journalhead EXECUTE FUNCTION tocsin_refuse();

CREATE TRIGGER incident_fact_kept BEFORE UPDATE OR DELETE ON tocsin_incidentfact FOR EACH ROW EXECUTE FUNCTION tocsin_refuse();
CREATE TRIGGER incident_fact_whole BEFORE TRUNCATE ON tocsin_incidentfact EXECUTE FUNCTION tocsin_refuse();

CREATE TRIGGER scope_revision_frozen BEFORE UPDATE OR DELETE ON tocsin_scoperevision FOR EACH ROW
    WHEN (OLD.state = 'frozen') EXECUTE FUNCTION tocsin_refuse();
CREATE TRIGGER scope_revision_whole BEFORE TRUNCATE ON tocsin_scoperevision EXECUTE FUNCTION tocsin_refuse();

CREATE FUNCTION tocsin_refuse_of_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM tocsin_scoperevision revision WHERE revision.state = 'frozen'
        AND (TG_OP <> 'INSERT' AND revision.id = OLD.revision_id OR TG_OP <> 'DELETE' AND revision.id = NEW.revision_id)) THEN
        RAISE EXCEPTION 'what a frozen revision pins is never changed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER scope_pin_frozen BEFORE INSERT OR UPDATE OR DELETE ON tocsin_scopepin FOR EACH ROW
    EXECUTE FUNCTION tocsin_refuse_of_frozen();
CREATE TRIGGER scope_pin_whole BEFORE TRUNCATE ON tocsin_scopepin EXECUTE FUNCTION tocsin_refuse();

CREATE TRIGGER scope_decision_kept BEFORE UPDATE OR DELETE ON tocsin_scopedecision FOR EACH ROW EXECUTE FUNCTION tocsin_refuse();
CREATE TRIGGER scope_decision_whole BEFORE TRUNCATE ON tocsin_scopedecision EXECUTE FUNCTION tocsin_refuse();
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='JournalHead',
            fields=[
                ('size', models.BigIntegerField(primary_key=True, serialize=False)),
                ('body', models.TextField()),
                ('signature', models.BinaryField()),
                ('peaks', models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name='JournalWitnessing',
            fields=[
                ('witness', models.TextField(primary_key=True, serialize=False)),
                ('size', models.BigIntegerField()),
                ('delivered_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Incident',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField(unique=True)),
                ('title', models.TextField()),
                ('severity', models.TextField()),
                ('state', models.TextField()),
                ('declared_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(null=True)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['open', 'closed'])), name='incident_state_known'), models.CheckConstraint(condition=models.Q(('severity__in', ['informational', 'low', 'medium', 'high', 'critical'])), name='incident_severity_known'), models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('state', 'open')), models.Q(('closed_at__isnull', False), ('state', 'closed')), _connector='OR'), name='incident_closed_with_time')],
            },
        ),
        migrations.CreateModel(
            name='JournalEntry',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('number', models.BigIntegerField(null=True, unique=True)),
                ('leaf_hash', models.BinaryField(null=True)),
                ('written_at', models.DateTimeField()),
                ('verb', models.TextField()),
                ('subject', models.TextField()),
                ('content', models.TextField()),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('number__isnull', True)), fields=['id'], name='journal_entry_waiting'), models.Index(fields=['subject', 'id'], name='journal_entry_subject')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('leaf_hash__isnull', True), ('number__isnull', True)), models.Q(('leaf_hash__isnull', False), ('number__gte', 0)), _connector='OR'), name='journal_entry_numbered_with_hash')],
            },
        ),
        migrations.CreateModel(
            name='ScopeRevision',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField()),
                ('state', models.TextField()),
                ('accounts_sha256', models.TextField()),
                ('accounts', models.BigIntegerField()),
                ('rows_root', models.TextField()),
                ('counts', models.JSONField()),
                ('sources', models.JSONField()),
                ('opened_at', models.DateTimeField()),
                ('by', models.TextField()),
                ('assurance', models.TextField()),
                ('frozen_at', models.DateTimeField(null=True)),
                ('digest', models.TextField(null=True)),
                ('incident', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tocsin.incident')),
            ],
        ),
        migrations.CreateModel(
            name='ScopePin',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('kind', models.TextField()),
                ('name', models.TextField()),
                ('sha256', models.TextField()),
                ('bytes', models.BigIntegerField()),
                ('revision', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='pins', to='tocsin.scoperevision')),
            ],
        ),
        migrations.CreateModel(
            name='StaffMember',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('name', models.TextField()),
                ('public_key', models.BinaryField(unique=True)),
                ('kept_in', models.TextField()),
                ('enrolled_at', models.DateTimeField()),
                ('revoked_at', models.DateTimeField(null=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('revoked_at__isnull', True)), fields=('name',), name='staff_name_once'), models.CheckConstraint(condition=models.Q(('kept_in__in', ['file', 'ssh_agent'])), name='staff_kept_in_known')],
            },
        ),
        migrations.CreateModel(
            name='IncidentFact',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.TextField()),
                ('happened_at', models.DateTimeField()),
                ('standing', models.TextField()),
                ('text', models.TextField(blank=True)),
                ('recorded_at', models.DateTimeField()),
                ('by', models.TextField()),
                ('assurance', models.TextField()),
                ('incident', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='fact_rows', to='tocsin.incident')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('kind__in', ['detected', 'suspected', 'aware', 'began', 'ended', 'contained', 'reported', 'note'])), name='incident_fact_kind_known'), models.CheckConstraint(condition=models.Q(('standing__in', ['alleged', 'verified'])), name='incident_fact_standing_known')],
            },
        ),
        migrations.CreateModel(
            name='IncidentLead',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('lead', models.TextField()),
                ('closed_at', models.DateTimeField(null=True)),
                ('incident', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='lead_rows', to='tocsin.incident')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('closed_at__isnull', True)), fields=('lead',), name='incident_one_open_per_lead'), models.UniqueConstraint(fields=('incident', 'lead'), name='incident_lead_once')],
            },
        ),
        migrations.CreateModel(
            name='JournalPersonal',
            fields=[
                ('pk', models.CompositePrimaryKey('entry_id', 'name', blank=True, editable=False, primary_key=True, serialize=False)),
                ('name', models.TextField()),
                ('commitment', models.BinaryField()),
                ('salt', models.BinaryField(null=True)),
                ('value', models.TextField(null=True)),
                ('person', models.TextField(null=True)),
                ('entry', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='personal', to='tocsin.journalentry')),
            ],
            options={
                'indexes': [models.Index(fields=['person'], name='journal_personal_person')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('person__isnull', True), ('salt__isnull', True), ('value__isnull', True)), models.Q(('person__isnull', False), ('salt__isnull', False), ('value__isnull', False)), _connector='OR'), name='journal_personal_whole_or_erased')],
            },
        ),
        migrations.CreateModel(
            name='ScopeClaim',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('account', models.TextField()),
                ('text', models.TextField()),
                ('state', models.TextField()),
                ('made_at', models.DateTimeField()),
                ('decided_at', models.DateTimeField(null=True)),
                ('reason', models.TextField(blank=True)),
                ('incident', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tocsin.incident')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'accepted', 'rejected'])), name='scope_claim_state_known'), models.UniqueConstraint(condition=models.Q(('state', 'waiting')), fields=('incident', 'account'), name='scope_one_waiting_claim')],
            },
        ),
        migrations.CreateModel(
            name='ScopeDecision',
            fields=[
                ('id', models.UUIDField(default=tocsin.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.TextField()),
                ('account', models.TextField()),
                ('reason', models.TextField()),
                ('certainty', models.TextField(blank=True)),
                ('row_sha256', models.TextField(blank=True)),
                ('made_at', models.DateTimeField()),
                ('by', models.TextField()),
                ('assurance', models.TextField()),
                ('incident', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tocsin.incident')),
            ],
            options={
                'indexes': [models.Index(fields=['incident', 'id'], name='scope_decision_incident')],
                'constraints': [models.CheckConstraint(condition=models.Q(('kind__in', ['excluded', 'included'])), name='scope_decision_kind_known')],
            },
        ),
        migrations.AddConstraint(
            model_name='scoperevision',
            constraint=models.UniqueConstraint(fields=('incident', 'number'), name='scope_revision_once'),
        ),
        migrations.AddConstraint(
            model_name='scoperevision',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'draft')), fields=('incident',), name='scope_one_draft'),
        ),
        migrations.AddConstraint(
            model_name='scoperevision',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['draft', 'frozen', 'superseded'])), name='scope_revision_state_known'),
        ),
        migrations.AddConstraint(
            model_name='scoperevision',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('digest__isnull', False), ('frozen_at__isnull', False), ('state', 'frozen')), models.Q(models.Q(('state', 'frozen'), _negated=True), ('digest__isnull', True), ('frozen_at__isnull', True)), _connector='OR'), name='scope_frozen_with_digest'),
        ),
        migrations.AddIndex(
            model_name='scopepin',
            index=models.Index(fields=['sha256'], name='scope_pin_sha256'),
        ),
        migrations.AddConstraint(
            model_name='scopepin',
            constraint=models.UniqueConstraint(fields=('revision', 'kind', 'name'), name='scope_pin_once'),
        ),
        migrations.RunSQL(NEVER_CHANGED, reverse_sql=migrations.RunSQL.noop),
    ]
