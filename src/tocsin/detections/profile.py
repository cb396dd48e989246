"""The ``profile:`` block: what Sigma cannot say. docs/reference/rules.md is its manual."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from tocsin.detections.blocks import Vocabulary
from tocsin.detections.values import Candidates, Measure, Peers, Usual, Window, WindowKind

_KEYS = {
    "group-by",
    "fields",
    "over",
    "quiet",
    "mark",
    "within",
    "measures",
    "usual",
    "derive",
    "peers",
    "having",
    "only-if",
}
_AGGREGATES = {"count", "count_if", "count_distinct", "share", "min", "max", "sum", "avg"}


@dataclass(slots=True)
class Profile:
    """A profile block as pieces of SQL."""

    keys: tuple[str, ...] = ()
    window: Window | None = None
    measures: tuple[Measure, ...] = ()
    usual: tuple[Usual, ...] = ()
    derived: dict[str, str] = field(default_factory=dict)
    peers: Peers | None = None
    having: str = ""
    candidates: Candidates | None = None


def read_profile(names: Vocabulary, block: Mapping[str, object], *, suspect: str, correlated: bool) -> Profile:
    """Read a profile block; ``fields`` and names go into ``scope``. ``correlated``: a correlation gives the window."""
    names.mapping(block, "profile", allowed=_KEYS)
    for name, value in names.mapping(block.get("fields", {}), "profile", "fields").items():
        names.fields[names.new_name(name, "profile", "fields")] = names.event_sql(value, "profile", "fields", name)
    profile = Profile(
        keys=tuple(names.texts(block["group-by"], "profile", "group-by")) if "group-by" in block else (suspect,)
    )
    if suspect not in profile.keys:
        raise names.refuse(f"The suspect {suspect} must be one of group-by", "profile", "group-by")
    if correlated:
        for key in ("over", "mark", "group-by", "only-if"):
            if key in block:
                raise names.refuse(f"{key} is said by the correlation already", "profile", key)
    else:
        profile.window = _window(names, block)
        if "only-if" in block:
            profile.candidates = _candidates(names, block["only-if"])
    measures = names.mapping(block.get("measures", {}), "profile", "measures")
    profile.measures = tuple(_measure(names, name, value, "profile", "measures") for name, value in measures.items())
    if "usual" in block:
        profile.usual = tuple(
            _usual(names, name, value, profile.keys, measured={measure.name for measure in profile.measures})
            for name, value in names.mapping(block["usual"], "profile", "usual").items()
        )
    known = _known(profile)
    for name, value in names.mapping(block.get("derive", {}), "profile", "derive").items():
        profile.derived[names.new_name(name, "profile", "derive")] = names.measure_sql(
            value, known, "profile", "derive", name
        )
        # Inlined, not by name: a SELECT list cannot use its own names in every engine.
        known[name] = f"({profile.derived[name]})"
    after = _known(profile) | {name: name for name in profile.derived}
    if "peers" in block:
        profile.peers = _peers(names, block["peers"], after)
        after |= {name: name for name in profile.peers.measures}
    if "having" in block:
        profile.having = names.measure_sql(block["having"], after, "profile", "having")
    return profile


def _known(profile: Profile) -> dict[str, str]:
    usual = [measure.name for part in profile.usual for measure in part.measures]
    names = ["first_ts", "last_ts", "events", *profile.keys, *(measure.name for measure in profile.measures), *usual]
    return {name: name for name in names}


def _window(names: Vocabulary, block: Mapping[str, object]) -> Window:
    over = block.get("over", "mark" if "mark" in block else "run")
    if over == "whole":
        return Window(WindowKind.WHOLE)
    if over == "run":
        return Window(WindowKind.RUN, length_ms=names.duration(block.get("quiet", "1h"), "profile", "quiet"))
    if over == "mark":
        if "mark" not in block or "within" not in block:
            raise names.refuse("over: mark needs mark (an expression over an event) and within", "profile")
        length = names.duration(block["within"], "profile", "within")
        return Window(WindowKind.MARK, length_ms=length, mark=names.event_sql(block["mark"], "profile", "mark"))
    return Window(WindowKind.BUCKET, length_ms=names.duration(over, "profile", "over"))


def _candidates(names: Vocabulary, value: object) -> Candidates:
    place = ("profile", "only-if")
    block = names.mapping(value, *place, allowed={"any", "distinct", "at_least"}, needed={"at_least"})
    number = names.parameters.get(str(block["at_least"]), block["at_least"])
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise names.refuse("at_least is a whole number or a parameter that is one", *place, "at_least")
    listed = names.texts(block.get("any", []), *place, "any")
    for name in listed:
        if name not in names.selections:
            raise names.refuse(
                f"There is no selection {name}", *place, "any", mend="Name one of the blocks under detection."
            )
    condition = "(" + " OR ".join(names.selections[name] for name in listed) + ")" if listed else ""
    distinct = names.event_sql(block["distinct"], *place, "distinct", in_rows=False) if "distinct" in block else ""
    return Candidates(number, condition, distinct)


def _measure(names: Vocabulary, name: str, value: object, *path: str | int) -> Measure:
    names.new_name(name, *path)
    place = (*path, name)
    if value == "count":
        return Measure(name, "", "count(*)")
    block = names.mapping(value, *place, allowed=_AGGREGATES | {"where"})
    asked = sorted(block.keys() & _AGGREGATES)
    if len(asked) != 1:
        raise names.refuse(f"{name} needs exactly one of {', '.join(sorted(_AGGREGATES))}", *place)
    aggregate, what = asked[0], block[asked[0]]
    if aggregate in {"count", "count_if", "share"}:
        if "where" in block:
            raise names.refuse(f"{aggregate} takes no where: name the selection itself", *place, "where")
        condition = (
            names.flag_sql(what, *place, aggregate)
            if aggregate != "count_if"
            else names.event_sql(what, *place, aggregate)
        )
        row = f"CASE WHEN {condition} THEN 1 ELSE 0 END"
        return Measure(name, row, "sum({row})" if aggregate != "share" else "(CAST(sum({row}) AS DOUBLE) / count(*))")
    row = names.event_sql(what, *place, aggregate)
    if "where" in block:
        row = f"CASE WHEN {names.flag_sql(block['where'], *place, 'where')} THEN {row} END"
    if aggregate == "count_distinct":
        return Measure(name, row, "count(DISTINCT {row})")
    if aggregate == "avg":
        # A sum of doubles depends on the order of rows in the last digit; a rounded one does not.
        return Measure(name, row, "round(avg({row}), 6)")
    return Measure(name, row, f"{aggregate}({{row}})")


def _usual(names: Vocabulary, name: str, value: object, keys: tuple[str, ...], *, measured: Collection[str]) -> Usual:
    place = ("profile", "usual", name)
    block = names.mapping(value, *place, allowed={"of", "by", "measures"}, needed={"of", "measures"})
    if block["of"] not in names.selections:
        raise names.refuse(
            f"There is no selection {block['of']}", *place, "of", mend="Name one of the blocks under detection."
        )
    asked = block.get("by", [])
    if not isinstance(asked, dict):
        asked = dict.fromkeys(names.texts(asked, *place, "by"))
    by = {}
    for key, column in asked.items():
        if key not in keys and not (key in measured and column is not None):
            mend = "Give a measure the column it is compared with: {measure: column}." if key in measured else ""
            raise names.refuse(f"{key} is not in group-by", *place, "by", mend=mend)
        by[key] = names.event_sql(column, *place, "by", key, in_rows=False) if column is not None else ""
    # A population is read straight from the events, so selections are written out instead of named.
    inner = Vocabulary(names.document, names.selections, dict(names.parameters), dict(names.fields), taken=names.taken)
    measures = []
    for measure_name, measure in names.mapping(block["measures"], *place, "measures").items():
        read = _measure(inner, measure_name, measure, *place, "measures")
        row = read.row
        for flag in inner.flags:
            row = row.replace(f"{flag} = 1", f"({names.selections[flag]})")
        measures.append(Measure(read.name, row, read.aggregate))
    if inner.previous:
        raise names.refuse("usual cannot look at the event before", *place)
    return Usual(name, names.selections[block["of"]], by, tuple(measures))


def _peers(names: Vocabulary, value: object, known: dict[str, str]) -> Peers:
    place = ("profile", "peers")
    block = names.mapping(value, *place, allowed={"by", "within", "where", "measures"}, needed={"measures"})
    by = tuple(names.texts(block.get("by", []), *place, "by"))
    for name in by:
        if name not in {*known, "run"}:
            raise names.refuse(f"{name} is neither a key nor a measure", *place, "by")
    measures = {}
    for name, asked in names.mapping(block["measures"], *place, "measures").items():
        new = names.new_name(name, *place, "measures")
        if asked == "count":
            measures[new] = "count(*)"
            continue
        one = names.mapping(asked, *place, "measures", name, allowed={"sum", "min", "max"})
        if len(one) != 1:
            raise names.refuse(f"{name} needs one of sum, min, max", *place, "measures", name)
        aggregate, what = next(iter(one.items()))
        measures[new] = f"{aggregate}({names.measure_sql(what, known, *place, 'measures', name)})"
    where = names.measure_sql(block["where"], known, *place, "where") if "where" in block else "TRUE"
    within = names.duration(block["within"], *place, "within") if "within" in block else None
    return Peers(by, where, measures, within_ms=within)
