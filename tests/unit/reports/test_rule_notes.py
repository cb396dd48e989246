"""What a report says of a rule: techniques from its tags, and a digest that changes when the rule does."""

from dataclasses import replace

import pytest

from tocsin.detections import queries as detection_queries
from tocsin.reports import queries


@pytest.fixture(scope="module")
def rules():
    return detection_queries.shipped_rules()


def test_techniques_come_from_the_tags_and_tactics_are_left_out(rules):
    notes = {note.rule_id: note for note in queries.rule_notes(rules)}
    assert "T1213" in notes["internal_access"].attack
    assert all(technique.startswith("T") for note in notes.values() for technique in note.attack)
    assert all(note.advice and note.false_positives for note in notes.values())


def test_a_digest_is_the_same_for_the_same_rule_only(rules):
    first = queries.rule_notes(rules)[0].digest
    assert first == queries.rule_notes(detection_queries.shipped_rules())[0].digest
    changed = replace(rules[0], condition=f"{rules[0].condition} AND true")
    assert queries.rule_notes((changed,))[0].digest != first


def test_the_digest_of_all_rules_does_not_depend_on_their_order(rules):
    assert queries.rules_digest(rules) == queries.rules_digest(rules[::-1])
    assert queries.rules_digest(rules) != queries.rules_digest(rules[1:])
