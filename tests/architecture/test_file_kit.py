"""Every module is a package with one sentence about itself; no file is a drawer; files stay readable."""

import ast
from pathlib import Path

DRAWERS = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "misc",
    "core",
    "base",
    "manager",
    "handler",
    "service",
    "engine",
}
FILE_LINES_MAX = 400
DECLARED_LINES_MAX = 600  # of tables and values, which are looked up rather than read through
FUNCTION_LINES_MAX = 100  # the longest is a table of SQL macros


def test_no_file_or_folder_is_a_drawer(source: Path):
    named = {path.stem for path in source.rglob("*")} | {part for path in source.rglob("*.py") for part in path.parts}
    assert named & DRAWERS == set()


def test_every_module_says_in_one_line_what_it_is(source: Path):
    for package in sorted(source.glob("*/__init__.py")):
        docstring = ast.get_docstring(ast.parse(package.read_text(encoding="utf-8"))) or ""
        assert docstring, package
        assert len(docstring.splitlines()) == 1, package


def test_files_stay_short_enough_to_be_read(source: Path):
    long = {}
    for path in source.rglob("*.py"):
        count = len(path.read_text(encoding="utf-8").splitlines())
        most = DECLARED_LINES_MAX if path.name in {"models.py", "values.py"} else FILE_LINES_MAX
        if count > most and "migrations" not in path.parts:
            long[path.relative_to(source).as_posix()] = count
    assert long == {}


def test_functions_stay_short_enough_to_be_read(source: Path):
    long = {}
    for path in source.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and node.end_lineno - node.lineno >= FUNCTION_LINES_MAX
            ):
                long[f"{path.relative_to(source).as_posix()}:{node.name}"] = node.end_lineno - node.lineno + 1
    assert long == {}


def test_no_function_imports(source: Path):
    """The lazy command groups load by name; an import statement inside a function dodges a circle."""
    found = []
    for path in source.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                inside = [each for each in ast.walk(node) if isinstance(each, ast.Import | ast.ImportFrom)]
                found += [f"{path.relative_to(source).as_posix()}:{each.lineno}" for each in inside]
    assert found == []
