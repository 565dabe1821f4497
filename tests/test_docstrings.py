"""Docstrings state a contract: none begins with a question word or a pronoun (CONTRIBUTING.md)."""

import ast
import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
FOREIGN = {"node_modules", "build", "dist", "staticfiles"}
FORBIDDEN = {"who", "what", "those", "whoever", "whether", "where", "how", "which"}


def python_files():
    """Yield the project's Python files, without hidden folders and those of installed packages."""
    for folder, subfolders, names in os.walk(PROJECT):
        subfolders[:] = [name for name in subfolders if name[0] != "." and name not in FOREIGN]
        yield from (Path(folder, name) for name in names if name.endswith(".py"))


def faults(text):
    """Return line and beginning of each docstring that starts with a forbidden word."""
    found = []
    for node in ast.walk(ast.parse(text)):
        docstring = ast.get_docstring(node) if isinstance(node, DOCUMENTED) else None
        if docstring and docstring.split()[0].strip(",.:;?!").lower() in FORBIDDEN:
            found.append((node.body[0].lineno, docstring.splitlines()[0]))
    return sorted(found)


@pytest.mark.parametrize("first_word", ["Who", "what", "Whether,", "How", "Which:"])
def test_forbidden_first_word_is_found_with_its_line(first_word):
    text = f'import ast\n\n\nasync def look():\n    """{first_word} may look."""\n'
    assert faults(text) == [(5, f"{first_word} may look.")]


@pytest.mark.parametrize("docstring", ["Return what was sent.", "However late.", "Whatsoever."])
def test_other_docstrings_are_not_reported(docstring):
    assert faults(f'class Look:\n    """{docstring}"""\n\n    x = """What it is."""\n') == []


def test_no_docstring_begins_with_a_forbidden_word():
    files = sorted(python_files())
    assert Path(__file__) in files
    found = [
        f"{path.relative_to(PROJECT)}:{line}: {beginning}"
        for path in files
        for line, beginning in faults(path.read_text())
    ]
    assert not found, "\n".join(found)
