"""The pages on states and on the journal say what the code does: every word, every move, every verb."""

import re
from pathlib import Path

from tocsin.incidents import states as incident_states
from tocsin.scopes import states as scope_states

MOVES = (incident_states.MOVES, scope_states.REVISION_MOVES, scope_states.CLAIM_MOVES)
ROW = re.compile(r"(?m)^\| `(\w+)` \| ((?:`\w+`(?:, )?)*) ?\|")
VERB = re.compile(r'"((?:incident|scope|staff|journal)\.[a-z_]+)"')


def test_the_page_of_states_has_every_state_and_move(root: Path):
    page = (root / "docs" / "reference" / "states.md").read_text(encoding="utf-8")
    told = {state: set(re.findall(r"\w+", moves)) for state, moves in ROW.findall(page)}
    assert told == {state.value: {each.value for each in moves} for table in MOVES for state, moves in table.items()}


def test_the_page_of_the_journal_has_every_verb_and_no_other(root: Path, source: Path):
    page = (root / "docs" / "reference" / "journal.md").read_text(encoding="utf-8")
    told = set(re.findall(r"(?m)^\| `((?:incident|scope|staff|journal)\.\w+)` \|", page))
    written = {verb for path in source.glob("*/commands.py") for verb in VERB.findall(path.read_text(encoding="utf-8"))}
    assert told == written
