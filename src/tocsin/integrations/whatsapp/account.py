"""A business account at Meta with everything that can be asked and changed about it, for one of its numbers."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from tocsin.integrations.whatsapp.access import Access
from tocsin.integrations.whatsapp.analytics import Analytics
from tocsin.integrations.whatsapp.blocks import Blocked
from tocsin.integrations.whatsapp.graph import Graph, asked_at
from tocsin.integrations.whatsapp.history import History
from tocsin.integrations.whatsapp.media import MediaFiles
from tocsin.integrations.whatsapp.numbers import NumberFacts, Numbers
from tocsin.integrations.whatsapp.onboarding import Looked, looked_at
from tocsin.integrations.whatsapp.profile import Profile
from tocsin.integrations.whatsapp.receipts import Receipts
from tocsin.integrations.whatsapp.settings import ASK_HOURS, LEVELS, TIERS, read
from tocsin.integrations.whatsapp.templates import Templates
from tocsin.messaging import commands
from tocsin.messaging.values import LineUpdate, TemplateUpdate


def account_of(
    name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str], is_paced: bool = True
) -> "BusinessAccount":
    """Return the account of a channel; ChannelNotUnderstood says which setting is wrong.

    Calls wait for their turn, which the database counts, so that all processes together keep Meta's hourly limit;
    unless ``is_paced`` is off.
    """
    number = read(name, settings=settings, secrets=secrets)
    turn = partial(commands.call_turn, number.account) if is_paced else None
    return BusinessAccount(
        Graph(number.reach, turn=turn), line=number.line, account=number.account, ask_hours=number.ask_hours
    )


class BusinessAccount:
    """One account, used from one event loop and closed after it."""

    def __init__(self, graph: Graph, *, line: str, account: str, ask_hours: float = ASK_HOURS) -> None:
        """``ask_hours``: how often what webhooks may not have told is asked for; 0 is never."""
        self.line, self.account, self.ask_hours = line, account, ask_hours
        self.access = Access(graph, account)
        self.numbers = Numbers(graph, line=line, account=account)
        self.templates = Templates(graph, account)
        self.media = MediaFiles(graph, line)
        self.profile = Profile(graph, line)
        self.receipts = Receipts(graph, line)
        self.history = History(graph, line)
        self.blocked = Blocked(graph, line)
        self.analytics = Analytics(graph, account)
        self._graph = graph

    async def looked_at(self) -> Looked:
        """Look whether token, number, webhooks and templates are in order."""
        return await looked_at(
            access=self.access, numbers=self.numbers, templates=self.templates, line=self.line, account=self.account
        )

    async def told(self) -> tuple[list[TemplateUpdate], list[LineUpdate]]:
        """Ask what webhooks would have told if none was ever lost: every template, and each number's pace and limit.

        Words nobody here knows are left out: a pace that cannot be read must not stop a number.
        """
        wordings, at = await self.templates.every(), asked_at()
        told = [self._line_update(each, at=at) for each in await self.numbers.every()]
        return wordings, [each for each in told if each.facts]

    def _line_update(self, number: NumberFacts, *, at: datetime) -> LineUpdate:
        facts: dict[str, Any] = {}
        if number.level in LEVELS:
            facts["level"] = number.level
        if number.tier in TIERS:
            facts["people_per_day"] = -1 if number.people_per_day is None else number.people_per_day
        facts |= {key: word for key, word in (("quality", number.quality), ("status", number.status)) if word}
        return LineUpdate(account=self.account, line=number.id, at=at, facts=facts)

    async def close(self) -> None:
        """Let go of connections."""
        await self._graph.close()
