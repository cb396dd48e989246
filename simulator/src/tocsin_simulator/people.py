"""The people who own the phones: who they are, and what each does with a message.

Anybody with a phone number exists. What somebody does follows from the seed and the number alone, so a person costs
memory only once something happened to them: they wrote, they blocked the company, or a file describes them.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Calling code -> country of the business-scoped user id; the longest that fits wins.
COUNTRIES = {
    "1": "US", "30": "GR", "31": "NL", "32": "BE", "33": "FR", "34": "ES", "351": "PT", "353": "IE", "39": "IT",
    "41": "CH", "43": "AT", "44": "GB", "45": "DK", "46": "SE", "47": "NO", "48": "PL", "49": "DE", "52": "MX",
    "55": "BR", "61": "AU", "62": "ID", "81": "JP", "82": "KR", "91": "IN", "971": "AE",
}  # fmt: skip
REWRITTEN = frozenset({"55", "52"})
_BRAZIL, _OLD_BRAZIL = re.compile(r"55([3-9][0-9])9([6-9][0-9]{7})"), re.compile(r"55([3-9][0-9])([6-9][0-9]{7})")
_MEXICO, _OLD_MEXICO = re.compile(r"52[2-9][0-9]{9}"), re.compile(r"521[2-9][0-9]{9}")
FIRST_NAMES = (
    "Ada Bruno Chiara Dmitri Elif Farid Greta Hana Ines Jonas Kofi Lena Marek Nadia Omar Pilar Quentin Rosa".split()
)
LAST_NAMES = "Almeida Bauer Costa Duval Eriksen Ferrari Garnier Haddad Ivanova Jansen Keller Lopez Moreau Novak".split()
# A user id is the phone number, moved by an invertible step: found back without keeping a table.
SPACE = 10**19
STEP = 6_364_136_223_846_793_007


@dataclass(slots=True)
class Person:
    """Somebody with a phone. Shares are between 0 and 1, decided per message with the seed."""

    phone: str  # digits, without a plus sign
    user_id: str
    name: str
    username: str = ""
    reads: float = 0.7
    answers: float = 0.0
    reads_after_seconds: float | None = None  # after the delivery; None: log-normal, as most people do
    answers_after_seconds: float | None = None  # after reading
    answer: str = "Thank you."
    blocks: float = 0.0
    receives: float = 1.0  # 0: the phone is off for ever, or WhatsApp is not installed
    writes_every_seconds: float = 0.0  # 0: never writes first
    writes: str = "Hello, is somebody there?"
    on_whatsapp: bool = True
    away_until: float = 0.0  # the phone is off so long
    patience: int = 20  # answers no more than so often by themselves: two machines would never stop
    withheld: bool = False  # webhooks leave the phone number out
    stopped_marketing: bool = False
    device_identity: str = ""
    wrote_at: dict[str, float] = field(default_factory=dict)  # our number -> their last message
    blocked: set[str] = field(default_factory=set)  # our numbers they blocked

    @property
    def wa_id(self) -> str:
        """Return the number as WhatsApp writes it."""
        return self.phone if self.phone[:2] not in REWRITTEN else wa_id_of(self.phone)


NUMBER = (int, float)
# What a file may say of a person.
DESCRIBED: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("phone", "user_id", "name", "username", "answer", "writes", "device_identity"), (str,)),
    **dict.fromkeys(("reads", "answers", "blocks", "receives", "writes_every_seconds"), NUMBER),
    **dict.fromkeys(("reads_after_seconds", "answers_after_seconds"), (*NUMBER, type(None))),
    **dict.fromkeys(("on_whatsapp", "withheld", "stopped_marketing"), (bool,)),
    "patience": (int,),
}


def wa_id_of(phone: str) -> str:
    """Return a number as WhatsApp writes it.

    It keeps old forms of two countries: Brazilian mobile numbers without the 9 that was put before them (the area codes
    from 31 on), Mexican ones with the 1 that went.
    """
    if found := _BRAZIL.fullmatch(phone):
        return f"55{found[1]}{found[2]}"
    return f"521{phone[2:]}" if _MEXICO.fullmatch(phone) else phone


def phone_of_wa_id(digits: str) -> str:
    """Return the number behind what WhatsApp writes; any other number as it is."""
    if digits[:2] not in REWRITTEN:
        return digits
    if found := _OLD_BRAZIL.fullmatch(digits):
        return f"55{found[1]}9{found[2]}"
    return f"52{digits[3:]}" if _OLD_MEXICO.fullmatch(digits) else digits


def country_of(phone: str) -> str:
    """Return the two letters of a number's country, XX when unknown."""
    for length in (3, 2, 1):
        if phone[:length] in COUNTRIES:
            return COUNTRIES[phone[:length]]
    return "XX"


class People:
    """Everybody, by phone number or by business-scoped user id."""

    def __init__(self, *, seed: int, withhold: float = 0.0, manners: dict[str, Any] | None = None) -> None:
        """`manners`: what everyone does who is not described: `{"reads": 0.7, "answers": 0.1 ...}`."""
        self._seed = seed
        self._offset = int.from_bytes(self._digest("offset"), "big") % SPACE
        self._back = pow(STEP, -1, SPACE)
        self._withhold = withhold
        self.manners = manners or {}
        self.known: dict[str, Person] = {}
        self._moved: dict[str, str] = {}  # user id that was changed -> phone

    def _digest(self, key: str) -> bytes:
        return hashlib.blake2b(f"{self._seed}|{key}".encode(), digest_size=8).digest()

    def user_id_of(self, phone: str) -> str:
        """Return the business-scoped user id of a phone number."""
        known = self.known.get(phone)
        if known is not None:
            return known.user_id
        return f"{country_of(phone)}.{(int('9' + phone) * STEP + self._offset) % SPACE:019d}"

    def phone_of(self, user_id: str) -> str | None:
        """Return the phone number behind a user id, or None when it is nobody's."""
        if user_id in self._moved:
            return self._moved[user_id]
        country, _, number = user_id.partition(".")
        if not number.isdecimal() or len(number) != 19:
            return None
        phone = str((int(number) - self._offset) * self._back % SPACE)
        if phone[:1] != "9" or not 6 <= len(phone) <= 16 or country_of(phone[1:]) != country:
            return None
        return phone[1:]

    def look(self, phone: str) -> Person:
        """Return somebody without remembering them."""
        known = self.known.get(phone)
        if known is not None:
            return known
        first, last, share = self._digest(phone)[:3]
        name = f"{FIRST_NAMES[first % len(FIRST_NAMES)]} {LAST_NAMES[last % len(LAST_NAMES)]}"
        person = Person(phone, self.user_id_of(phone), name, **self.manners)
        person.withheld = share < self._withhold * 256
        return person

    def remember(self, phone: str) -> Person:
        """Return somebody to whom something happens that lasts."""
        person = self.known.get(phone)
        if person is None:
            person = self.known[phone] = self.look(phone)
        return person

    def rename(self, person: Person, user_id: str) -> None:
        """Give somebody another user id."""
        self._moved[user_id] = person.phone
        person.user_id = user_id

    def __iter__(self) -> Iterator[Person]:
        return iter(self.known.values())

    def load(self, described: list[dict[str, Any]]) -> None:
        """Remember people as a file describes them.

        Raises:
            ValueError: with the place, when an entry has no `phone`, or a key nobody knows.

        """
        for place, entry in enumerate(described):
            self.describe(entry, where=f"people[{place}]")

    def describe(self, entry: dict[str, Any], *, where: str) -> Person:
        """Remember one person as described: a `phone`, and what differs from everybody; raises ValueError."""
        unknown = sorted(set(entry) - DESCRIBED.keys())
        if unknown:
            raise ValueError(f"{where}: unknown key {unknown[0]}; known are {', '.join(sorted(DESCRIBED))}")
        phone = str(entry.get("phone", "")).lstrip("+").replace(" ", "")
        if not (phone.isdecimal() and phone.isascii()) or phone.startswith("0"):  # no country's code begins with 0
            raise ValueError(f"{where}: phone must be digits with a plus sign and the country, such as +33600000001")
        for key, value in entry.items():
            if not isinstance(value, DESCRIBED[key]):
                raise ValueError(f"{where}.{key}: {value!r} is not one of its values")  # noqa: TRY004 - a file's fault
        person = self.remember(phone_of_wa_id(phone))
        for key, value in entry.items():
            if key == "user_id":
                self.rename(person, value)
            elif key != "phone":
                setattr(person, key, value)
        return person


def read_people(given: str) -> list[dict[str, Any]]:
    """Return what `--people` says: a number of people, or a JSON file with a list of them.

    Raises:
        ValueError: the file is no such list.

    """
    if given.isdecimal():
        return [{"phone": f"+1555{place:07d}", "answers": 0.1} for place in range(int(given))]
    try:
        described = json.loads(Path(given).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{given}: {error.strerror}; --people is a number of people, or a JSON file") from error
    except ValueError as error:
        raise ValueError(f"{given} is not JSON: {error}") from error
    if not isinstance(described, list) or not all(isinstance(entry, dict) for entry in described):
        raise ValueError("the file of people must hold a list of objects")
    return described
