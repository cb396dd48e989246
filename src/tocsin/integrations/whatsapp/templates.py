"""Message templates of a business account: read to the last page, made, changed, archived, deleted."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tocsin.integrations.whatsapp.errors import RefusedByMeta
from tocsin.integrations.whatsapp.graph import Graph, asked_at
from tocsin.integrations.whatsapp.languages import api_language
from tocsin.integrations.whatsapp.template_rules import check_definition
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _
from tocsin.messaging.values import TemplateUpdate

FIELDS = "id,name,language,status,category,parameter_format,components,quality_score,rejected_reason,previous_category"
ARCHIVED_AT_ONCE = 100
APPROVED, ARCHIVED = "APPROVED", "ARCHIVED"


class NoSuchTemplate(TocsinError):
    """The account has no template of this name and language."""


@dataclass(frozen=True, slots=True)
class Made:
    """A template Meta took for review. ``category`` is the one Meta chose, which may be another than was asked."""

    id: str
    status: str
    category: str


@dataclass(frozen=True, slots=True)
class Archived:
    """Which templates were archived or taken out again, and why others were not: id -> Meta's words."""

    done: Sequence[str]
    failed: Mapping[str, str]


class Templates:
    """The templates of one account."""

    def __init__(self, graph: Graph, account: str) -> None:
        self._graph, self._account = graph, account
        self._path = f"{account}/message_templates"

    async def every(self, *, name: str = "") -> list[TemplateUpdate]:
        """Return every template in every language, archived ones too, to the end of the last page."""
        at = asked_at()
        return [self._update(each, at=at) async for each in self._pages(name)]

    async def found(self, name: str, language: str = "") -> list[TemplateUpdate]:
        """Return one template in all its languages, or in one; NoSuchTemplate when there is none."""
        wanted = api_language(language) if language else ""
        found = [each for each in await self.every(name=name) if each.name == name]
        found = [each for each in found if not wanted or each.language == wanted]
        if not found:
            raise NoSuchTemplate(
                _("There is no template {name}.").format(name=f"{name}/{wanted}" if wanted else name),
                mend=_("`tocsin whatsapp templates list` shows those there are."),
            )
        return found

    async def room(self) -> tuple[int, int]:
        """Return how many templates there are and how many there may be; 0 where Meta does not say."""
        asked = {"summary": "message_template_count,message_template_limit", "limit": "1", "fields": "id"}
        summary = (await self._graph.get(self._path, asked)).get("summary") or {}
        return int(summary.get("message_template_count") or 0), int(summary.get("message_template_limit") or 0)

    async def create(self, definition: Mapping[str, Any]) -> Made:
        """Submit a template for review."""
        checked = check_definition(definition)
        answer = await self._graph.call("POST", self._path, body=checked)
        return Made(
            id=str(answer.get("id", "")),
            status=str(answer.get("status", "")),
            category=str(answer.get("category", checked["category"])),
        )

    async def edit(self, definition: Mapping[str, Any]) -> TemplateUpdate:
        """Replace the wording of the template the definition names; it is reviewed again, and returned as it was."""
        checked = check_definition(definition)
        [before] = await self.found(checked["name"], checked["language"])
        changed = {"components": checked["components"]}
        if before.status != APPROVED:  # Meta refuses the category of an approved one, even the same
            changed["category"] = checked["category"]
        if "message_send_ttl_seconds" in checked:
            changed["message_send_ttl_seconds"] = checked["message_send_ttl_seconds"]
        await self._graph.call("POST", before.provider_id, body=changed)
        return before

    async def delete(self, name: str, language: str = "") -> int:
        """Delete a template in one language, or in all when none is named; returns how many."""
        found = await self.found(name, language)
        if not language:
            await self._graph.call("DELETE", self._path, params={"name": name})
            return len(found)
        for each in found:
            await self._graph.call("DELETE", self._path, params={"name": name, "hsm_id": each.provider_id})
        return len(found)

    async def archive(self, ids: Sequence[str]) -> Archived:
        """Archive templates: Meta deletes them 28 days later unless they are taken out again."""
        return await self._archived(ids, "archive", "archived_templates")

    async def unarchive(self, ids: Sequence[str]) -> Archived:
        """Take templates out of the archive before Meta deletes them."""
        return await self._archived(ids, "unarchive", "unarchived_templates")

    async def unpause(self, template_id: str) -> None:
        """End a pause that pacing caused; one for low quality ends by itself."""
        await self._graph.call("POST", f"{template_id}/unpause")

    async def _archived(self, ids: Sequence[str], act: str, field: str) -> Archived:
        done: list[str] = []
        failed: dict[str, str] = {}
        for start in range(0, len(ids), ARCHIVED_AT_ONCE):
            some = list(ids[start : start + ARCHIVED_AT_ONCE])
            path, body = f"{self._path}/{act}", {"hsm_ids": some}
            try:
                # Another host than all other calls have, and without a version.
                answer = await self._graph.call("POST", path, body=body, root=f"{self._graph.reach.archive_url}/")
            except RefusedByMeta as error:
                failed |= dict.fromkeys(some, error.refusal.detail)
                continue
            done += [str(each) for each in answer.get(field) or ()]
            failed |= {str(key): str(words) for key, words in (answer.get("failed_templates") or {}).items()}
        return Archived(done, failed)

    async def _pages(self, name: str) -> AsyncIterator[Mapping[str, Any]]:
        asked = {"fields": FIELDS} | ({"name": name} if name else {})
        async for each in self._graph.pages(self._path, asked):
            yield each

    def _update(self, row: Mapping[str, Any], *, at: datetime) -> TemplateUpdate:
        """Return a row of Meta's list; words Meta adds later are kept as they are."""
        quality = row.get("quality_score")
        reason = str(row.get("rejected_reason") or "")
        components = row.get("components")
        return TemplateUpdate(
            account=self._account,
            name=str(row.get("name", "")),
            language=api_language(str(row.get("language", ""))),
            provider_id=str(row.get("id", "")),
            at=at,
            status=str(row.get("status", "")),
            category=str(row.get("category", "")),
            quality=str(quality.get("score", "")) if isinstance(quality, Mapping) else "",
            reason="" if reason == "NONE" else reason,
            parameter_format=str(row.get("parameter_format", "")),
            components=components if isinstance(components, list) else [],
        )
