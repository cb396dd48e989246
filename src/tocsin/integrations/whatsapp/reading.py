"""Reading an object somebody wrote, strictly: every error names the place, and repeats no text of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tocsin.kernel.language import gettext as _
from tocsin.messaging.errors import ContentNotUnderstood


class Part:
    """One object of a content and where it stands: ``interactive.action.buttons[2].reply``."""

    def __init__(self, value: Mapping[str, Any], place: str) -> None:
        self.value, self.place = value, place

    def at(self, key: str) -> str:
        """Return the place of one of its fields."""
        return f"{self.place}.{key}" if self.place else key

    def wrong(self, key: str, what: str, *, mend: str = "") -> ContentNotUnderstood:
        """Return the error about one field, or about the object itself when the key is empty."""
        return ContentNotUnderstood(what, where=self.at(key) if key else self.place, mend=mend)

    def has(self, key: str) -> bool:
        """Say whether a field is there and not null."""
        return self.value.get(key) is not None

    def text(self, key: str, *, longest: int | None = None, needed: bool = True, may_be_empty: bool = False) -> str:
        """Return a text of at most ``longest`` characters; empty when it is not needed and not there."""
        given = self.value.get(key)
        if given is None and not needed:
            return ""
        if not isinstance(given, str):
            raise self.wrong(key, _("a text is needed here.") if given is None else _("it must be a text."))
        if not given.strip() and not may_be_empty:
            raise self.wrong(key, _("it must not be empty."))
        if longest is not None and len(given) > longest:
            told = _("it has {n} characters, WhatsApp allows {most}.").format(n=len(given), most=longest)
            raise self.wrong(key, told)
        return given

    def matching(self, key: str, pattern: str, *, what: str) -> str:
        """Return a text of a certain form."""
        text = self.text(key)
        if not re.fullmatch(pattern, text):
            raise self.wrong(key, what)
        return text

    def address(self, key: str, *, longest: int = 2_000) -> str:
        """Return an http(s) address."""
        return self._address(self.text(key, longest=longest), key)

    def _address(self, text: str, key: str) -> str:
        if not re.match(r"https?://[^\s/]", text):
            raise self.wrong(key, _("it must be an address that begins with https://."))
        return text

    def number(self, key: str, *, least: float, most: float) -> float:
        """Return a number between two bounds; digits in a text count as one, as Meta has it."""
        given = self.value.get(key)
        try:
            number = float(given) if isinstance(given, str | int | float) and not isinstance(given, bool) else None
        except ValueError:
            number = None
        if number is None or not least <= number <= most:
            raise self.wrong(key, _("it must be a number from {least} to {most}.").format(least=least, most=most))
        return number

    def choice(self, key: str, of: Sequence[str], *, any_case: bool = False) -> str:
        """Return one of a few words."""
        text = self.text(key)
        word = text.lower() if any_case else text
        if word not in of:
            raise self.wrong(key, _("it is not one of: {names}.").format(names=", ".join(of)))
        return word

    def part(self, key: str) -> "Part":
        """Return an object that must be there."""
        given = self.value.get(key)
        if not isinstance(given, Mapping):
            raise self.wrong(key, _("an object is needed here."))
        return Part(given, self.at(key))

    def parts(self, key: str, *, least: int = 1, most: int | None = None) -> list["Part"]:
        """Return a list of objects, with bounds on its length."""
        given = self.value.get(key)
        if given is None and not least:
            return []
        if not isinstance(given, list | tuple):
            raise self.wrong(key, _("a list is needed here."))
        if len(given) < least or (most is not None and len(given) > most):
            bounds = _("it has {n} entries, WhatsApp allows {least} to {most}.")
            raise self.wrong(key, bounds.format(n=len(given), least=least, most="∞" if most is None else most))
        return list(self._each(key, given))

    def _each(self, key: str, given: Sequence[Any]) -> Iterator["Part"]:
        for place, each in enumerate(given):
            if not isinstance(each, Mapping):
                raise ContentNotUnderstood(_("an object is needed here."), where=f"{self.at(key)}[{place}]")
            yield Part(each, f"{self.at(key)}[{place}]")

    def only(self, *keys: str) -> None:
        """Raise unless every field is one of these: a field Meta does not know is a mistake that is not told."""
        for key in self.value:
            if key not in keys:
                names = ", ".join(sorted(keys))
                raise self.wrong(key, _("there is no such field here."), mend=_("Known: {names}.").format(names=names))


def differ(parts: Sequence[Part], key: str) -> None:
    """Raise when two of the objects have the same text in a field."""
    seen: set[str] = set()
    for part in parts:
        text = part.text(key)
        if text in seen:
            raise part.wrong(key, _("it stands here twice; each must be another one."))
        seen.add(text)
