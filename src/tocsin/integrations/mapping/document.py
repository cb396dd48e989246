"""The YAML of a mapping, read so that every complaint can name its line."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _

DOCUMENT_BYTES_MAX = 1024 * 1024
Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in the mapping file, and the complaint that can be made there."""

    path: Path
    line: int

    def wrong(self, what: str, *, mend: str = "") -> TocsinError:
        """Return the error for what is wrong at this place."""
        return TocsinError(what, where=f"{self.path}:{self.line}", mend=mend)


@dataclass(frozen=True, slots=True)
class Entry:
    """One YAML value with its place: a mapping of entries, a list of entries, or a single value."""

    place: Place
    value: "dict[str, Entry] | list[Entry] | Scalar | None"

    def table(self, *, known: Iterable[str] = (), what: str = "") -> "dict[str, Entry]":
        """Return the mapping that must stand here; with ``known``, other keys are refused."""
        if not isinstance(self.value, dict):
            raise self.place.wrong(_("{what} must be a mapping of names to values.").format(what=what or _("This")))
        names = list(known)
        for key, entry in self.value.items():
            if names and key not in names:
                close = difflib.get_close_matches(key, names, n=1)
                mend = (
                    _("Did you mean {name}?").format(name=close[0])
                    if close
                    else _("Known: {names}").format(names=", ".join(names))
                )
                raise entry.place.wrong(_("unknown name {name!r}.").format(name=key), mend=mend)
        return self.value

    def items(self) -> "list[Entry]":
        """Return the list that must stand here."""
        if not isinstance(self.value, list):
            raise self.place.wrong(
                _("A list must stand here."), mend=_("Start each element on its own line with a dash.")
            )
        return self.value

    def text(self) -> str:
        """Return the text that must stand here."""
        if not isinstance(self.value, str) or not self.value:
            raise self.place.wrong(_("A text must stand here."), mend=_("Put numbers and yes/no in quotes."))
        return self.value

    def scalar(self) -> Scalar:
        """Return the single value that must stand here."""
        if self.value is None or isinstance(self.value, dict | list):
            raise self.place.wrong(_("A single value must stand here."))
        return self.value

    def flag(self) -> bool:
        """Return the true or false that must stand here."""
        if not isinstance(self.value, bool):
            raise self.place.wrong(_("true or false must stand here."))
        return self.value


def load(path: Path) -> Entry:
    """Read a YAML file into entries. Raises TocsinError for what cannot be read, at its line."""
    start = Place(path, 1)
    try:
        if path.stat().st_size > DOCUMENT_BYTES_MAX:
            raise start.wrong(_("a mapping larger than 1 MB is none."))
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except OSError as error:
        raise TocsinError(
            _("the mapping cannot be read: {why}.").format(why=error.strerror),
            where=path,
            mend=_("Look whether it is there and whether you may read it."),
        ) from error
    except UnicodeDecodeError as error:
        raise start.wrong(_("a mapping is UTF-8 text.")) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Place(path, line).wrong(_("this is not YAML: {why}.").format(why=error.problem)) from error
    except yaml.YAMLError as error:
        raise start.wrong(_("this is not YAML: {why}.").format(why=str(error).splitlines()[0])) from error
    if node is None:
        raise start.wrong(_("the mapping is empty."), mend=_("Draft one with: tocsin map suggest FILE"))
    return _entry(node, path=path, depth=0)


def _entry(node: yaml.Node, *, path: Path, depth: int) -> Entry:
    place = Place(path, node.start_mark.line + 1)
    if depth > 12:
        raise place.wrong(_("nested too deeply."))
    if isinstance(node, yaml.MappingNode):
        table: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            where = Place(path, key_node.start_mark.line + 1)
            if not isinstance(key_node, yaml.ScalarNode) or not key_node.value:
                raise where.wrong(_("a name must be a text."))
            if key_node.value in table:
                raise where.wrong(_("{name!r} stands here twice.").format(name=key_node.value))
            inner = _entry(value_node, path=path, depth=depth + 1)
            table[key_node.value] = Entry(where, inner.value) if isinstance(value_node, yaml.ScalarNode) else inner
        return Entry(place, table)
    if isinstance(node, yaml.SequenceNode):
        return Entry(place, [_entry(each, path=path, depth=depth + 1) for each in node.value])
    return Entry(place, _scalar(node, place))


def _scalar(node: yaml.Node, place: Place) -> Scalar | None:
    try:
        value = yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        raise place.wrong(_("this value cannot be read.")) from error
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(node.value)
