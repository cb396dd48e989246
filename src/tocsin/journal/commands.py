"""Everything that changes the journal: writing an entry, numbering and signing, showing heads, erasing a person."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from tocsin.journal import heads, leaf, tree, witness
from tocsin.journal.errors import BadSignature, NotTheJournalsKey, WrittenOutsideTransaction
from tocsin.journal.values import Author, Head
from tocsin.kernel import clock, ids
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily

models = lazily("tocsin.journal.models")

NUMBERED_AT_ONCE_MAX = 2000
_SEQUENCER_LOCK = 0x6A6F7572  # "jour"; PostgreSQL keeps it for the length of the transaction
_HASH_BYTES = 32
_COPY_PERSONAL = "COPY tocsin_journalpersonal (entry_id, name, commitment, salt, value, person) FROM STDIN"


def write(
    *,
    verb: str,
    subject: str,
    by: Author,
    facts: Mapping[str, Any],
    personal: Mapping[str, tuple[str, str]] | None = None,
    rows: Sequence[tuple[str, str]] = (),
) -> UUID:
    """Write one unnumbered entry in the caller's transaction and return its id.

    ``verb`` is module and past participle (``scope.frozen``), ``subject`` what it was done to (``incident:<id>``).
    ``facts`` is JSON without personal data. ``personal`` maps a field to (value, person it is about); ``rows`` are the
    rows of a batch, each (value, person). Of both only salted hashes enter the tree.
    """
    if not connection.in_atomic_block:
        raise WrittenOutsideTransaction(f"{verb} was written outside the transaction of its change")
    named = dict(personal or {})
    if by.name and not by.staff_id:
        named["by_name"] = (by.name, f"asserted:{by.name}")
    committed = [leaf.commit(name, value=value, person=person) for name, (value, person) in sorted(named.items())]
    batch = [leaf.commit(f"row:{n}", value=value, person=person) for n, (value, person) in enumerate(rows)]
    entry_id, written_at = ids.new_id(), clock.now()
    content = leaf.content_of(
        id=entry_id,
        written_at=written_at,
        verb=verb,
        subject=subject,
        author=by,
        facts=facts,
        personal=committed,
        rows=batch,
    )
    if not leaf.act_signature_holds(json.loads(content)):
        raise BadSignature(
            _("The signature does not belong to the key enrolled for {name}.").format(name=by.name),
            mend=_("Sign with the key that was enrolled, or enrol this one."),
        )
    models.JournalEntry.objects.create(id=entry_id, written_at=written_at, verb=verb, subject=subject, content=content)
    _keep_personal(entry_id, [*committed, *batch])
    return entry_id


def _keep_personal(entry_id: UUID, committed: Sequence[leaf.Committed]) -> None:
    """Keep values by COPY: a batch of measures has tens of thousands of rows."""
    if not committed:
        return
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(_COPY_PERSONAL) as copying:
        for each in committed:
            copying.write_row((entry_id, each.name, each.commitment, each.salt, each.value, each.person))


def number_entries() -> int:
    """Number and hash every committed entry that waits, and sign a head over each batch; return how many there were.

    This is the sequencer: whoever holds the advisory lock is the only one. Writers never wait for it.
    """
    numbered = 0
    while batch := _number_batch():
        numbered += batch
    return numbered


def _number_batch() -> int:
    with transaction.atomic():
        return _number_locked_batch()


def _number_locked_batch() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_SEQUENCER_LOCK])
    waiting = list(models.JournalEntry.objects.filter(number__isnull=True).order_by("id")[:NUMBERED_AT_ONCE_MAX])
    if not waiting:
        return 0
    last = models.JournalHead.objects.order_by("-size").first()
    if last:
        _check_key(heads.parse(last.body, signature=bytes(last.signature).hex()))
    grown = tree.Growing(last.size, split_hashes(bytes(last.peaks))) if last else tree.Growing()
    for entry in waiting:
        entry.number = grown.size
        entry.leaf_hash = tree.leaf_hash(entry.content.encode())
        grown.add(entry.leaf_hash)
    models.JournalEntry.objects.bulk_update(waiting, ["number", "leaf_hash"])
    head = heads.sign(size=grown.size, root=grown.root(), previous=last.body if last else None)
    models.JournalHead.objects.create(
        size=head.size, body=head.body, signature=bytes.fromhex(head.signature), peaks=b"".join(grown.peaks)
    )
    return len(waiting)


def split_hashes(joined: bytes) -> list[bytes]:
    """Return the 32-byte hashes of a run of them."""
    return [joined[start : start + _HASH_BYTES] for start in range(0, len(joined), _HASH_BYTES)]


def _check_key(last: Head) -> None:
    if last.key != heads.public_key():
        raise NotTheJournalsKey(
            _("This machine's journal key is not the one this database's journal is signed with."),
            where="keys/journal",
            mend=_("Copy keys/journal from the data folder of the installation that began the journal."),
        )


def deliver_heads() -> list[str]:
    """Show the witness every head it has not seen; return, in words, what it did not take: that is tried again."""
    chosen = witness.named()
    if not chosen:
        return []
    seen = models.JournalWitnessing.objects.filter(witness=chosen).values_list("size", flat=True).first() or 0
    for row in models.JournalHead.objects.filter(size__gt=seen).order_by("size"):
        head = heads.parse(row.body, signature=bytes(row.signature).hex())
        refusal = witness.show(head, witness=chosen)
        if refusal:
            words = _("The witness {witness} did not take the journal's head {size}: {refusal}")
            return [words.format(witness=chosen, size=head.size, refusal=refusal)]
        models.JournalWitnessing.objects.update_or_create(
            witness=chosen, defaults={"size": head.size, "delivered_at": clock.now()}
        )
    return []


def erase_person(person: str, *, by: Author) -> int:
    """Erase every personal value about ``person`` (``account:1234``); return how many. The tree stays valid."""
    with transaction.atomic():
        found = models.JournalPersonal.objects.select_for_update().filter(person=person)
        erased = sorted(f"{entry_id}/{name}" for entry_id, name in found.values_list("entry_id", "name"))
        if erased:
            found.update(salt=None, value=None, person=None)
            write(verb="journal.person_erased", subject="journal", by=by, facts={"values": erased})
    return len(erased)
