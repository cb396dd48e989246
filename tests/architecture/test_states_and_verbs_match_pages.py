"""The pages on states and on the journal say what the code does: every word, every move, every verb."""

import re
from pathlib import Path

from tocsin.containment import states as containment_states
from tocsin.incidents import states as incident_states
from tocsin.messaging import states as messaging_states
from tocsin.scopes import states as scope_states

MOVES = {
    "Incident": incident_states.MOVES,
    "Scope revision": scope_states.REVISION_MOVES,
    "Claim": scope_states.CLAIM_MOVES,
    "Plan": containment_states.PLAN_MOVES,
    "Wave": containment_states.WAVE_MOVES,
    "Appeal": containment_states.APPEAL_MOVES,
    "Step": containment_states.STEP_MOVES,
    "Message": messaging_states.MESSAGE_MOVES,
    "Webhook body": messaging_states.INTAKE_MOVES,
}
ROW = re.compile(r"(?m)^\| `(\w+)` \| ((?:`\w+`(?:, )?)*) ?\|")
MODULES = "approval|containment|incident|journal|messaging|scope|staff"
VERB = re.compile(rf'"((?:{MODULES})\.[a-z_]+)"')


def test_the_page_of_states_has_every_state_and_move(root: Path):
    page = (root / "docs" / "reference" / "states.md").read_text(encoding="utf-8")
    sections = {section.split("\n", 1)[0]: section for section in page.split("\n## ")[1:]}
    told = {
        noun: {state: set(re.findall(r"\w+", moves)) for state, moves in ROW.findall(section)}
        for noun, section in sections.items()
    }
    assert told == {
        noun: {state.value: {each.value for each in moves} for state, moves in table.items()}
        for noun, table in MOVES.items()
    }


def test_the_page_of_the_journal_has_every_verb_and_no_other(root: Path, source: Path):
    page = (root / "docs" / "reference" / "journal.md").read_text(encoding="utf-8")
    told = set(re.findall(rf"(?m)^\| `((?:{MODULES})\.\w+)` \|", page))
    written = {verb for path in source.rglob("*.py") for verb in VERB.findall(path.read_text(encoding="utf-8"))}
    assert told == written
