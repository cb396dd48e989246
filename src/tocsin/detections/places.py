"""A YAML file as plain values, with the line of every key and item, so that a refusal can say where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from sigma.exceptions import SigmaError
from sigma.rule.base import SigmaYAMLLoader, check_alias_expansion

from tocsin.detections.errors import RuleRefused

YamlPath = tuple[str | int, ...]
NODES_MAX = 50_000


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a rule file. ``lines`` maps a path of keys and indexes to its line, from 1."""

    file: str
    values: dict[str, Any]
    lines: Mapping[YamlPath, int]

    def place(self, *path: str | int) -> str:
        """Return ``file:line`` of the deepest part of ``path`` that the file holds."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return f"{self.file}:{self.lines[path[:length]]}"
        return self.file

    def refuse(self, what: str, *path: str | int, mend: str = "") -> RuleRefused:
        """Return the error to raise for something at ``path``."""
        return RuleRefused(what, where=self.place(*path), mend=mend)


def read_documents(path: Path) -> list[Document]:
    """Read every document of a rule file; anything but mappings, duplicate keys and alias bombs are refused."""
    try:
        text = path.read_text(encoding="utf-8")
        values = list(yaml.load_all(text, Loader=SigmaYAMLLoader))
        for value in values:
            check_alias_expansion(value)
        nodes = list(yaml.compose_all(text, Loader=SigmaYAMLLoader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RuleRefused(f"Not YAML: {error.problem}", where=f"{path.name}:{line}") from error
    except (SigmaError, yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise RuleRefused(f"Not a rule file: {error}", where=path.name) from error
    except OSError as error:
        raise RuleRefused(f"Cannot be read: {error.strerror}", where=path) from error
    documents = []
    for value, node in zip(values, nodes, strict=True):
        if value is None:
            continue
        if not isinstance(value, dict):
            raise RuleRefused("A rule is a mapping of keys to values", where=f"{path.name}:{node.start_mark.line + 1}")
        lines: dict[YamlPath, int] = {(): node.start_mark.line + 1}
        _note_lines(node, (), lines)
        documents.append(Document(path.name, value, lines))
    return documents


def _note_lines(node: yaml.Node, path: YamlPath, lines: dict[YamlPath, int]) -> None:
    if len(lines) > NODES_MAX:
        return
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, str(key.value))
            lines[below] = key.start_mark.line + 1
            _note_lines(value, below, lines)
    elif isinstance(node, yaml.SequenceNode):
        items: Sequence[yaml.Node] = node.value
        for number, item in enumerate(items):
            below = (*path, number)
            lines[below] = item.start_mark.line + 1
            _note_lines(item, below, lines)
