"""A YAML file as places: every value knows its line, so that a refusal can name it. Texts are taken as written."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from tocsin.containment.errors import PolicyNotUnderstood
from tocsin.kernel.language import gettext as _

_VERSION = re.compile(r"^v?\d{1,9}(\.\d{1,9}){0,5}$")


@dataclass(frozen=True, slots=True)
class Place:
    """One value of a file. ``8.10`` stays the text ``8.10``: YAML's own reading would make it 8.1."""

    file: str
    node: yaml.Node

    def refuse(self, what: str, *, mend: str) -> PolicyNotUnderstood:
        """Return the error that names this place."""
        return PolicyNotUnderstood(what, where=f"{self.file}:{self.node.start_mark.line + 1}", mend=mend)

    def is_mapping(self) -> bool:
        """Say whether keys stand here."""
        return isinstance(self.node, yaml.MappingNode)

    def mapping(self, *, keys: Mapping[str, str]) -> dict[str, "Place"]:
        """Return the values by key; a key that is not known, or twice there, is refused. ``keys`` says what each is."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.refuse(_("Names with values are wanted here."), mend=_listed(keys))
        found: dict[str, Place] = {}
        for key_node, value_node in self.node.value:
            key, place = str(key_node.value), Place(self.file, key_node)
            if key not in keys:
                raise place.refuse(_("Unknown key {key}.").format(key=repr(key)), mend=_listed(keys))
            if key in found:
                raise place.refuse(_("{key} stands here twice.").format(key=key), mend=_("Keep one of them."))
            found[key] = Place(self.file, value_node)
        return found

    def names(self) -> Iterator[tuple[str, "Place"]]:
        """Yield (name, value) of a mapping whose names are free."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.refuse(_("Names with values are wanted here."), mend=_("Write name: value."))
        for key_node, value_node in self.node.value:
            yield str(key_node.value), Place(self.file, value_node)

    def items(self) -> list["Place"]:
        """Return the values of a list; a single value is a list of one."""
        if isinstance(self.node, yaml.SequenceNode):
            return [Place(self.file, each) for each in self.node.value]
        return [self]

    def text(self) -> str:
        """Return a text exactly as written."""
        if not isinstance(self.node, yaml.ScalarNode) or not self.node.value.strip():
            raise self.refuse(_("A text is wanted here."), mend=_("Write one word or sentence."))
        return str(self.node.value)

    def one_of(self, words: Mapping[str, str]) -> str:
        """Return a text that is one of these words."""
        text = self.text()
        if text not in words:
            raise self.refuse(_("{text} is not known here.").format(text=repr(text)), mend=_listed(words))
        return text

    def version(self) -> str:
        """Return a dotted number."""
        text = self.text()
        if not _VERSION.match(text):
            raise self.refuse(
                _("{text} cannot be compared with versions.").format(text=repr(text)),
                mend=_("Write a dotted number such as 8.11.0."),
            )
        return text

    def number(self, *, least: float, most: float) -> float:
        """Return a number between two."""
        try:
            value = float(self.text())
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise self.refuse(
                _("{text} is not a number between {least} and {most}.").format(
                    text=repr(self.text()), least=f"{least:g}", most=f"{most:g}"
                ),
                mend=_("Write a number in that range."),
            )
        return value

    def yes_or_no(self) -> bool:
        """Return true or false."""
        return self.one_of({"true": "", "false": ""}) == "true"


def read_place(text: str, *, file: str) -> Place:
    """Parse one YAML document."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else file
        raise PolicyNotUnderstood(
            _("This is not YAML: {problem}.").format(problem=getattr(error, "problem", None) or error),
            where=where,
            mend=_("Check the indentation and the quotes of this line."),
        ) from error
    if node is None:
        raise PolicyNotUnderstood(
            _("The file is empty."), where=file, mend=_("`tocsin contain policies` prints one to begin with.")
        )
    return Place(file, node)


def _listed(words: Mapping[str, str]) -> str:
    return _("Known: {words}.").format(words=", ".join(words))
