"""What staff chose for a channel: the words that stop it, and what goes on while its provider warns of its quality."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from django.db import transaction

from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging.channels import check_may_connect, row_of
from tocsin.messaging.going_on import go_on
from tocsin.messaging.values import Prepared, Reason

models = lazily("tocsin.messaging.models")

WORDS, WHEN_FLAGGED = "words", "when_flagged"  # the keys of a channel's ``rules``


class WhenFlagged(StrEnum):
    """What becomes of campaigns while the provider warns that a line's quality is low; all else goes on."""

    SEND = "send"  # as if nothing were
    SLOW = "slow"  # at a tenth of the pace
    HOLD = "hold"  # they wait until it warns no more


@dataclass(frozen=True, slots=True)
class Words:
    """Words of one channel beside those of the languages, and those left out; ``answers`` by language.

    ``everything``: a word stops all but security notices, and not marketing alone.
    """

    stop: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    everything: bool = False
    answers: Mapping[str, Prepared] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChannelRules:
    """What staff chose for one channel."""

    words: Words
    when_flagged: WhenFlagged


def channel_rules(name: str) -> ChannelRules:
    """Return what staff chose for a channel; NoSuchChannel when none has this name."""
    return _of(row_of(name).rules)


def words(channels: Collection[str]) -> dict[str, Words]:
    """Return the words of these channels by name."""
    found = models.MessagingChannel.objects.filter(name__in=list(channels)).values_list("name", "rules")
    known = {name: _of(chosen).words for name, chosen in found}
    return {name: known.get(name, Words()) for name in channels}


def choose_words(name: str, chosen: Words, *, by: Author) -> None:
    """Let these be the words of a channel, in place of those that were chosen before."""
    plain: dict[str, Any] = asdict(chosen)
    facts = {
        "stop": sorted(chosen.stop), "start": sorted(chosen.start), "without": sorted(chosen.without),
        "everything": chosen.everything, "answers": sorted(chosen.answers),
    }  # fmt: skip
    _choose(name, WORDS, plain, facts=facts, by=by)


def choose_when_flagged(name: str, chosen: WhenFlagged, *, by: Author) -> None:
    """Choose what becomes of campaigns while the provider warns that a line's quality is low."""
    with transaction.atomic():
        _choose(name, WHEN_FLAGGED, chosen.value, facts={WHEN_FLAGGED: chosen.value}, by=by)
        if chosen is not WhenFlagged.HOLD:
            go_on([name], reason=Reason.LINE_FLAGGED, at=clock.now())


def _choose(name: str, key: str, value: Any, *, facts: Mapping[str, Any], by: Author) -> None:
    check_may_connect(by)
    with transaction.atomic():
        row = row_of(name, locked=True)
        row.rules = {**row.rules, key: value}
        row.save(update_fields=["rules"])
        journal.write(
            verb="messaging.channel_rules_chosen", subject=f"messaging_channel:{name}", by=by,
            facts={"name": name, **facts},
        )  # fmt: skip


def _of(chosen: Mapping[str, Any]) -> ChannelRules:
    told = chosen.get(WORDS, {})
    lists = {key: tuple(_texts(told.get(key))) for key in ("stop", "start", "without")}
    answers = {language: Prepared(**prepared) for language, prepared in told.get("answers", {}).items()}
    return ChannelRules(
        words=Words(**lists, everything=bool(told.get("everything")), answers=answers),
        when_flagged=WhenFlagged(chosen.get(WHEN_FLAGGED, WhenFlagged.SLOW)),
    )


def _texts(value: Sequence[str] | None) -> Sequence[str]:
    return value or ()
