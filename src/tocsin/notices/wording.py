"""What a message says, per language and person: placeholders filled, and a word where a name is missing."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tocsin.customers import queries as customers
from tocsin.customers.values import Person
from tocsin.kernel.language import gettext as _
from tocsin.messaging.values import Content
from tocsin.notices.errors import WordingNotUnderstood

# {name}, {account}, {accounts}; {name|dear customer} says what stands where there is none.
_PLACE = re.compile(r"\{(name|account|accounts)(?:\|([^{}|]*))?\}")
_FILE = re.compile(r"(?P<stem>.+?)(?:\.(?P<language>[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,4})*))?\.json")
_NAMELESS = {"en": "Madam or Sir", "es": "cliente", "fr": "Madame, Monsieur", "it": "cliente"}


@dataclass(frozen=True, slots=True)
class Wording:
    """The same message in several languages. ``fallback`` is the language of those whose own is not there."""

    contents: Mapping[str, Content]
    fallback: str

    def language_for(self, spoken: str) -> str:
        """Return which of the languages somebody who speaks ``spoken`` gets: the same tag, the same language, or else.

        RFC 4647, section 3.4 (lookup), plus a region of the same language before the fallback.
        """
        parts = spoken.replace("_", "-").split("-")
        for length in range(len(parts), 0, -1):
            tag = "-".join(parts[:length])
            if tag in self.contents:
                return tag
        near = sorted(tag for tag in self.contents if parts[0] and tag.split("-")[0] == parts[0])
        return near[0] if near else self.fallback

    def personal(self) -> bool:
        """Say whether it differs from person to person of one language."""
        return any(_PLACE.search(json.dumps(content, ensure_ascii=False)) for content in self.contents.values())

    def for_person(self, person: Person | None, *, accounts: Sequence[str], language: str) -> Content:
        """Return the content in a language with its placeholders filled."""
        known = {
            "name": person.name if person else "",
            "account": accounts[0] if accounts else "",
            "accounts": ", ".join(accounts),
        }
        filled: Content = _filled(self.contents[language], known, language=language)
        return filled


def one_wording(content: Content, *, language: str = "en") -> Wording:
    """Return a wording for everybody."""
    return Wording({language: content}, language)


def wording_in(path: Path, *, fallback: str = "") -> Wording:
    """Return the wording in a JSON file and its translations beside it: ``notice.json``, ``notice.fr.json``.

    A file named with its language alone is for everybody. ``fallback`` is the language of those whose own is missing;
    by default that of the file without one, else English, else the first.
    """
    match = _FILE.fullmatch(path.name)
    if path.exists() and match and match["language"] and not fallback:
        return one_wording(_content(path), language=customers.language(match["language"]) or "en")
    found: dict[str, Content] = {}
    stem = match["stem"] if match else path.name
    for each in sorted(path.parent.glob(f"{glob_escaped(stem)}.*.json")):
        named = _FILE.fullmatch(each.name)
        tag = customers.language(named["language"]) if named and named["stem"] == stem and named["language"] else None
        if tag:
            found[tag] = _content(each)
    if path.exists() and not (match and match["language"]):
        found.setdefault(fallback or "en", _content(path))
    if not found:
        raise WordingNotUnderstood(
            _("There is no such wording."), where=path,
            mend=_("Write notice.json, or one file per language: notice.en.json, notice.fr.json."),
        )  # fmt: skip
    chosen = fallback or ("en" if "en" in found else min(found))
    if chosen not in found:
        mend = _("There are: {languages}.").format(languages=", ".join(sorted(found)))
        raise WordingNotUnderstood(
            _("The wording is not there in {language}.").format(language=chosen), where=path, mend=mend
        )
    return Wording(found, chosen)


def glob_escaped(text: str) -> str:
    """Return a file's name so that a pattern takes it literally."""
    return re.sub(r"([*?\[])", r"[\1]", text)


def _content(path: Path) -> Content:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise WordingNotUnderstood(_("The wording cannot be read: {why}").format(why=error), where=path) from error
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}"
        raise WordingNotUnderstood(_("This is not JSON: {why}").format(why=error.msg), where=where) from error
    if not isinstance(content, dict):
        raise WordingNotUnderstood(_("A wording is a JSON object, as the channel's kind describes it."), where=path)
    return content


def _filled(part: Any, known: Mapping[str, str], *, language: str) -> Any:
    if isinstance(part, str):
        return _text(part, known, language=language)
    if isinstance(part, Mapping):
        return {key: _filled(value, known, language=language) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_filled(value, known, language=language) for value in part]
    return part


def _text(text: str, known: Mapping[str, str], *, language: str) -> str:
    nameless = _NAMELESS.get(language[:2], _NAMELESS["en"])

    def said(found: re.Match[str]) -> str:
        return known[found[1]] or (nameless if found[2] is None else found[2])

    return _PLACE.sub(said, text)
