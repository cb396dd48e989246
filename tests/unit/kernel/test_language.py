"""The same sentence, numbers and times, in English and in French."""

import io
from datetime import UTC, datetime, timedelta, timezone
from gettext import GNUTranslations

import polib
import pytest

from tocsin.kernel import catalog, language

PO = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: nplurals=2; plural=(n > 1);\\n"

# a comment
#: some/file.py
msgid "two "
"halves"
msgstr "deux "
"moitiés \\"ici\\"\\n"

#, fuzzy
msgid "unsure"
msgstr "pas sûr"

msgid "not yet"
msgstr ""

msgctxt "verb"
msgid "open"
msgstr "ouvrir"

msgid "{n} account"
msgid_plural "{n} accounts"
msgstr[0] "{n} compte"
msgstr[1] "{n} comptes"
"""


@pytest.fixture
def french():
    with language.use("fr"):
        yield


def test_the_compiled_catalogue_reads_as_gettext_reads_it():
    read = GNUTranslations(io.BytesIO(catalog.compiled(PO)))

    assert read.gettext("two halves") == 'deux moitiés "ici"\n'
    assert read.pgettext("verb", "open") == "ouvrir"
    assert [read.ngettext("{n} account", "{n} accounts", n) for n in (0, 1, 2)] == ["{n} compte"] * 2 + ["{n} comptes"]
    assert read.gettext("unsure") == "unsure"
    assert read.gettext("not yet") == "not yet"


def test_our_compiler_and_polib_agree_on_every_sentence_we_ship():
    for path in language.LOCALE_DIR.glob("*/LC_MESSAGES/*.po"):
        ours = GNUTranslations(io.BytesIO(catalog.compiled(path.read_text(encoding="utf-8"))))
        theirs = GNUTranslations(io.BytesIO(polib.pofile(str(path)).to_binary()))
        assert ours._catalog == theirs._catalog


@pytest.mark.parametrize("broken", ['msgid "open', "msgid open", 'nonsense "x"', '"lost'])
def test_a_broken_catalogue_is_refused_with_its_line(broken):
    with pytest.raises(ValueError, match="line 1"):
        catalog.compiled(broken)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "fr"),
        ({"LANG": "fr_FR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_MESSAGES": "fr_CA", "LANG": "en_GB"}, "fr"),
        ({"TOCSIN_LANG": "fr", "LC_ALL": "en_GB"}, "fr"),
        ({"TOCSIN_LANG": "", "LANG": "fr"}, "fr"),
    ],
)
def test_the_first_variable_that_is_set_decides_the_language(environment, expected):
    assert language.from_environment(environment) == expected


def test_a_language_we_do_not_speak_cannot_be_chosen():
    with pytest.raises(ValueError, match="'de'"), language.use("de"):
        pass


def test_a_sentence_is_translated_and_an_unknown_one_stays_english(french):
    assert language.gettext("interrupted, run the same command to go on").startswith("interrompu")
    assert language.gettext("nobody translated this") == "nobody translated this"
    assert language.gettext("") == ""


def test_numbers_are_written_as_the_language_does():
    assert language.format_number(2417) == "2,417"
    assert language.format_number(1234.5) == "1,234.5"
    assert language.format_number(0.999, decimals=1) == "1.0"
    with language.use("fr"):
        assert language.format_number(2417) == "2\N{NARROW NO-BREAK SPACE}417"
        assert language.format_number(1234.5) == "1\N{NARROW NO-BREAK SPACE}234,5"


def test_times_are_shown_in_the_zone_named():
    moment = datetime(2014, 5, 1, 22, 5, 7, tzinfo=UTC)
    assert language.format_datetime(moment) == "1 May 2014, 22:05 UTC"
    assert language.format_datetime(moment, seconds=True) == "1 May 2014, 22:05:07 UTC"
    assert language.format_datetime(moment, zone="Europe/Paris") == "2 May 2014, 00:05 CEST"
    assert language.format_datetime(moment.astimezone(timezone(timedelta(hours=5)))) == "1 May 2014, 22:05 UTC"
    assert language.format_date(1_398_981_907_000) == "1 May 2014"
    assert language.format_date(moment.date()) == "1 May 2014"
    with language.use("fr"):
        assert language.format_datetime(moment) == "1er mai 2014 à 22:05 UTC"


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="without a time zone"):
        language.format_datetime(datetime(2014, 5, 1))  # noqa: DTZ001


def test_rendering_only_inserts_values_and_never_reads_them_as_a_format(french):
    rendered = language.render("{who} read {n} of {total:d}", {"who": "{n.__class__}", "n": 2417, "total": 5})

    assert rendered == "{n.__class__} read 2\N{NARROW NO-BREAK SPACE}417 of 5"
    with pytest.raises(KeyError):
        language.render("{n.real}", {"n": 1})
