"""The message templates of the simulated account: make, read, change, archive, delete."""

from collections.abc import Callable
from typing import Any

from tocsin_simulator import template_life as life
from tocsin_simulator.errors import GraphError, missing
from tocsin_simulator.fields import Field, asked, paged, parameters, picked
from tocsin_simulator.routing import Reply, Request, Route
from tocsin_simulator.template_rules import (
    check_category,
    check_components,
    check_language,
    check_name,
    check_ttl,
    not_valid,
    refused,
)
from tocsin_simulator.template_samples import check_samples, read_back
from tocsin_simulator.values import Template
from tocsin_simulator.world import World

TEMPLATES_MAX = 250
CREATED_PER_HOUR = 100
EDITS_PER_30_DAYS = 10
ARCHIVED_AT_ONCE = 100
COMPARED_SENDS_MIN = 1000
LOOKBACKS_DAYS = (7, 30, 60, 90)
SECONDS_AFTER_PACING = 300.0
DEFAULT_FIELDS = "name,parameter_format,components,language,status,category,sub_category,previous_category,id"
EDITABLE = {"APPROVED", "REJECTED", "PAUSED"}


def told(template: Template) -> dict[str, Any]:
    """Return every field a template has."""
    extra = template.extra
    return {
        "id": template.id,
        "name": template.name,
        "language": template.language,
        "category": template.category,
        "status": template.status,
        "components": [read_back(each) for each in template.components],
        "parameter_format": template.parameter_format,
        "quality_score": {"score": template.quality, "date": extra.get("rated_at", int(template.created_at))},
        "rejected_reason": extra.get("rejected_reason", "NONE"),
        "previous_category": extra.get("previous_category"),
        "correct_category": extra.get("correct_category"),
        "message_send_ttl_seconds": extra.get("message_send_ttl_seconds"),
        "cta_url_link_tracking_opted_out": extra.get("cta_url_link_tracking_opted_out"),
        "library_template_name": extra.get("library_template_name"),
        "sub_category": extra.get("sub_category"),
        "degrees_of_freedom_spec": extra.get("degrees_of_freedom_spec"),
        "last_updated_time": extra.get("updated_at"),
        "health_status": health(template),
    }


def health(template: Template) -> dict[str, Any]:
    """Return whether messages of this template can go out."""
    able = "AVAILABLE" if template.status == "APPROVED" else "BLOCKED"
    entity: dict[str, Any] = {"entity_type": "MESSAGE_TEMPLATE", "id": template.id, "can_send_message": able}
    if able == "BLOCKED":
        entity["errors"] = [
            {
                "error_code": 141006 if template.status == "PAUSED" else 141007,
                "error_description": f"The template's status is {template.status}.",
                "possible_solution": "Wait until it is approved, or use another template.",
            }
        ]
    return {"can_send_message": able, "entities": [entity]}


def _wanted(template: Template, query: dict[str, str]) -> bool:
    """Say whether a template is among those the query filters for."""
    said = {"status": template.status, "category": template.category, "language": template.language}
    said["quality_score"] = template.quality
    for name, value in said.items():
        chosen = query.get(name, "").strip("[]").replace('"', "").replace(" ", "")
        if chosen and value.upper() not in chosen.upper().split(","):
            return False
    name, content = query.get("name", ""), query.get("content", "")
    either = query.get("name_or_content", "").lower()
    text = life.words_of(template).lower()
    if name and name not in template.name:
        return False
    return content.lower() in text and (either in template.name or either in text)


async def list_templates(world: World, request: Request) -> Reply:
    """Answer one page of templates, the newest first, with a summary when one is asked for."""
    chosen = [each for each in reversed(world.templates.values()) if _wanted(each, request.query)]
    wanted = asked(request.query.get("fields") or DEFAULT_FIELDS)
    rows = [picked(told(each), wanted=wanted) for each in chosen]
    body = paged(rows, keys=[each.id for each in chosen], request=request, address=world.address)
    if names := request.query.get("summary"):
        everything = {
            "total_count": len(chosen),
            "message_template_count": len(world.templates),
            "message_template_limit": TEMPLATES_MAX,
            "are_translations_complete": all(each.status != "PENDING" for each in chosen),
        }
        wanted = asked(names) if names not in {"1", "true"} else [Field("total_count")]
        body["summary"] = picked(everything, wanted=wanted, always=())
    return Reply(body)


async def create_template(world: World, request: Request) -> Reply:
    """Take a new template, or another language of one."""
    given = parameters(request)
    name = check_name(given.get("name"))
    language, category = check_language(given.get("language")), check_category(given.get("category"))
    _room_for(world, name, language)
    template = made(world, given, name=name, language=language, category=category)
    world.templates[template.id] = template
    world.records.created_at.append(world.clock.now())
    life.submit(world, template)
    return Reply({"id": template.id, "status": template.status, "category": template.category})


def load(world: World, described: list[dict[str, Any]]) -> None:
    """Make the templates there are from the start; each is described as in a request that makes one.

    Raises:
        ValueError: one of them would be refused; the text says which and why.

    """
    for place, given in enumerate(described):
        try:
            name, language = check_name(given.get("name")), check_language(given.get("language"))
            _room_for(world, name, language)
            template = made(world, given, name=name, language=language, category=check_category(given.get("category")))
        except GraphError as error:
            raise ValueError(f"templates[{place}]: {error.title}") from error
        world.templates[template.id] = template
        life.stand(world, template)


def _room_for(world: World, name: str, language: str) -> None:
    """Raise when there is no room for a template of this name: taken, blocked, too many, too fast."""
    now, records = world.clock.now(), world.records
    if world.template_named(name, language) is not None:
        title = "Content in This Language Already Exists"
        raise refused(title, f"There is already {language} content for this template.", subcode=2388024)
    if records.names_taken_until.get(name, 0) > now:
        title = "Message Template Language is Being Deleted"
        told = (
            f"New {language} content can't be added while the existing content is being deleted. Try again in 4 weeks."
        )
        raise refused(title, told, subcode=2388023)
    if len(world.templates) >= TEMPLATES_MAX:
        told = f"A WhatsApp Business account can have up to {TEMPLATES_MAX} message templates."
        raise refused("Message Template Limit Exceeded", told, subcode=2388019)
    records.created_at[:] = [at for at in records.created_at if at > now - life.HOUR]
    if len(records.created_at) >= CREATED_PER_HOUR:
        raise GraphError(80007, f"Only {CREATED_PER_HOUR} message templates can be created in an hour.")


def made(world: World, given: dict[str, Any], *, name: str, language: str, category: str) -> Template:
    """Return the template of a request that passed every check."""
    parameter_format = str(given.get("parameter_format", "POSITIONAL")).upper()
    if "library_template_name" in given and "components" not in given:
        given = given | {"components": [{"type": "BODY", "text": f"Library template {given['library_template_name']}"}]}
    components = check_components(given.get("components"), category=category, parameter_format=parameter_format)
    check_samples(world, components)
    extra: dict[str, Any] = {}
    for key in ("library_template_name", "cta_url_link_tracking_opted_out", "sub_category", "degrees_of_freedom_spec"):
        if key in given:
            extra[key] = given[key]
    if given.get("message_send_ttl_seconds") is not None:
        check_ttl(given["message_send_ttl_seconds"], category=category)
        extra["message_send_ttl_seconds"] = int(given["message_send_ttl_seconds"])
    return Template(
        id=world.new_id(),
        name=name,
        language=language,
        category=category,
        components=components,
        parameter_format=parameter_format,
        created_at=world.clock.now(),
        extra=extra,
    )


async def delete_templates(world: World, request: Request) -> Reply:
    """Delete all languages of a name, or one template by its id."""
    given = parameters(request)
    name, only = given.get("name"), given.get("hsm_id")
    if not name and not only:
        raise missing("name")
    chosen = [
        each
        for each in world.templates.values()
        if (not name or each.name == name) and (not only or each.id == str(only))
    ]
    if not chosen:
        raise refused(
            "Message Template Not Found", f"No message template exists with name {name or only}.", subcode=2593002
        )
    if any(each.status == "DISABLED" for each in chosen):
        raise not_valid("A disabled template can't be deleted.")
    for template in chosen:
        life.delete(world, template)
    return Reply()


async def read_template(world: World, request: Request) -> Reply:
    """Answer one template."""
    template = world.templates[request.given["template"]]
    return Reply(picked(told(template), wanted=asked(request.query.get("fields") or DEFAULT_FIELDS)))


async def edit_template(world: World, request: Request) -> Reply:
    """Change category, components or time to live; the review looks again."""
    template = world.templates[request.given["template"]]
    given = parameters(request)
    if not given.keys() & {"category", "components", "message_send_ttl_seconds", "parameter_format"}:
        raise missing("components")
    category = check_category(given.get("category", template.category))
    _may_be_edited(world, template, category)
    parameter_format = str(given.get("parameter_format", template.parameter_format)).upper()
    components = given.get("components", template.components)
    checked = check_components(components, category=category, parameter_format=parameter_format)
    if "components" in given:
        check_samples(world, checked)
    template.components = checked
    if given.get("message_send_ttl_seconds") is not None:
        check_ttl(given["message_send_ttl_seconds"], category=category)
        template.extra["message_send_ttl_seconds"] = int(given["message_send_ttl_seconds"])
    template.category, template.parameter_format = category, parameter_format
    if template.status == "APPROVED":
        template.extra.setdefault("edits", []).append(world.clock.now())
    template.extra["updated_at"] = int(world.clock.now())
    if "components" in given:
        life.tell_components(world, template)
    life.submit(world, template)
    return Reply({"success": True, "id": template.id, "name": template.name, "category": template.category})


def _may_be_edited(world: World, template: Template, category: str) -> None:
    """Raise when Meta would not let this template be edited now."""
    title = "Message Template Status Can't Be Changed"
    if template.status not in EDITABLE:
        raise refused(title, f"A template can't be edited while it is {template.status}.", subcode=2388039)
    if template.status != "APPROVED":
        return
    if category != template.category:
        raise not_valid("The category of an approved template can't be edited.")
    now = world.clock.now()
    edits = [at for at in template.extra.get("edits", []) if at > now - 30 * life.DAY]
    if len(edits) >= EDITS_PER_30_DAYS or (edits and edits[-1] > now - life.DAY):
        told = "An approved template can be edited once in 24 hours and 10 times in 30 days."
        raise refused(title, told, subcode=2388039)


async def unpause_template(world: World, request: Request) -> Reply:
    """End a pause that pacing caused, five minutes after it began at the earliest."""
    template = world.templates[request.given["template"]]
    if template.status != "PAUSED" or not template.extra.get("paced"):
        return Reply({"success": False, "reason": "The template is not paused due to pacing."})
    if world.clock.now() < template.extra["paused_at"] + SECONDS_AFTER_PACING:
        return Reply({"success": False, "reason": "Wait 5 minutes after the template was paused."})
    life.unpause(world, template)
    return Reply()


async def compare_templates(world: World, request: Request) -> Reply:
    """Compare two templates that were each sent a thousand times."""
    first = world.templates[request.given["template"]]
    others = [each for each in request.query.get("template_ids", "").strip("[]").replace('"', "").split(",") if each]
    if len(others) != 1 or others[0] not in world.templates:
        raise not_valid("Param template_ids must hold the id of one other template of this account.")
    start, end = request.query.get("start", ""), request.query.get("end", "")
    if not start.isdigit() or not end.isdigit():
        raise missing("start" if not start.isdigit() else "end")
    if round((int(end) - int(start)) / life.DAY) not in LOOKBACKS_DAYS:
        raise not_valid(f"The timeframe must be one of {', '.join(map(str, LOOKBACKS_DAYS))} days.")
    both = [first, world.templates[others[0]]]
    if few := [each.id for each in both if each.extra.get("sent", 0) < COMPARED_SENDS_MIN]:
        raise not_valid(f"Template {few[0]} has been sent fewer than {COMPARED_SENDS_MIN} times in the timeframe.")

    def blocked_share(template: Template) -> float:
        messages, blocks = template.extra.get("feedback", [0, 0])
        return float(blocks / messages) if messages else 0.0

    ordered = [each.id for each in sorted(both, key=blocked_share)]
    sends = [{"key": each.id, "value": each.extra["sent"]} for each in both]
    reasons = [{"key": each.id, "value": "UNKNOWN_BLOCK_REASON"} for each in both]
    data = [
        {"metric": "BLOCK_RATE", "type": "RELATIVE", "order_by_relative_metric": ordered},
        {"metric": "MESSAGE_SENDS", "type": "NUMBER_VALUES", "number_values": sends},
        {"metric": "TOP_BLOCK_REASON", "type": "STRING_VALUES", "string_values": reasons},
    ]
    return Reply({"data": data})


async def upsert_templates(world: World, request: Request) -> Reply:
    """Make or change authentication templates in many languages at once."""
    given = parameters(request)
    name, category = check_name(given.get("name")), check_category(given.get("category"))
    languages = given.get("languages")
    if category != "AUTHENTICATION" or not isinstance(languages, list) or not languages:
        raise not_valid("Only AUTHENTICATION templates, in a list of languages, can be upserted.")
    answered = []
    for language in [check_language(each) for each in languages]:
        wanted = made(world, given, name=name, language=language, category=category)
        template = world.template_named(name, language)
        if template is None:
            _room_for(world, name, language)
            template = world.templates[wanted.id] = wanted
            world.records.created_at.append(world.clock.now())
        else:
            template.components = wanted.components
        life.submit(world, template)
        answered.append(
            {"id": template.id, "status": template.status, "language": language, "category": template.category}
        )
    return Reply({"data": answered})


async def archive_templates(world: World, request: Request) -> Reply:
    """Archive the templates named."""
    return Reply(
        _each(world, request, done="archived_templates", act=life.archive, fits=lambda each: each != "ARCHIVED")
    )


async def unarchive_templates(world: World, request: Request) -> Reply:
    """Take the templates named out of the archive."""
    return Reply(
        _each(world, request, done="unarchived_templates", act=life.unarchive, fits=lambda each: each == "ARCHIVED")
    )


def _each(
    world: World, request: Request, *, done: str, act: Callable[[World, Template], None], fits: Callable[[str], bool]
) -> dict[str, Any]:
    """Do one act for each template of `hsm_ids` (an array, or a text with commas); say which failed and why."""
    given = parameters(request).get("hsm_ids")
    ids = given.split(",") if isinstance(given, str) else given
    if not isinstance(ids, list) or not 1 <= len(ids) <= ARCHIVED_AT_ONCE:
        raise not_valid(f"Param hsm_ids must hold 1 to {ARCHIVED_AT_ONCE} ids.")
    succeeded: list[str] = []
    failed: dict[str, str] = {}
    for template_id in map(str, ids):
        template = world.templates.get(template_id)
        if template is None:
            failed[template_id] = "Template not found"
        elif not fits(template.status):
            failed[template_id] = f"Template is {template.status}"
        else:
            act(world, template)
            succeeded.append(template_id)
    return {done: succeeded, "failed_templates": failed}


async def migrate_templates(_world: World, request: Request) -> Reply:
    """Refuse: there is one account in this world, so there is nothing to migrate from."""
    source = str(parameters(request).get("source_waba_id", ""))
    raise not_valid(f"Param source_waba_id {source!r:.40} is no other account of this business.")


ROUTES: tuple[Route, ...] = (
    Route("GET", "/{version}/{waba}/message_templates", list_templates),
    Route("POST", "/{version}/{waba}/message_templates", create_template),
    Route("DELETE", "/{version}/{waba}/message_templates", delete_templates),
    Route("POST", "/{version}/{waba}/upsert_message_templates", upsert_templates),
    Route("POST", "/{version}/{waba}/migrate_message_templates", migrate_templates),
    # On api.facebook.com the archive's paths need no version.
    Route("POST", "/{waba}/message_templates/archive", archive_templates),
    Route("POST", "/{waba}/message_templates/unarchive", unarchive_templates),
    Route("POST", "/{version}/{waba}/message_templates/archive", archive_templates),
    Route("POST", "/{version}/{waba}/message_templates/unarchive", unarchive_templates),
    Route("GET", "/{version}/{template}", read_template),
    Route("POST", "/{version}/{template}", edit_template),
    Route("POST", "/{version}/{template}/unpause", unpause_template),
    Route("GET", "/{version}/{template}/compare", compare_templates),
)
