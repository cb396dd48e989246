"""Reading a policy file: everything checked, nothing dropped, every refusal with file, line and the mend."""

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path

from tocsin.containment.errors import PolicyNotUnderstood
from tocsin.containment.policy import (
    APPROVAL_ABOVE_DEFAULT,
    APPROVAL_ABOVE_MAX,
    APPROVAL_PEOPLE_MIN,
    KEPT_DAYS,
    MEASURES_OF,
    PRINCIPAL,
    Assumptions,
    Condition,
    Exemption,
    ExemptionKind,
    Leaked,
    NamedList,
    Policy,
    Rule,
    StopRules,
    Waves,
)
from tocsin.containment.policy_places import Place, read_place
from tocsin.containment.values import Measure, MeasureKind
from tocsin.detections.values import AccountRole
from tocsin.kernel.language import gettext as _
from tocsin.scopes.values import Certainty

SHIPPED = Path(__file__).parent / "policies"

# What may stand where; docs/reference/policies.md explains each.
TOP_KEYS = dict.fromkeys(
    ("policy", "title", "leaked", "lists", "exempt", "rules", "everyone", "systems", "approval", "waves", "stop",
     "collateral", "kept_days"), ""
)  # fmt: skip
RULE_KEYS = dict.fromkeys(("name", "when", "leaked", "measures", "reason", "at_once", "systems"), "")
WHEN_KEYS = dict.fromkeys(
    ("role", "certainty", "data", "platform", "version_below", "version_upto", "list"), ""
)  # fmt: skip
EXEMPT_KEYS = dict.fromkeys(("list", "accounts", "file", "kind", "reason"), "")
CLIENT_KEYS = {
    MeasureKind.UPDATE_CLIENT: ("platform", "version_min"),
    MeasureKind.RETIRE_CLIENT: ("client", "platform"),
}
_KINDS = dict.fromkeys((each.value for each in MeasureKind), "")
_LEAKED = dict.fromkeys((each.value for each in Leaked), "")


def shipped_policies() -> tuple[str, ...]:
    """Return the names of the policies that come with Tocsin."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.yml")))


def policy_path(named: str) -> Path:
    """Return the file of a shipped policy's name, or of a path."""
    if named in shipped_policies():
        return SHIPPED / f"{named}.yml"
    return Path(named)


def read_policy(named: str) -> Policy:
    """Read a policy by its shipped name or its path; PolicyNotUnderstood names file, line and mend."""
    path = policy_path(named)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyNotUnderstood(
            _("The policy cannot be read: {reason}.").format(reason=error),
            where=path,
            mend=_("Give a file, or one of {names}.").format(names=", ".join(shipped_policies())),
        ) from error
    return policy_of(text, file=path)


def policy_of(text: str, *, file: Path) -> Policy:
    """Read a policy's text; ``file`` is where it stands, and what its lists are relative to."""
    top = read_place(text, file=str(file))
    said = top.mapping(keys=TOP_KEYS)
    for needed in ("policy", "rules"):
        if needed not in said:
            raise top.refuse(_("{key} is missing.").format(key=needed), mend=_("Add the key {key}.").format(key=needed))
    leaked = _leaked(said.get("leaked"))
    lists = [named_list(name, place, folder=file.parent) for name, place in _names(said.get("lists"))]
    exemptions = _exemptions(said.get("exempt"), lists=lists, folder=file.parent)
    names = {each.name for each in lists}
    rules = tuple(_rule(place, n=n, leaked=leaked, lists=names) for n, place in enumerate(said["rules"].items(), 1))
    if not rules:
        raise said["rules"].refuse(_("A policy needs rules."), mend=_("Write one that says which measures."))
    approval = said["approval"].mapping(keys={"above": "", "people": ""}) if "approval" in said else {}
    return Policy(
        name=said["policy"].text(),
        title=said["title"].text() if "title" in said else "",
        rules=tuple(rule for rule in rules if not rule.leaked or set(rule.leaked) & set(leaked)),
        leaked=leaked,
        lists=tuple(lists),
        exemptions=tuple(exemptions),
        everyone=tuple(_for_everyone(each) for each in _items(said.get("everyone"))),
        systems=tuple(each.text() for each in _items(said.get("systems"))),
        approval_above=_whole(approval.get("above"), APPROVAL_ABOVE_DEFAULT, least=0, most=APPROVAL_ABOVE_MAX),
        approval_people=_whole(approval.get("people"), APPROVAL_PEOPLE_MIN, least=APPROVAL_PEOPLE_MIN, most=10),
        waves=_waves(said.get("waves")),
        stop=StopRules(**_numbers(said.get("stop"), StopRules.__slots__, most=1e9)),
        assumptions=Assumptions(**_numbers(said.get("collateral"), Assumptions.__slots__, most=1e9)),
        kept_days=_whole(said.get("kept_days"), KEPT_DAYS, least=1, most=3650),
        where=str(file),
    )


def _items(place: Place | None) -> list[Place]:
    return place.items() if place else []


def _names(place: Place | None) -> Iterable[tuple[str, Place]]:
    return place.names() if place else ()


def _leaked(place: Place | None) -> tuple[Leaked, ...]:
    return tuple(Leaked(each.one_of(_LEAKED)) for each in _items(place))


def named_list(name: str, place: Place, *, folder: Path) -> NamedList:
    """Read one list: ``accounts`` or ``file``."""
    said = place.mapping(keys={"accounts": "", "file": ""})
    return _list_of(name, place, said, folder=folder)


def _list_of(name: str, place: Place, said: dict[str, Place], *, folder: Path) -> NamedList:
    if ("accounts" in said) == ("file" in said):
        raise place.refuse(_("A list has either accounts or a file."), mend=_("Give one of the two."))
    where = f"{place.file}:{place.node.start_mark.line + 1}"
    if "accounts" in said:
        accounts = tuple(each.text() for each in said["accounts"].items())
        digest = hashlib.sha256("\n".join(sorted(accounts)).encode()).hexdigest()
        return NamedList(name=name, accounts=accounts, sha256=digest, where=where)
    return list_from_file(name, folder / said["file"].text(), where=where)


def list_from_file(name: str, path: Path, *, where: str) -> NamedList:
    """Return a list kept in a CSV file with a column ``account``; ``where`` is what names the file."""
    try:
        with path.open("rb") as reading:
            digest = hashlib.file_digest(reading, "sha256").hexdigest()
            reading.seek(0)
            header = reading.readline().decode("utf-8-sig", "replace")
    except OSError as error:
        raise PolicyNotUnderstood(
            _("The list {file} cannot be read: {reason}.").format(file=path, reason=error.strerror), where=where,
            mend=_("Name a CSV file, relative to the policy."),
        ) from error  # fmt: skip
    if "account" not in [cell.strip().strip('"') for cell in header.split(",")]:
        raise PolicyNotUnderstood(
            _("The list has no column account."), where=f"{path}:1",
            mend=_("Write a first line that names the columns, one of them account."),
        )  # fmt: skip
    return NamedList(name=name, file=path, sha256=digest, where=where)


def _exemptions(place: Place | None, *, lists: list[NamedList], folder: Path) -> list[Exemption]:
    found = []
    for n, each in enumerate(_items(place), 1):
        said = each.mapping(keys=EXEMPT_KEYS)
        for needed in ("kind", "reason"):
            if needed not in said:
                raise each.refuse(
                    _("An exemption needs a {key}.").format(key=needed),
                    mend=_("Say why these accounts are left alone, and which kind they are."),
                )
        kind = ExemptionKind(said["kind"].one_of(dict.fromkeys((k.value for k in ExemptionKind), "")))
        if "list" in said:
            name = said["list"].one_of(dict.fromkeys((known.name for known in lists), ""))
        else:
            name = f"exempt-{n}"
            lists.append(_list_of(name, each, said, folder=folder))
        found.append(Exemption(list=name, kind=kind, reason=said["reason"].text()))
    return found


def _rule(place: Place, *, n: int, leaked: tuple[Leaked, ...], lists: Collection[str]) -> Rule:
    said = place.mapping(keys=RULE_KEYS)
    if "measures" not in said:
        raise place.refuse(_("A rule needs measures."), mend=_("Write measures: [...], auto, or none with a reason."))
    only = _leaked(said.get("leaked"))
    measures = _measures(said["measures"], leaked=leaked)
    if not measures and "reason" not in said:
        raise place.refuse(
            _("A rule without measures needs a reason."), mend=_("Say why these accounts are left alone: reason: ...")
        )
    return Rule(
        name=said["name"].text() if "name" in said else f"rule {n}",
        when=_condition(said.get("when"), lists=lists),
        measures=measures,
        reason=said["reason"].text() if "reason" in said else "",
        at_once=said["at_once"].yes_or_no() if "at_once" in said else False,
        systems=tuple(each.text() for each in _items(said.get("systems"))),
        leaked=only,
    )


def _measures(place: Place, *, leaked: tuple[Leaked, ...]) -> tuple[Measure, ...]:
    found: list[Measure] = []
    listed = place.items()
    for each in listed:
        if each.is_mapping():
            found.append(_client_measure(each))
            continue
        word = each.one_of({**_KINDS, "auto": ""})
        if word == "auto":
            found += _chosen(each, leaked=leaked)
        elif word == MeasureKind.NONE and len(listed) > 1:
            raise each.refuse(_("none stands alone."), mend=_("Take it out, or take the other measures out."))
        elif word in CLIENT_KEYS:
            keys = ", ".join(CLIENT_KEYS[MeasureKind(word)])
            raise each.refuse(
                _("{measure} needs to know which client.").format(measure=word),
                mend=_("Write {measure}: with {keys} below it.").format(measure=word, keys=keys),
            )
        elif word != MeasureKind.NONE:
            found.append(Measure(MeasureKind(word)))
    kinds = {each.kind for each in found}
    if MeasureKind.SUSPEND in kinds and len(kinds) > 1:
        raise place.refuse(
            _("A suspended account cannot do anything else."), mend=_("Write suspend alone.")
        )  # fmt: skip
    return tuple(dict.fromkeys(found))


def _chosen(place: Place, *, leaked: tuple[Leaked, ...]) -> list[Measure]:
    if not leaked:
        raise place.refuse(
            _("auto chooses from what leaked, and the policy does not say."),
            mend=_("Add leaked: [session], or password, client, key."),
        )
    return [Measure(kind) for each in leaked for kind in MEASURES_OF[each]]


def _client_measure(place: Place) -> Measure:
    said = place.mapping(keys=dict.fromkeys((kind.value for kind in CLIENT_KEYS), ""))
    if len(said) != 1:
        raise place.refuse(_("One measure stands in one line."), mend=_("Begin a new line with a dash for each."))
    word, inner = next(iter(said.items()))
    kind = MeasureKind(word)
    parts = inner.mapping(keys=dict.fromkeys(CLIENT_KEYS[kind], ""))
    needed = CLIENT_KEYS[kind] if kind is MeasureKind.UPDATE_CLIENT else ("client",)
    for key in needed:
        if key not in parts:
            raise inner.refuse(
                _("{measure} needs {key}.").format(measure=word, key=key), mend=_("Add the key {key}.").format(key=key)
            )
    return Measure(
        kind,
        platform=parts["platform"].text().lower() if "platform" in parts else "",
        version_min=parts["version_min"].version() if "version_min" in parts else "",
        client=parts["client"].text() if "client" in parts else "",
    )


def _for_everyone(place: Place) -> Measure:
    if not place.is_mapping():
        raise place.refuse(
            _("Only rules about clients can hold for everyone."),
            mend=_("Write update_client: or retire_client: here; other measures are for accounts of the scope."),
        )
    return _client_measure(place)


def _condition(place: Place | None, *, lists: Collection[str]) -> Condition:
    if place is None:
        return Condition()
    said = place.mapping(keys=WHEN_KEYS)
    words = {
        "role": dict.fromkeys((*(each.value for each in AccountRole), PRINCIPAL), ""),
        "certainty": dict.fromkeys((each.value for each in Certainty), ""),
        "list": dict.fromkeys(lists, ""),
    }
    known = {name: tuple(p.one_of(words[name]) for p in _items(said.get(name))) for name in words}
    versions = [name for name in ("version_below", "version_upto") if name in said]
    if versions and "platform" not in said:
        raise said[versions[0]].refuse(
            _("A version is of a platform."), mend=_("Add platform: beside it; versions differ from one to the next.")
        )
    return Condition(
        roles=known["role"],
        certainties=known["certainty"],
        lists=known["list"],
        data=tuple(each.text() for each in _items(said.get("data"))),
        platforms=tuple(each.text().lower() for each in _items(said.get("platform"))),
        version_below=said["version_below"].version() if "version_below" in said else "",
        version_upto=said["version_upto"].version() if "version_upto" in said else "",
    )


def _waves(place: Place | None) -> Waves:
    if place is None:
        return Waves()
    said = place.mapping(keys={"shares": "", "wait_minutes": ""})
    shares = tuple(each.number(least=0.000001, most=1) for each in _items(said.get("shares")))
    if shares and (list(shares) != sorted(set(shares)) or shares[-1] != 1):
        raise said["shares"].refuse(
            _("Shares grow from wave to wave, and the last is 1."), mend=_("For example [0.001, 0.01, 0.1, 1].")
        )
    standard = Waves()
    wait = said["wait_minutes"].number(least=0, most=1e6) if "wait_minutes" in said else standard.wait_minutes
    return Waves(shares=shares or standard.shares, wait_minutes=wait)


def _numbers(place: Place | None, names: Iterable[str], *, most: float) -> dict[str, float]:
    if place is None:
        return {}
    return {key: each.number(least=0, most=most) for key, each in place.mapping(keys=dict.fromkeys(names, "")).items()}


def _whole(place: Place | None, usual: int, *, least: int, most: int) -> int:
    return int(place.number(least=least, most=most)) if place else usual
