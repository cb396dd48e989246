from django.db import migrations, models

# Sealed bytes and hashes cannot be compressed: trying costs time with every row.
STORAGE = """
ALTER TABLE tocsin_messagebody ALTER COLUMN sealed SET STORAGE EXTERNAL;
ALTER TABLE tocsin_webhookintake ALTER COLUMN sealed SET STORAGE EXTERNAL;
ALTER TABLE tocsin_messagebatch ALTER COLUMN leaves SET STORAGE EXTERNAL;
"""
# Senders look at once when a channel comes, goes, is held or released, or a switch is thrown.
WAKING = """
CREATE FUNCTION tocsin_outbox_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tocsin_outbox', '');
    RETURN NULL;
END $$;
CREATE TRIGGER messaging_channel_changed AFTER INSERT OR UPDATE OR DELETE ON tocsin_messagingchannel
    FOR EACH STATEMENT EXECUTE FUNCTION tocsin_outbox_changed();
CREATE TRIGGER messaging_switch_changed AFTER INSERT OR UPDATE OR DELETE ON tocsin_messagingswitch
    FOR EACH STATEMENT EXECUTE FUNCTION tocsin_outbox_changed();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("tocsin", "0007_how_to_send"),
    ]

    operations = [
        migrations.AlterField(
            model_name="outboundmessage",
            name="once_key",
            field=models.TextField(null=True),
        ),
        migrations.AddConstraint(
            model_name="outboundmessage",
            constraint=models.UniqueConstraint(fields=("once_key",), name="message_once"),
        ),
        migrations.RunSQL(STORAGE, reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(WAKING, reverse_sql=migrations.RunSQL.noop),
    ]
