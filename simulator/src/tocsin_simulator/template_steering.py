"""`/_simulator/templates`: what there is, and what reviewers, people and time do to it next."""

from collections.abc import Callable

from tocsin_simulator import template_life as life, templates
from tocsin_simulator.errors import GraphError
from tocsin_simulator.fields import asked, picked
from tocsin_simulator.routing import Reply, Request, Route
from tocsin_simulator.template_rules import check_category, not_valid
from tocsin_simulator.world import World


async def steer_template(world: World, request: Request) -> Reply:
    """Do to a template what reviewers, people and time do: `{"name" or "id", "status", "quality", "category"}`."""
    given = request.json()
    template = world.templates.get(str(given.get("id", ""))) or world.template_named(
        str(given.get("name", "")), str(given.get("language", "en_US"))
    )
    if template is None:
        raise GraphError(100, "There is no such template.", http=404)
    acts: dict[str, Callable[[], None]] = {
        "APPROVED": lambda: life.approve(world, template),
        "REJECTED": lambda: life.reject(world, template, reason=str(given.get("reason", "INVALID_FORMAT"))),
        "PAUSED": lambda: life.pause(world, template, paced=bool(given.get("paced"))),
        "DISABLED": lambda: life.disable(world, template),
        "ARCHIVED": lambda: life.archive(world, template),
        "UNARCHIVED": lambda: life.unarchive(world, template),
        "DELETED": lambda: life.delete(world, template),
    }
    if status := given.get("status"):
        if status not in acts:
            raise not_valid(f"status must be one of {', '.join(acts)}.")
        acts[status]()
    if quality := given.get("quality"):
        if quality not in {"GREEN", "YELLOW", "RED", "UNKNOWN"}:
            raise not_valid("quality must be GREEN, YELLOW, RED or UNKNOWN.")
        life.rate(world, template, quality)
    if category := given.get("category"):
        notice = float(given.get("notice_seconds", life.CATEGORY_NOTICE_SECONDS))
        life.recategorise(world, template, check_category(category), notice_seconds=notice)
    return Reply(picked(templates.told(template), wanted=asked(templates.DEFAULT_FIELDS + ",quality_score")))


async def all_templates(world: World, _request: Request) -> Reply:
    """Answer every template with every field."""
    everything = [templates.told(each) for each in world.templates.values()]
    return Reply({"count": len(everything), "templates": everything})


ROUTES: tuple[Route, ...] = (
    Route("GET", "/_simulator/templates", all_templates, counted=False, open=True),
    Route("POST", "/_simulator/templates", steer_template, counted=False, open=True),
)
