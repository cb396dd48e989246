"""Importing the address book: joined, normalised, counted; nothing dropped, nothing done twice."""

import csv
import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tocsin.customers import queries
from tocsin.customers.errors import ImportNotUnderstood
from tocsin.customers.values import Address, AddressKind, Imported, Refusal
from tocsin.kernel.loading import lazily

models = lazily("tocsin.customers.models")
journal_models = lazily("tocsin.journal.models")
Taking = Callable[..., Imported]


def entries() -> list[dict[str, object]]:
    return [json.loads(each.content) for each in journal_models.JournalEntry.objects.order_by("id")]


def people() -> dict[str, tuple[str, str, tuple[str, ...], tuple[tuple[str, str], ...]]]:
    found = {}
    for row in models.CustomerPerson.objects.all():
        one = queries.person(row.id)
        found[row.key] = (one.name, one.language, one.accounts, tuple((a.kind.value, a.value) for a in one.addresses))
    return found


def refused_lines(imported: Imported) -> list[list[str]]:
    with Path(imported.refused_file).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_lines_of_one_person_become_one_person_with_all_accounts_and_addresses(taken_in: Taking):
    imported = taken_in(
        "account,person,name,language,phone,email\n"
        "ada1,P1,Ada Byron,en,06 12 34 56 78,Ada@Example.COM\n"
        "ada2,P1,,fr_FR,+33 6 12 34 56 78,ada@other.example\n"
        "bob,,Bob,,,bob@example.com\n",
        country="FR",
    )
    assert (imported.lines, imported.made, imported.changed, imported.unchanged) == (3, 2, 0, 0)
    assert people() == {
        "P1": (
            "Ada Byron", "fr-FR", ("ada1", "ada2"),
            (("phone", "+33612345678"), ("email", "Ada@example.com"), ("email", "ada@other.example")),
        ),
        "account:bob": ("Bob", "", ("bob",), (("email", "bob@example.com"),)),
    }  # fmt: skip


def test_the_same_file_again_changes_nothing_and_writes_nothing(taken_in: Taking):
    text = "compte,nom,langue,téléphone,courriel\nada,Ada,fr,+33612345678,ada@example.com\n"
    first = taken_in(text)
    before = list(models.CustomerPerson.objects.values())
    again = taken_in(text)
    assert (first.made, again.made, again.changed, again.unchanged) == (1, 0, 0, 1)
    assert list(models.CustomerPerson.objects.values()) == before
    assert len(entries()) == 1


def test_french_headings_and_the_encoding_of_old_spreadsheets_are_understood(taken_in: Taking):
    text = "Identifiant;Nom complet;Téléphone portable;Adresse e-mail;Remarque\nada;Zoé;0612345678;z@münchen.de;x\n"
    imported = taken_in(text.encode("cp1252"), country="FR")
    assert (imported.encoding, imported.ignored) == ("cp1252", ("Remarque",))
    assert people()["account:ada"][0] == "Zoé"
    assert people()["account:ada"][3] == (("phone", "+33612345678"), ("email", "z@xn--mnchen-3ya.de"))
    assert taken_in(text.encode("utf-8-sig"), country="FR").encoding == "utf-8-sig"
    assert taken_in(text.encode("utf-16"), country="FR").encoding == "utf-16"
    assert models.CustomerPerson.objects.count() == 1


def test_what_cannot_be_used_is_counted_and_kept_and_the_rest_of_its_line_is_not_lost(taken_in: Taking):
    imported = taken_in(
        "account,name,language,phone,email\n"
        "ada,Ada,klingon,12,ada@example.com\n"
        ",Nobody,en,,x@example.com\n"
        "bob,Bob,en,,bob at example\n"
        "eve,=cmd(),en,+33612345678,\n"
    )
    assert imported.refused == {
        Refusal.BAD_LANGUAGE: 1, Refusal.BAD_PHONE: 1, Refusal.NO_ACCOUNT: 1, Refusal.BAD_EMAIL: 1,
        Refusal.NO_ADDRESS: 1,
    }  # fmt: skip
    assert people()["account:ada"] == ("Ada", "", ("ada",), (("email", "ada@example.com"),))
    lines = refused_lines(imported)
    assert lines[0] == [
        "refused_line",
        "refused_reason",
        "refused_column",
        "account",
        "name",
        "language",
        "phone",
        "email",
    ]
    assert ["4", "bad_email", "email", "bob", "Bob", "en", "", "bob at example"] in lines
    assert ["4", "no_address", "", "bob", "", "", "", ""] in lines
    assert stat.S_IMODE(Path(imported.refused_file).stat().st_mode) == 0o600


def test_the_refused_lines_can_be_mended_and_imported(taken_in: Taking):
    imported = taken_in("account,name,phone\nada,-Ada-,12\n")
    mended = Path(imported.refused_file).read_text(encoding="utf-8").replace(",12", ",+33612345678")
    assert taken_in(mended).changed == 1
    assert people()["account:ada"] == ("-Ada-", "", ("ada",), (("phone", "+33612345678"),))


def test_the_delimiter_is_the_one_that_makes_headings_understood(taken_in: Taking):
    assert taken_in('"account";"name, first, last";"e-mail"\nada;Ada;a@example.com\n').made == 1
    assert taken_in("sep=;\r\naccount;email\r\nbob;b@example.com;\r\n").made == 1
    assert taken_in("account\temail\ncid\tc@example.com\n").made == 1
    assert taken_in("account\nsolo\n").refused == {Refusal.NO_ADDRESS: 1}


def test_a_name_cannot_carry_what_would_steer_a_message(taken_in: Taking):
    taken_in('account,name,email\nada,"Ada\x1b[31m \u202eeve\n Byron",a@example.com\n')
    assert people()["account:ada"][0] == "Ada [31m eve Byron"


def test_a_quotation_mark_nobody_closed_costs_one_line_only(taken_in: Taking):
    rest = "".join(f"a{n},N{n},n{n}@example.com\n" for n in range(30))
    imported = taken_in(f'account,name,email\nada,"Ada,ada@example.com\n{rest}')
    assert imported.refused == {Refusal.BAD_LINE: 1}
    assert imported.made == 30
    assert refused_lines(imported)[1] == ["2", "bad_line", "", 'ada,"Ada,ada@example.com']


def test_two_people_who_claim_one_account_are_told_apart(taken_in: Taking):
    imported = taken_in("account,person,email\nx,P1,a@example.com\nx,P2,b@example.com\n")
    assert imported.refused == {Refusal.ACCOUNT_OF_ANOTHER: 1}
    owner = queries.person_of_account("x")
    assert owner is not None
    assert owner.addresses[0].value == "a@example.com"
    assert people()["P2"] == ("", "", (), (("email", "b@example.com"),))


def test_a_person_named_later_keeps_what_was_known_by_the_account(taken_in: Taking):
    taken_in("account,email\nada1,one@example.com\nada2,two@example.com\n")
    known = queries.person_of_account("ada1")
    imported = taken_in("account,person,phone\nada1,P1,+33612345678\nada2,P1,\n")
    owner = queries.person_of_account("ada2")
    assert owner is not None
    assert known is not None
    assert owner.id == known.id
    assert (imported.made, imported.changed) == (0, 1)
    assert set(people()) == {"P1"}
    assert {a.value for a in owner.addresses} == {"one@example.com", "two@example.com", "+33612345678"}


def test_an_account_named_like_a_persons_key_stays_another_person(taken_in: Taking):
    taken_in("account,person,email\n17,,a@example.com\nx,17,b@example.com\n")
    assert set(people()) == {"account:17", "17"}


def test_preferred_addresses_come_first_and_follow_the_latest_list(taken_in: Taking):
    head = "account,phone,email,preferred\n"
    taken_in(head + "ada,+33612345678,ada@example.com,email\n")
    ada = queries.person_of_account("ada")
    assert ada is not None
    assert ada.addresses[0] == Address(AddressKind.EMAIL, "ada@example.com", preferred=True)
    taken_in(head + "ada,+33612345678,ada@example.com,whatsapp\n")
    ada = queries.person_of_account("ada")
    assert ada is not None
    assert [each.preferred for each in ada.addresses] == [True, False]
    assert ada.addresses[0].kind is AddressKind.PHONE


def test_nothing_is_removed_by_an_import_that_lacks_it(taken_in: Taking):
    taken_in("account,name,language,phone,email\nada,Ada,fr,+33612345678,ada@example.com\n")
    before = people()
    assert taken_in("account,name,language,phone,email\nada,,,,\n").unchanged == 1
    assert people() == before


def test_a_scoped_id_of_whatsapp_stays_as_it_came(taken_in: Taking):
    taken_in("account,whatsapp\nada,US.13491208655302741918\nbob,+33 6 12 34 56 78\n")
    assert people()["account:ada"][3] == (("whatsapp", "US.13491208655302741918"),)
    assert people()["account:bob"][3] == (("phone", "+33612345678"),)


def test_the_journal_holds_counts_and_nobodys_name_or_address(taken_in: Taking):
    taken_in("account,name,phone\nada,Ada Byron,+33612345678\nbob,Bob,12\n")
    (entry,) = entries()
    assert entry["verb"] == "customers.imported"
    told = json.dumps(entry["facts"])
    assert '"made": 2' in told
    assert not any(word in told for word in ("Ada", "ada", "336", "bob"))


def test_an_import_that_fails_leaves_nothing(taken_in: Taking, rows: None, tmp_path: Path):
    def stopped(read: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        taken_in("account,phone\nada,12\nbob,+33612345678\n", progress=stopped, refused=tmp_path / "refused.csv")
    assert models.CustomerPerson.objects.count() == 0
    assert not (tmp_path / "refused.csv").exists()


@pytest.mark.parametrize("place", ["/dev/full", "nowhere/refused.csv"])
def test_a_list_of_which_the_refused_lines_cannot_be_kept_is_not_taken_in(taken_in: Taking, tmp_path: Path, place: str):
    with pytest.raises(ImportNotUnderstood, match="what is refused of it cannot be kept") as stopped:
        taken_in("account,phone\nada,12\nbob,+33612345678\n", refused=tmp_path / place)
    assert "--refused" in stopped.value.mend
    assert models.CustomerPerson.objects.count() == 0


def test_a_list_without_accounts_is_refused_and_says_what_is_needed(taken_in: Taking):
    with pytest.raises(ImportNotUnderstood) as refused:
        taken_in("name,phone\nAda,+33612345678\n")
    assert "first line" in str(refused.value)
    with pytest.raises(ImportNotUnderstood):
        taken_in("")


@pytest.mark.parametrize(
    "start",
    [b"PK\x03\x04\x14account,phone\n", b"\xd0\xcf\x11\xe0", b"%PDF-1.7\n", "account,phone\n".encode("utf-16-le")],
)
def test_a_file_that_is_no_text_is_refused_and_says_what_to_do(taken_in: Taking, start: bytes):
    with pytest.raises(ImportNotUnderstood) as refused:
        taken_in(start)
    assert "Save it as CSV" in str(refused.value)


def test_who_wrote_to_us_is_found_by_address_unless_people_share_it(taken_in: Taking):
    taken_in("account,email\nada,family@example.com\nbob,family@example.com\neve,eve@example.com\n")
    eve = queries.person_of_address(AddressKind.EMAIL, "eve@example.com")
    assert eve is not None
    assert eve.accounts == ("eve",)
    assert queries.person_of_address(AddressKind.EMAIL, "family@example.com") is None
    assert queries.person_of_address(AddressKind.PHONE, "eve@example.com") is None
    assert set(queries.people_of_accounts(["ada", "eve", "zoe"])) == {"ada", "eve"}
