"""Any scope through any policy: every account in exactly one of measured, exempt, none; nobody from outside, ever."""

import csv
import itertools
from pathlib import Path

import duckdb
from hypothesis import Phase, given, settings, strategies as st

from tocsin.containment import drawing, matching
from tocsin.containment.errors import AccountsLeftOut
from tocsin.containment.matching import Earlier, ScopeRows
from tocsin.containment.policy import Condition, Exemption, ExemptionKind, NamedList, Policy, Rule
from tocsin.containment.values import Measure, MeasureKind

NAMES = ["a", "b", "c", "d'", "e;--", "é", "ｆ", "=1", "UPPER", "upper", "", "ü\u202e"]
ROLES = ["victim", "instrument", "attacker"]
CERTAINTIES = ["confirmed", "likely", "precaution"]
PLATFORMS = ["android", "iOS", "windows", None]
VERSIONS = ["8.10.2", "8.11", "9", "garbage", "", None]
KINDS = [
    Measure(MeasureKind.REAUTHENTICATE),
    Measure(MeasureKind.RESET_PASSWORD),
    Measure(MeasureKind.SUSPEND),
    Measure(MeasureKind.UPDATE_CLIENT, platform="android", version_min="8.11"),
]
_files = itertools.count()


def subset(words):
    return st.lists(st.sampled_from(words), max_size=2, unique=True).map(tuple)


rows = st.fixed_dictionaries(
    {
        "role": st.sampled_from(ROLES),
        "certainty": st.sampled_from(CERTAINTIES),
        "data": st.sampled_from([None, "profile", "profile;credentials"]),
        "platform": st.sampled_from(PLATFORMS),
        "client_version": st.sampled_from(VERSIONS),
    }
)
scopes = st.dictionaries(st.sampled_from(NAMES), rows, max_size=10)
conditions = st.builds(
    Condition,
    roles=subset([*ROLES, "principal"]),
    certainties=subset(CERTAINTIES),
    data=subset(["profile", "credentials"]),
    platforms=subset(["android", "ios", "windows", "unknown"]),
    version_below=st.sampled_from(["", "8.11"]),
    lists=subset(["listed"]),
)
rules = st.builds(
    Rule,
    name=st.just("rule"),
    when=conditions,
    measures=subset(KINDS),
    reason=st.just("why"),
    at_once=st.booleans(),
)


@st.composite
def policies(draw):
    listed = draw(st.lists(st.sampled_from([*NAMES, "stranger"]), min_size=1, unique=True))
    return Policy(
        name="p",
        title="",
        rules=tuple(draw(st.lists(rules, max_size=4))) + ((Rule("rest", Condition(), (KINDS[0],)),) * draw(st.booleans())),
        lists=(NamedList("listed", accounts=tuple(listed)),),
        exemptions=(Exemption("listed", ExemptionKind.OTHER, "why"),) * draw(st.booleans()),
    )  # fmt: skip


def written(scope) -> Path:
    """Write a scope as a revision's column file is written: through CSV, in the order of the account."""
    folder, number = drawing.scopes.evidence_folder(), next(_files)
    text, file = folder / f"{number}.csv", folder / f"{number}.parquet"
    columns = ("account", "role", "certainty", "data", "platform", "client_version")
    with text.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, quoting=csv.QUOTE_NOTNULL if hasattr(csv, "QUOTE_NOTNULL") else csv.QUOTE_MINIMAL)
        writer.writerow(columns)
        for account, row in scope.items():
            writer.writerow([account, *("" if row[name] is None else row[name] for name in columns[1:])])
    typed = ", ".join(f"'{name}': 'VARCHAR'" for name in columns)
    kept = ", ".join(f"CASE WHEN {name} = '' THEN NULL ELSE {name} END AS {name}" for name in columns[1:])
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT coalesce(account, '') AS account, {kept} FROM read_csv('{text}', header = true, "
            f"columns = {{{typed}}}, nullstr = 'NEVER', strict_mode = false) ORDER BY account) TO '{file}' (FORMAT parquet)"
        )
    return file


def read(sha256: str):
    path = drawing.scopes.evidence_path(sha256)
    with duckdb.connect() as connection:
        cursor = connection.execute(f"SELECT * FROM read_parquet('{path}')")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@settings(max_examples=25, phases=[Phase.explicit, Phase.generate])
@given(scope=scopes, policy=policies(), principals=st.lists(st.sampled_from(["staff", "a"]), unique=True, max_size=2))
def test_every_account_is_in_exactly_one_part_and_nobody_comes_from_outside(scope, policy, principals):
    source = ScopeRows(written(scope), tuple(principals))
    wanted = sorted({*scope, *principals})
    try:
        drawn = drawing.draw(source, policy=policy, connectors={}, incident_id="i")
    except AccountsLeftOut:
        assert not any(rule.name == "rest" for rule in policy.rules)
        return
    found = read(drawn.sha256)
    assert sorted(row["account"] for row in found) == wanted
    assert (drawn.outside_scope, drawn.missing_of_scope) == (0, 0)
    assert sum(cell.accounts for cell in drawn.cells) == len(wanted)
    exempt = set(policy.lists[0].accounts) if policy.exemptions else set()
    for row in found:
        assert row["kept"] == ("exempt" if row["account"] in exempt else row["kept"])
        assert (row["kept"] == "measured") == (row["wave"] >= 1) == (row["combination"] is not None)
        assert (row["kept"] == "exempt") == (row["exempt"] is not None)
        assert row["kept"] in ("measured", "exempt", "none")
        if row["kept"] == "measured":
            asked = matching.measures_in(drawn.combinations[row["combination"]])
            assert asked == tuple(policy.rules[row["rule"]].measures)


@settings(max_examples=12, phases=[Phase.explicit, Phase.generate])
@given(before=scopes, after=scopes, policy=policies())
def test_a_second_plan_asks_nobody_twice_for_the_same(before, after, policy):
    try:
        first = drawing.draw(ScopeRows(written(before)), policy=policy, connectors={}, incident_id="i")
        earlier = Earlier(drawing.scopes.evidence_path(first.sha256), first.combinations)
        source = ScopeRows(written(after))
        second = drawing.draw(source, policy=policy, connectors={}, incident_id="i", earlier=[earlier])
        alone = drawing.draw(source, policy=policy, connectors={}, incident_id="i")
    except AccountsLeftOut:
        return

    def asked(drawn):
        return {
            row["account"]: set(matching.measures_in(drawn.combinations[row["combination"]]))
            for row in read(drawn.sha256)
            if row["wave"]
        }

    held, new, wanted = asked(first), asked(second), asked(alone)
    assert {account: new.get(account, set()) for account in after} == {
        account: wanted.get(account, set()) - held.get(account, set()) for account in after
    }
