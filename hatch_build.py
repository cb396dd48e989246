"""Build hook: compiles every translation, for wheels and for editable installs alike, so that users need no gettext."""

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path("src") / "tocsin"


class CompileTranslations(BuildHookInterface):
    """Writes ``django.mo`` beside every ``django.po`` with the compiler that Tocsin itself uses."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        specification = importlib.util.spec_from_file_location("catalog", root / SOURCE / "kernel" / "catalog.py")
        catalog = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(catalog)
        for source in (root / SOURCE / "locale").glob("*/LC_MESSAGES/*.po"):
            binary = source.with_suffix(".mo")
            binary.write_bytes(catalog.compiled(source.read_text(encoding="utf-8")))
            build_data["artifacts"].append(f"/{binary.relative_to(root).as_posix()}")
