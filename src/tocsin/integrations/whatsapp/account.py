"""A business account at Meta with everything that can be asked and changed about it, for one of its numbers."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from tocsin.integrations.whatsapp.access import Access
from tocsin.integrations.whatsapp.analytics import Analytics
from tocsin.integrations.whatsapp.blocks import Blocked
from tocsin.integrations.whatsapp.graph import Graph
from tocsin.integrations.whatsapp.media import MediaFiles
from tocsin.integrations.whatsapp.numbers import Numbers
from tocsin.integrations.whatsapp.onboarding import Looked, looked_at
from tocsin.integrations.whatsapp.profile import Profile
from tocsin.integrations.whatsapp.receipts import Receipts
from tocsin.integrations.whatsapp.settings import read
from tocsin.integrations.whatsapp.templates import Templates
from tocsin.messaging import commands


def account_of(
    name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str], is_paced: bool = True
) -> "BusinessAccount":
    """Return the account of a channel; ChannelNotUnderstood says which setting is wrong.

    Calls wait for their turn, which the database counts, so that all processes together keep Meta's hourly limit;
    unless ``is_paced`` is off.
    """
    number = read(name, settings=settings, secrets=secrets)
    turn = partial(commands.call_turn, number.account) if is_paced else None
    return BusinessAccount(Graph(number.reach, turn=turn), line=number.line, account=number.account)


class BusinessAccount:
    """One account, used from one event loop and closed after it."""

    def __init__(self, graph: Graph, *, line: str, account: str) -> None:
        self.line, self.account = line, account
        self.access = Access(graph, account)
        self.numbers = Numbers(graph, line=line, account=account)
        self.templates = Templates(graph, account)
        self.media = MediaFiles(graph, line)
        self.profile = Profile(graph, line)
        self.receipts = Receipts(graph, line)
        self.blocked = Blocked(graph, line)
        self.analytics = Analytics(graph, account)
        self._graph = graph

    async def looked_at(self) -> Looked:
        """Look whether token, number, webhooks and templates are in order."""
        return await looked_at(
            access=self.access, numbers=self.numbers, templates=self.templates, line=self.line, account=self.account
        )

    async def close(self) -> None:
        """Let go of connections."""
        await self._graph.close()
