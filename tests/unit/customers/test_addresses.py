"""Addresses in their one form: telephone numbers, e-mail, scoped ids, languages; and masked ones."""

import phonenumbers
import pytest
from hypothesis import given, strategies as st

from tocsin.customers import addresses
from tocsin.customers.values import Address, AddressKind


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("06.12.34.56.78", "fr", "+33612345678"),
        ("+33 (0)6 12 34 56 78", "", "+33612345678"),
        ("0033612345678", "", "+33612345678"),
        ("33612345678", "", "+33612345678"),
        ("612345678", "FR", "+33612345678"),  # a spreadsheet took the zero for nothing
        ("612345678.0", "FR", "+33612345678"),
        ("'+33612345678", "", "+33612345678"),
        ("(650) 555-1234", "US", "+16505551234"),
        ("+39 06 12345678", "", "+390612345678"),  # Italy keeps its zero
        ("020 7946 0000", "GB", "+442079460000"),
        ("+5491123456789", "", "+5491123456789"),
        ("06\N{NO-BREAK SPACE}12\N{NO-BREAK SPACE}34 56 78", "FR", "+33612345678"),
    ],
)
def test_telephone_numbers_become_e164(text: str, country: str, number: str):
    assert addresses.phone(text, country=country) == number


@pytest.mark.parametrize(
    ("text", "country"),
    [("12", "FR"), ("", ""), ("+", ""), ("abc", "FR"), ("3.36E+10", "FR"), ("0612345678", ""), ("+999123456", ""),
     ("+1 650 555 1234 ext 5", ""), ("555-1234", "US"), ("+33 6 12 34 56", "")],
)  # fmt: skip
def test_what_is_no_telephone_number_stays_none(text: str, country: str):
    assert addresses.phone(text, country=country) is None


@given(st.sampled_from(["FR", "DE", "GB", "IT", "US", "BR", "MX", "AR"]), st.text("0123456789+() -.", max_size=18))
def test_the_quick_way_never_says_something_else_than_the_library(country: str, text: str):
    found = addresses.phone(text, country=country)
    if found is not None:
        number = phonenumbers.parse(found, None)
        assert phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) == found
        assert phonenumbers.is_possible_number(number)
        assert addresses.phone(found) == found


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Ada@Example.COM", "Ada@example.com"),  # the local part belongs to the other side
        (" mailto:a@b.fr ", "a@b.fr"),
        ("x@münchen.de", "x@xn--mnchen-3ya.de"),
        ("a@b.example.", "a@b.example"),
        ("a b@c.de", None),
        ("a@b", None),
        ("a..b@c.de", None),
        ("@x.fr", None),
        ("a@-x.fr", None),
        ("a@1.2.3.4", None),
        ("a@b.fr\r\nBcc: x@y.fr", None),
        ("Ada <a@b.fr>", None),
    ],
)
def test_e_mail_addresses_have_their_domain_in_lower_case_as_idna(text: str, address: str | None):
    assert addresses.email(text) == address


@pytest.mark.parametrize(
    ("text", "tag"),
    [("fr", "fr"), ("FR", "fr"), ("fr_FR.UTF-8", "fr-FR"), ("Français", "fr"), ("zh-hans-cn", "zh-Hans-CN"),
     ("es-419", "es-419"), ("klingon", None), ("f", None), ("", None)],
)  # fmt: skip
def test_languages_become_tags(text: str, tag: str | None):
    assert addresses.language(text) == tag


def test_a_scoped_id_is_never_taken_for_a_telephone_number():
    assert addresses.whatsapp("US.13491208655302741918") == Address(AddressKind.WHATSAPP, "US.13491208655302741918")
    assert addresses.whatsapp("0612345678", country="FR") == Address(AddressKind.PHONE, "+33612345678")
    assert addresses.whatsapp("nothing") is None


@pytest.mark.parametrize(
    ("address", "shown"),
    [("+33612345678", "+33*******78"), ("ada@example.com", "a***@e***.com"), ("ab", "**"), ("+12345", "******")],
)
def test_a_masked_address_cannot_be_written_to(address: str, shown: str):
    assert addresses.masked(address) == shown


@given(st.text(min_size=1, max_size=40))
def test_masking_always_hides_something(address: str):
    assert addresses.masked(address) != address or set(address) == {"*"}
