"""Every error a person can cause says how to mend it: where it is raised, or once for its whole class."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT_CLASS = "TocsinError"
# Answered to a stranger over HTTP, who is told nothing.
SILENT = {"NotVerified", "CallbackNotVerified"}


def name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def errors(trees: list[ast.Module]) -> dict[str, bool]:
    """Return every kind of error: whether each of its kind is mended alike."""
    bases = defaultdict(set)
    mended = set()
    for node in (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        bases[node.name] |= {name_of(base) for base in node.bases}
        body = "\n".join(ast.unparse(each) for each in node.body)
        if node.name != ROOT_CLASS and ("usual_mend = " in body or "mend=" in body):
            mended.add(node.name)

    kinds = {ROOT_CLASS: False}
    while added := {name for name, above in bases.items() if above & kinds.keys()} - kinds.keys():
        kinds |= {name: name in mended or any(kinds.get(above, False) for above in bases[name]) for name in added}
    return kinds


def test_every_error_says_how_to_mend_it(source: Path):
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(source.rglob("*.py"))}
    kinds = errors(list(trees.values()))
    assert len(kinds) > 50
    checked = {name for name, mended in kinds.items() if not mended} - SILENT
    found = []
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or name_of(node.func) not in checked:
                continue
            given = {keyword.arg for keyword in node.keywords}
            if not given & {"mend", None}:
                found.append(f"{path.relative_to(source)}:{node.lineno} {name_of(node.func)}")
    assert found == []
