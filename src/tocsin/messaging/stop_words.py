"""The words by which people say, in a message of nothing but the word, that they want no more of it, or want it again.

They count on every channel, whatever its provider does by itself; staff may add and leave out words for each channel.
A word stops marketing, or, where staff chose so, everything; security notices never.
"""

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tocsin.customers.values import AddressKind
from tocsin.journal.values import MACHINE
from tocsin.messaging import queueing, rules
from tocsin.messaging.naming import Line
from tocsin.messaging.objecting import Key
from tocsin.messaging.rules import Words
from tocsin.messaging.values import Draft, InboundUpdate, Objection, Prepared, Priority, Purpose

LETTERS_MAX = 40  # longer texts are no word
ANSWER_WITHIN = timedelta(hours=1)  # later it would only confuse
# Left out on purpose: words that answer something else as well (cancel, end, quit, no; yes).
STOP: Mapping[str, frozenset[str]] = {
    "en": frozenset({"stop", "stop all", "stopall", "unsubscribe", "opt out", "opt-out", "optout", "stop promotions"}),
    "fr": frozenset({"arret", "arreter", "stop pub", "desabonner", "desinscrire", "desinscription", "me desabonner"}),
    "de": frozenset({"stopp", "abmelden", "abbestellen", "austragen", "keine werbung"}),
    "es": frozenset({"baja", "darme de baja", "parar", "alto", "no mas mensajes"}),
    "it": frozenset({"disiscrivi", "disiscrivimi", "cancellami", "annulla iscrizione", "basta messaggi"}),
    "pt": frozenset({"sair", "descadastrar", "cancelar inscricao", "remover"}),
    "nl": frozenset({"afmelden", "uitschrijven", "stoppen"}),
    "pl": frozenset({"wypisz", "wypisz mnie", "rezygnuje"}),
    "sv": frozenset({"avsluta", "avregistrera"}),
    "da": frozenset({"afmeld", "frameld"}),
    "nb": frozenset({"meld av", "avmeld"}),
    "fi": frozenset({"lopeta", "peru tilaus"}),
    "cs": frozenset({"odhlasit", "nechci"}),
    "ro": frozenset({"dezabonare", "dezaboneaza"}),
    "tr": frozenset({"dur", "iptal et", "ret"}),
    "el": frozenset({"διαγραφη", "σταματα"}),
    "ru": frozenset({"стоп", "отписаться", "отписка"}),
    "uk": frozenset({"відписатися", "відписка"}),
    "ar": frozenset({"توقف", "ايقاف", "الغاء الاشتراك"}),
    "he": frozenset({"הסר", "הסרה"}),
    "hi": frozenset({"बंद करो", "रोको"}),
    "id": frozenset({"berhenti", "berhenti berlangganan"}),
    "vi": frozenset({"huy dang ky", "hủy đăng ký", "dừng gửi"}),
    "ja": frozenset({"停止", "配信停止"}),
    "ko": frozenset({"중지", "수신거부"}),
    "zh": frozenset({"停止", "退订", "退訂", "取消订阅"}),
}
START: Mapping[str, frozenset[str]] = {
    "en": frozenset({"start", "unstop", "subscribe", "opt in", "opt-in"}),
    "fr": frozenset({"reprendre", "abonner", "me reabonner"}),
    "de": frozenset({"anmelden", "abonnieren"}),
    "es": frozenset({"alta", "suscribir", "suscribirme"}),
    "it": frozenset({"iscrivi", "iscrivimi"}),
    "pt": frozenset({"voltar", "inscrever"}),
    "nl": frozenset({"aanmelden"}),
    "pl": frozenset({"zapisz mnie"}),
    "ru": frozenset({"старт", "подписаться"}),
    "zh": frozenset({"订阅", "訂閱"}),
}


@dataclass(frozen=True, slots=True)
class Said:
    """That a message was such a word; ``language`` is the word's, empty for one that staff added."""

    stopped: bool
    language: str = ""


def normal(text: str) -> str:
    """Return a text as words are compared: small letters, no accents, signs or hidden marks, single blanks."""
    plain = unicodedata.normalize("NFKD", text[: 4 * LETTERS_MAX].casefold())
    kept = (
        letter if letter.isalnum() or unicodedata.category(letter) == "Mc" else "-" if letter == "-" else " "
        for letter in plain if unicodedata.category(letter) not in ("Mn", "Cf", "So", "Sk")
    )  # fmt: skip
    return " ".join("".join(kept).split()).strip("-")


_OF_LANGUAGES: Mapping[bool, Mapping[str, str]] = {
    stopped: {normal(word): language for language, words in reversed(list(known.items())) for word in words}
    for stopped, known in ((True, STOP), (False, START))
}


def said(text: str, words: Words) -> Said | None:
    """Return what a text says when it is nothing but such a word; staff's own words and exceptions come first."""
    word = normal(text)
    if not word or len(word) > LETTERS_MAX or word in map(normal, words.without):
        return None
    for stopped, added in ((True, words.stop), (False, words.start)):
        if word in map(normal, added):
            return Said(stopped)
    for stopped, known in _OF_LANGUAGES.items():
        if word in known:
            return Said(stopped, known[word])
    return None


@dataclass(frozen=True, slots=True)
class Spoken:
    """One message that was such a word, and what it means."""

    update: InboundUpdate
    line: Line
    said: Said
    words: Words

    @property
    def objections(self) -> Iterable[Objection]:
        """What it means: who wants it again wants all of it again."""
        purposes = {Purpose.MARKETING: not self.words.everything, None: self.words.everything}
        for purpose, meant in purposes.items():
            if meant or not self.said.stopped:
                yield Objection(
                    self.update.addresses, purpose, stopped=self.said.stopped, at=self.update.at, line=self.update.line
                )


def spoken(told: Sequence[tuple[InboundUpdate, Line]]) -> list[Spoken]:
    """Return those of the messages that are such words; what is written in groups is said to others."""
    short = [(each, line) for each, line in told if each.opens_window and 0 < len(each.text) <= 4 * LETTERS_MAX]
    if not short:
        return []
    words_of = rules.words({line.channel for _each, line in short})
    found = ((each, line, said(each.text, words_of[line.channel])) for each, line in short)
    return [Spoken(each, line, meant, words_of[line.channel]) for each, line, meant in found if meant]


def answer(found: Sequence[Spoken], *, news: Collection[Key]) -> int:
    """Queue the answer staff wrote to each whose stop is news, and return how many.

    Where a word stops everything nothing is answered: that would be one more message they do not want.
    """
    drafts = []
    for each in found:
        kind = next(iter(sorted(each.update.addresses)), None)
        content = _answer(each)
        if not each.said.stopped or each.words.everything or kind is None or content is None:
            continue
        if any(
            (kind.value, address, Purpose.MARKETING.value) in news for kind, address in each.update.addresses.items()
        ):
            drafts.append(_draft(each, kind, content))
    return len(queueing.queue_messages(drafts, by=MACHINE)) if drafts else 0


def _answer(each: Spoken) -> Prepared | None:
    answers = each.words.answers
    if not answers:
        return None
    return answers.get(each.said.language) or answers.get("en") or next(iter(answers.values()))


def _draft(each: Spoken, kind: AddressKind, content: Prepared) -> Draft:
    return Draft(
        each.line.channel, each.update.addresses[kind], kind, content, priority=Priority.CONVERSATION,
        purpose=Purpose.SERVICE,
        # Once a day: a machine that answers every message with a stop must not keep us talking.
        once_key=f"stopped:{each.line.channel}:{each.update.addresses[kind]}:{each.update.at:%Y-%m-%d}",
        reply_to=each.update.provider_id, expires_at=each.update.at + ANSWER_WITHIN,
    )  # fmt: skip
