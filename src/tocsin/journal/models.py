"""Tables of the journal: entries that never change once numbered, what can be erased beside them, and signed heads."""

from django.db import models

from tocsin.kernel.ids import new_id


class JournalEntry(models.Model):
    """One leaf. ``content`` is the exact JSON text that is hashed; the other columns repeat it, for finding entries."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    number = models.BigIntegerField(null=True, unique=True)
    leaf_hash = models.BinaryField(null=True)
    written_at = models.DateTimeField()
    verb = models.TextField()
    subject = models.TextField()
    content = models.TextField()

    class Meta:
        indexes = [
            # commands.number_entries: what waits for a number, oldest first
            models.Index(fields=["id"], name="journal_entry_waiting", condition=models.Q(number__isnull=True)),
            # queries.entries: the time line of one subject
            models.Index(fields=["subject", "id"], name="journal_entry_subject"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(number__isnull=True, leaf_hash__isnull=True)
                | models.Q(number__gte=0, leaf_hash__isnull=False),
                name="journal_entry_numbered_with_hash",
            )
        ]


class JournalPersonal(models.Model):
    """A personal value behind a commitment. Erasing empties value, salt and person; the commitment stays."""

    pk = models.CompositePrimaryKey("entry_id", "name")
    entry = models.ForeignKey(JournalEntry, on_delete=models.PROTECT, related_name="personal")
    name = models.TextField()  # the field's name, or ``row:N`` for row N of a batch
    commitment = models.BinaryField()
    salt = models.BinaryField(null=True)
    value = models.TextField(null=True)
    person = models.TextField(null=True)  # whom the value is about, e.g. ``account:1234`` or ``staff:<id>``

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(salt__isnull=True, value__isnull=True, person__isnull=True)
                | models.Q(salt__isnull=False, value__isnull=False, person__isnull=False),
                name="journal_personal_whole_or_erased",
            ),
        ]
        indexes = [
            # commands.erase_person
            models.Index(fields=["person"], name="journal_personal_person")
        ]


class JournalHead(models.Model):
    """A signed head. ``peaks`` are the perfect subtrees' hashes, so that the next one need not read every entry."""

    size = models.BigIntegerField(primary_key=True)
    body = models.TextField()
    signature = models.BinaryField()
    peaks = models.BinaryField()


class JournalWitnessing(models.Model):
    """Up to which head a witness has been shown the journal."""

    witness = models.TextField(primary_key=True)
    size = models.BigIntegerField()
    delivered_at = models.DateTimeField()
