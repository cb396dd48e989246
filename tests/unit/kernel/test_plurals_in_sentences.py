"""A sentence of a rule or reason chooses its words by number, as the language counts."""

import pytest

from tocsin.kernel import language

SENTENCE = "read {n} {n:record|records} of {who}"


@pytest.mark.parametrize(
    ("n", "said"), [(0, "0 records"), (1, "1 record"), (1.5, "1.5 records"), (2417, "2,417 records")]
)
def test_english_has_one_singular(n, said):
    with language.use("en"):
        assert language.render(SENTENCE, {"n": n, "who": "{n}"}) == f"read {said} of {{n}}"


@pytest.mark.parametrize(("n", "said"), [(0, "0 fiche"), (1, "1 fiche"), (1.5, "1,5 fiche"), (2, "2 fiches")])
def test_french_counts_below_two_as_one(n, said):
    with language.use("fr"):
        assert language.render("{n} {n:fiche|fiches}", {"n": n}) == said


def test_what_is_not_a_number_takes_the_plural():
    assert language.render(SENTENCE, {"n": "-", "who": "x"}) == "read - records of x"


def test_for_reference_the_names_stay_open():
    assert language.outline(SENTENCE) == "read {n} records of {who}"
