"""Who is told of an incident: every affected person once, nobody twice, the intruder never; who is left out is listed."""

import csv
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tocsin.customers.values import AddressKind
from tocsin.journal.values import Assurance, Author
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands as messaging_commands, queries as messaging
from tocsin.messaging.ports import Sending
from tocsin.messaging.values import Priority, Purpose
from tocsin.notices import commands, queries
from tocsin.notices.errors import CountDiffers, NothingFrozen
from tocsin.notices.queries import Wording
from tocsin.notices.values import Order, Told, Untold
from tocsin.staff.errors import SignatureNeeded

MONA = Author(name="Mona", assurance=Assurance.ASSERTED)
ORDER = Order(channel="mail", purpose=Purpose.SECURITY, priority=Priority.SECURITY, once="affected", broadcast="i1")
PLAIN = Wording({"en": {"subject": "Your account", "text": "Hello {name}, about {accounts}."}}, "en")
journal_models = lazily("tocsin.journal.models")
BOOK = (
    "account,person,name,language,email\n"
    "ada1,P1,Ada,fr,ada@example.com\n"
    "ada2,P1,Ada,fr,ada@example.com\n"
    "bob,P2,Bob,en,bob@example.com\n"
    "cid,P3,Cid,de,\n"
    "eve1,P4,Eve,en,eve@example.com\n"
    "eve2,P4,Eve,en,eve@example.com\n"
    "nil,P5,,en,nil@example.com\n"
)


def tell(company: Any, mail: Sending, *, wording: Wording = PLAIN, order: Order = ORDER, **options: Any) -> Told:
    by = options.pop("by", MONA)
    with queries.people_to_tell(company.incident, number=options.pop("number", None)) as found:
        return commands.tell(found, wording=wording, order=order, sending=mail, by=by, **options)


def texts() -> dict[str, str]:
    return {each.address: (messaging.body_of(each.id) or {})["text"] for each in messaging.messages(channel="mail")}


def test_a_person_with_two_affected_accounts_gets_one_message_that_names_both(company: Any, mail: Sending):
    company.knows(BOOK)
    company.freeze(["ada1", "ada2", "bob"])
    told = tell(company, mail)
    assert (told.people, told.queued, told.known) == (2, 2, 0)
    assert texts() == {
        "ada@example.com": "Hello Ada, about ada1, ada2.",
        "bob@example.com": "Hello Bob, about bob.",
    }


def test_a_second_run_of_the_same_notice_writes_to_nobody_twice(company: Any, mail: Sending):
    company.knows(BOOK)
    company.freeze(["ada1", "bob"])
    tell(company, mail)
    again = tell(company, mail)
    assert (again.queued, again.known) == (0, 2)
    assert len(messaging.messages(channel="mail")) == 2
    follow_up = Order(channel="mail", purpose=Purpose.SECURITY, priority=Priority.SECURITY, once="all clear")
    assert tell(company, mail, order=follow_up).queued == 2


def test_a_later_revision_writes_to_those_it_added_only(company: Any, mail: Sending):
    company.knows(BOOK)
    company.freeze(["ada1", "bob"])
    tell(company, mail)
    company.freeze(["ada1", "ada2", "bob", "nil"])
    later = tell(company, mail)
    assert (later.queued, later.known) == (2, 1)  # Ada's second account and nil are new
    assert tell(company, mail, number=1).queued == 0


def test_whoever_was_not_told_by_an_earlier_revision_is_told_by_the_later_one(company: Any, mail: Sending):
    company.knows(BOOK)
    company.freeze(["ada1"])
    company.freeze(["ada1", "bob"])
    assert tell(company, mail).queued == 2


def test_who_does_not_want_it_is_counted_before_it_is_sent_and_a_warning_asks_nobody(company: Any, mail: Sending):
    company.knows(BOOK)
    company.freeze(["ada1", "bob"])
    offer = Order(channel="mail", purpose=Purpose.MARKETING, priority=Priority.BULK)
    stops = [(AddressKind.EMAIL, "Ada@example.com")]
    messaging_commands.object_to(stops, purpose=Purpose.MARKETING, stopped=True, reason="by letter", by=MONA)
    with queries.people_to_tell(company.incident) as found:
        assert commands.rehearse(found, wording=PLAIN, order=offer, sending=mail).objected == 1
    assert tell(company, mail, order=offer).objected == 1
    assert tell(company, mail).objected == 0


def test_an_empty_name_does_not_fail_the_message(company: Any, mail: Sending):
    company.knows(BOOK)
    company.freeze(["nil"])
    assert tell(company, mail).queued == 1
    assert texts() == {"nil@example.com": "Hello Madam or Sir, about nil."}


def test_the_intruder_is_never_told_and_neither_is_who_also_owns_one_of_its_accounts(company: Any, mail: Sending):
    company.knows(BOOK)
    company.freeze(["ada1", "eve1"], attackers=["eve2", "mallory"])
    with queries.people_to_tell(company.incident) as found:
        reached = found.reached()
        assert (reached.accounts, reached.people, reached.attackers) == (4, 1, 2)
        assert reached.nobody == {Untold.OWNS_ATTACKER_ACCOUNT: 1}
    assert tell(company, mail).queued == 1
    assert set(texts()) == {"ada@example.com"}


def test_affected_accounts_that_lead_to_nobody_are_listed_with_the_reason(company: Any, tmp_path: Path):
    company.knows(BOOK)
    company.freeze(["ada1", "cid", "=ghost"], attackers=["mallory"])
    with queries.people_to_tell(company.incident) as found:
        reached = found.reached()
        lines = found.write_nobody(tmp_path / "nobody.csv")
    assert reached.nobody == {Untold.UNKNOWN_ACCOUNT: 1, Untold.NO_ADDRESS: 1}
    assert (reached.by_kind, reached.by_language) == ({AddressKind.EMAIL: 1}, {"fr": 1})
    with (tmp_path / "nobody.csv").open(encoding="utf-8", newline="") as file:
        told = list(csv.reader(file))
    assert lines == 2
    assert told[1:] == [["cid", "victim", "likely", "no_address"], ["'=ghost", "victim", "likely", "unknown_account"]]
    assert stat.S_IMODE((tmp_path / "nobody.csv").stat().st_mode) == 0o600


def test_a_folder_of_findings_can_be_looked_at_before_anything_is_frozen(company: Any):
    company.knows(BOOK)
    with queries.people_of_folder(company.found(["ada1", "zoe"], attackers=["eve2"])) as found:
        reached = found.reached()
    assert (reached.people, reached.attackers, reached.nobody) == (1, 1, {Untold.UNKNOWN_ACCOUNT: 1})


def test_nobody_is_told_of_a_scope_that_is_not_frozen(company: Any, mail: Sending):
    company.knows(BOOK)
    company.freeze(["ada1"], frozen=False)
    with pytest.raises(NothingFrozen, match="has no frozen scope"):
        tell(company, mail)
    company.freeze(["ada1"])
    with pytest.raises(NothingFrozen, match="is not frozen"):
        tell(company, mail, number=7)


def test_each_person_is_written_to_in_their_language_or_the_fallback(company: Any, mail: Sending):
    company.knows(BOOK)
    company.freeze(["ada1", "bob", "nil"])
    french = {"subject": "Votre compte", "text": "Bonjour {name|cher client} :"}
    wording = Wording({"fr": french, "en": {"subject": "Yours", "text": "{name|Hello}!"}}, "en")
    assert tell(company, mail, wording=wording).by_language == {"fr": 1, "en": 2}
    assert texts() == {"ada@example.com": "Bonjour Ada :", "bob@example.com": "Bob!", "nil@example.com": "Hello!"}


def test_the_number_that_was_read_must_be_the_number_there_is(company: Any, mail: Sending):
    company.knows(BOOK)
    company.freeze(["ada1", "bob"])
    with pytest.raises(CountDiffers, match="There are 2 people now, not 3"):
        tell(company, mail, people=3)
    assert messaging.messages(channel="mail") == []
    assert tell(company, mail, people=2).queued == 2


def test_more_than_a_hundred_people_need_a_signature_and_a_hundred_do_not(company: Any, mail: Sending):
    names = [f"a{n}" for n in range(101)]
    company.knows("account,email\n" + "".join(f"{name},{name}@example.com\n" for name in names))
    company.freeze(names)
    with pytest.raises(SignatureNeeded):
        tell(company, mail)
    assert messaging.messages(channel="mail") == []
    company.freeze(names[1:])
    assert tell(company, mail).queued == 100


def test_a_text_the_channel_does_not_carry_stops_nobody_else_and_is_counted(company: Any, mail: Sending):
    company.knows(BOOK)
    company.freeze(["ada1", "nil"])
    wording = Wording({"en": {"subject": "{name|}", "text": "x"}}, "en")
    with queries.people_to_tell(company.incident) as found:
        rehearsed = commands.rehearse(found, wording=wording, order=ORDER, sending=mail)
    told = tell(company, mail, wording=wording)
    assert rehearsed.untold == told.untold == {Untold.NOT_RENDERED: 1}
    assert told.queued == 1
    assert told.examples


def test_whoever_is_not_written_to_is_kept_in_a_file_with_the_reason(company: Any, mail: Sending, tmp_path: Path):
    company.knows(BOOK + "pia,P6,Pia,en,\n")
    company.knows("account,phone\npia,+33612345678\n")
    company.freeze(["ada1", "pia", "zoe"], attackers=["mallory"])
    with (
        queries.LeftOutFile(tmp_path / "rest.csv") as file,
        queries.people_to_tell(company.incident) as found,
    ):
        file.add_nobody(found)
        told = commands.tell(found, wording=PLAIN, order=ORDER, sending=mail, by=MONA, left_out=file.add)
    assert told.untold == {Untold.NO_ADDRESS_HERE: 1}
    assert (tmp_path / "rest.csv").read_text(encoding="utf-8").splitlines() == [
        "account,role,certainty,reason",
        "zoe,victim,likely,unknown_account",
        "pia,victim,likely,no_address_here",
    ]


def test_rehearsing_queues_nothing(company: Any, mail: Sending):
    company.knows(BOOK)
    company.freeze(["ada1", "bob", "cid"])
    with queries.people_to_tell(company.incident) as found:
        rehearsed = commands.rehearse(found, wording=PLAIN, order=ORDER, sending=mail)
    assert (rehearsed.people, rehearsed.queued) == (2, 0)
    assert messaging.messages(channel="mail") == []


def test_a_list_of_accounts_is_told_once_for_each_label(company: Any, mail: Sending):
    company.knows(BOOK)
    news = Order(channel="mail", purpose=Purpose.SERVICE, priority=Priority.SERVICE, once="news of May")
    for queued in (2, 0):
        with queries.people_of_list(["ada1", "ada2", "bob", "zoe"]) as found:
            assert found.reached().nobody == {Untold.UNKNOWN_ACCOUNT: 1}
            assert commands.tell(found, wording=PLAIN, order=news, sending=mail, by=MONA).queued == queued


def test_of_a_list_too_nobody_who_owns_an_account_of_the_intruder_is_told(company: Any):
    company.knows(BOOK)
    with queries.people_of_list(["ada1", "ada2", "bob"], attackers=["ada1"]) as found:
        reached = found.reached()
    assert (reached.people, reached.attackers) == (1, 1)
    assert reached.nobody == {Untold.OWNS_ATTACKER_ACCOUNT: 1}


def test_the_journal_keeps_how_many_were_told_and_nobodys_name_or_address(company: Any, mail: Sending):
    company.knows(BOOK)
    company.freeze(["ada1", "bob", "zoe"])
    tell(company, mail)
    written = [json.loads(each.content) for each in journal_models.JournalEntry.objects.order_by("id")]
    (entry,) = [each for each in written if each["verb"] == "notices.people_told"]
    assert (entry["facts"]["people"], entry["facts"]["queued"], entry["facts"]["revision"]) == (2, 2, 1)
    assert not any(word in json.dumps(written) for word in ("@example.com", "Ada", "Bob"))
