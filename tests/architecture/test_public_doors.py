"""A module is entered by its public files only; the import linter sees layers, not doors."""

import grimp

DOORS = {"commands", "queries", "values", "errors", "ports"}
# Django finds tables by these names at the top, and a table names those its foreign keys point to.
MAY_SEE_TABLES = {"models", "migrations", "apps"}
OPEN = {"kernel"}
# Public by nature, though not in the kit: the vocabulary a format is written in, the table of permissions that every
# door names, and what the command line is made of.
EXTRA_DOORS = {
    "tocsin.events.dialect",
    "tocsin.staff.permissions",
    "tocsin.staff.secrets",
    "tocsin.staff.resealing",  # what a module that keeps sealed columns hands to who rotates the keys
    "tocsin.messaging.states",  # MessageState stands in Message, which doors show
    "tocsin.cli.program",
    "tocsin.cli.wired",
}


def trespasses(edges: set[tuple[str, str]]) -> list[str]:
    """Return every import of another module's inside, as ``importer -> imported``."""
    found = []
    for importer, imported in sorted(edges):
        ours, theirs = importer.split("."), imported.split(".")
        if len(theirs) < 3 or theirs[0] != "tocsin" or ours[1:2] == theirs[1:2] or theirs[1] in OPEN:
            continue
        if (
            imported in EXTRA_DOORS
            or theirs[2] in DOORS
            or (theirs[2] == "models" and {ours[1], ours[-1]} & MAY_SEE_TABLES)
            or (theirs[2] == "states" and ours[1] == "migrations")  # a constraint names the states it allows
        ):
            continue
        found.append(f"{importer} -> {imported}")
    return found


def test_modules_enter_each_other_by_their_doors_only(graph: grimp.ImportGraph):
    edges = {
        (importer, imported)
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
    }
    assert trespasses(edges) == []


def test_a_planted_trespass_is_seen():
    assert trespasses({("tocsin.reports.page", "tocsin.incidents.models")}) == [
        "tocsin.reports.page -> tocsin.incidents.models"
    ]
    assert (
        trespasses({("tocsin.models", "tocsin.incidents.models"), ("tocsin.reports.page", "tocsin.scopes.values")})
        == []
    )
