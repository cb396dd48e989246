"""Addresses in the one form they are kept and compared in: E.164, e-mail, business-scoped ids, language tags."""

import re
from functools import lru_cache

import idna
import phonenumbers

from tocsin.customers.values import Address, AddressKind

# Meta's form of a business-scoped id: a country, perhaps ENT for a parent's, up to 128 letters and digits.
_SCOPED_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")
_FILLING = re.compile(r"[\s().\-/\u2010-\u2015\u2060\u200b\u200e\u200f\u202a-\u202e]+")
_SPREADSHEET = re.compile(r"\+?\d{6,15}\.0")  # a number of a spreadsheet's that was a telephone's
_TRUNK = re.compile(r"\(0\)")  # +33 (0)6: the zero is not dialled from abroad
_LOCAL = re.compile(r"[^\s@\"(),:;<>\[\]\\\x00-\x1f\x7f]{1,64}")  # RFC 5321, without quoted forms; RFC 6531's letters
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|\d{3}))?")
_LANGUAGES = {
    "english": "en", "anglais": "en", "french": "fr", "français": "fr", "francais": "fr", "german": "de",
    "deutsch": "de", "allemand": "de", "spanish": "es", "español": "es", "espagnol": "es", "italian": "it",
    "italiano": "it", "italien": "it", "dutch": "nl", "nederlands": "nl", "néerlandais": "nl", "portuguese": "pt",
    "português": "pt", "portugais": "pt", "polish": "pl", "polski": "pl", "polonais": "pl",
}  # fmt: skip
EMAIL_CHARACTERS_MAX = 254  # RFC 5321, section 4.5.3.1.3, without the angle brackets


def known_country(code: str) -> bool:
    """Say whether this is a country (ISO 3166-1, two letters) whose telephone numbers can be read."""
    return code.upper() in phonenumbers.SUPPORTED_REGIONS


def phone(text: str, *, country: str = "") -> str | None:
    """Return a telephone number as E.164 (ITU-T), or None.

    ``country`` reads national numbers. A number needs a length its country can have; whether somebody has it, only
    the provider knows: tables of number ranges are always a little old, and in need everybody is to be told.
    """
    plain = text.strip().removeprefix("'")
    if _SPREADSHEET.fullmatch(plain):
        plain = plain.split(".")[0]
    digits = _FILLING.sub("", _TRUNK.sub("", plain))
    if digits.startswith("00") and country.upper() != "FI":  # in Finland other prefixes than 00 lead abroad too
        digits = "+" + digits[2:]
    return _quick(digits, country.upper()) or _thorough(digits, country.upper())


def _quick(digits: str, country: str) -> str | None:
    """Read the plain forms (+CC and number; trunk prefix and number) ten times faster than the library does."""
    if not (digits.isascii() and digits.removeprefix("+").isdigit()):
        return None
    for code, prefix, lengths, trunk in _plans(country, digits[:4]):
        if digits.startswith(prefix):
            number = digits[len(prefix) :]
            if len(number) in lengths and not (trunk and number.startswith(trunk)):
                return f"+{code}{number}"
    return None


@lru_cache(maxsize=65536)
def _plans(country: str, start: str) -> tuple[tuple[int, str, frozenset[int], str], ...]:
    """Return (calling code, what stands before the number, its lengths, trunk prefix) of numbers beginning so."""
    if start.startswith("+"):
        codes = [int(start[1:end]) for end in (4, 3, 2) if start[1:end].isdigit()]
        found = next((code for code in codes if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), None)
        region = phonenumbers.region_code_for_country_code(found) if found else ""
    else:
        region, found = country, phonenumbers.country_code_for_region(country)
    plan = phonenumbers.PhoneMetadata.metadata_for_region(region) if region in phonenumbers.SUPPORTED_REGIONS else None
    if plan is None or not found or plan.national_prefix_transform_rule:
        return ()
    trunk = plan.national_prefix_for_parsing or ""
    if trunk and not trunk.isdigit():
        return ()
    if plan.general_desc is None or not (start.startswith("+") or trunk):
        return ()  # where there is no trunk prefix, the library knows what else can stand before a number
    before = f"+{found}" if start.startswith("+") else trunk
    return ((found, before, frozenset(plan.general_desc.possible_length), trunk),)


@lru_cache(maxsize=4096)
def _thorough(digits: str, country: str) -> str | None:
    for tried in (digits, "+" + digits):  # 33612345678: international, its plus sign left out
        try:
            number = phonenumbers.parse(tried, country or None)
        except phonenumbers.NumberParseException:
            continue
        possible = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
        sure = tried == digits or phonenumbers.is_valid_number(number)
        if possible and sure and not number.extension:
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return None


def email(text: str) -> str | None:
    """Return an e-mail address with its domain in lower case as IDNA (RFC 5890), the local part as given; or None."""
    stripped = text.strip().removeprefix("mailto:")
    local, sign, domain = stripped.rpartition("@")
    if not sign or not _LOCAL.fullmatch(local) or local[0] == "." or local[-1] == "." or ".." in local:
        return None
    ascii_domain = _domain(domain)
    address = f"{local}@{ascii_domain}"
    return address if ascii_domain and len(address) <= EMAIL_CHARACTERS_MAX else None


@lru_cache(maxsize=65536)
def _domain(text: str) -> str | None:
    domain = text.rstrip(".").lower()
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError:
            return None
    labels = domain.split(".")
    known = len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()
    return domain if known else None


def whatsapp(text: str, *, country: str = "") -> Address | None:
    """Return what a WhatsApp column holds: a business-scoped id as it came, or a telephone number."""
    if _SCOPED_ID.fullmatch(text.strip()):
        return Address(AddressKind.WHATSAPP, text.strip())
    number = phone(text, country=country)
    return Address(AddressKind.PHONE, number) if number else None


@lru_cache(maxsize=4096)
def language(text: str) -> str | None:
    """Return a language as a BCP 47 tag (``fr``, ``pt-BR``), from a tag, a POSIX locale or its usual names; or None."""
    plain = text.strip()
    named = _LANGUAGES.get(plain.lower())
    if named:
        return named
    found = _LANGUAGE.fullmatch(plain.split(".")[0])
    if not found:
        return None
    spoken, script, region = found.groups()
    return "-".join(part for part in (spoken.lower(), script and script.title(), region and region.upper()) if part)


def masked(address: str) -> str:
    """Return an address so that its owner would know it and nobody else could write to it: ``+33******78``."""
    local, sign, domain = address.rpartition("@")
    if sign:
        name, dot, top = domain.rpartition(".")
        return f"{local[:1]}***@{name[:1]}***{dot}{top}"
    kept = 3 if address.startswith("+") else 0
    hidden = max(3, len(address) - kept - 2)
    return address[:kept] + "*" * hidden + address[-2:] if len(address) > kept + 4 else "*" * len(address)
