"""Every format reads its own log, refuses what is not its own, and leaves the logs of the others alone."""

from pathlib import Path

import pytest

from tocsin.events import commands
from tocsin.events.ports import Format

from .conftest import Read, read_files
from .examples import Example
from .examples.cloud import EXAMPLES as CLOUD
from .examples.people import EXAMPLES as PEOPLE
from .examples.systems import EXAMPLES as SYSTEMS
from .examples.web import EXAMPLES as WEB

EXAMPLES: tuple[Example, ...] = (*WEB, *CLOUD, *PEOPLE, *SYSTEMS)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write every example into one folder."""
    folder = tmp_path_factory.mktemp("logs")
    for example in EXAMPLES:
        (folder / example.file).write_text(example.text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def everything(logs: Path, formats: tuple[Format, ...], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Read]:
    """Read the whole folder at once, as an operator would."""
    return read_files([logs], folder=tmp_path_factory.mktemp("out"), formats=formats)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.key)
def test_a_format_reads_a_success_a_failure_and_a_hostile_line(example: Example, everything: dict[str, Read]) -> None:
    source, events = everything[example.file]
    assert source.format == example.key
    assert source.lines == len(example.events) == source.parsed + source.rejected
    for line, expected in enumerate(example.events, start=1):
        if expected is None:
            assert line not in events
        else:
            assert {name: events[line][name] for name in expected} == expected, f"line {line}"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.key)
def test_only_its_own_format_is_sure_of_a_log(example: Example, logs: Path, formats: tuple[Format, ...]) -> None:
    sample = commands.sample_of(logs / example.file)
    scores = {form.key: form.recognise(sample) for form in formats}
    assert max(scores, key=lambda key: scores[key]) == example.key
    assert {key for key, score in scores.items() if score > 0.55} <= {example.key}


def test_every_format_has_an_example(formats: tuple[Format, ...]) -> None:
    assert {form.key for form in formats} - {"ocsf_parquet", "generic_parquet"} == {example.key for example in EXAMPLES}


def test_keys_are_unique(formats: tuple[Format, ...]) -> None:
    keys = [form.key for form in formats]
    assert len(set(keys)) == len(keys)
