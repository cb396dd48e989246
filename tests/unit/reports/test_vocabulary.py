"""What the modules below name in code is said in words; what is not known stands as it is, harmless."""

import pytest

from tocsin.kernel import language
from tocsin.reports import vocabulary


@pytest.mark.parametrize(
    ("reason", "french"),
    [
        ("no readable time", "pas d’heure lisible"),
        ("cut off (gzip: the file ends in the middle)", "coupé (gzip\u202f: le fichier s’arrête au milieu)"),
        ("longer than 16 MiB, the start is kept", "plus long que 16 Mio, le début est gardé"),
        ("\x1b[31mnew", "\\x1b[31mnew"),
    ],
)
def test_reasons_of_rejection_are_translated(reason, french):
    with language.use("fr"):
        assert vocabulary.rejection(reason) == french


def test_notes_keep_the_path_they_name_and_show_what_hides():
    with language.use("fr"):
        assert vocabulary.source_note("same content as /a/\u202eb{x}: kept once") == (
            "même contenu que /a/\\u202eb{x}\u202f: gardé une fois"
        )


def test_operations_have_words():
    with language.use("fr"):
        assert [vocabulary.operation_word(one) for one in ("read", "changed", "GetObject")] == [
            "lu",
            "modifié",
            "GetObject",
        ]


def test_kinds_of_data_without_a_word_stand_in_quotation_marks():
    assert vocabulary.data_kinds(("payment", "x-ray\u202e")) == "payment and “x-ray\\u202e” data"
    with language.use("fr"):
        assert vocabulary.data_kinds(("messages",)) == "données de messagerie"


@pytest.mark.parametrize(("object_type", "said"), [("track", "81,000 tracks"), ("", "81,000 objects")])
def test_objects_are_counted_by_type(object_type, said):
    assert vocabulary.objects_of(object_type, 81_000) == said


def test_an_unknown_type_of_object_is_named():
    assert vocabulary.objects_of("ring\x00tone", 1) == "1 object of type “ring\\x00tone”"


def test_accounts_that_were_considered_together_have_a_word():
    with language.use("fr"):
        assert [vocabulary.suspect_word(one) for one in ("accounts", "x\u202e")] == ["comptes", "x\\u202e"]
