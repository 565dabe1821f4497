"""Docstrings and JavaScript's doc comments state a contract: none begins with a question word or a
pronoun (CONTRIBUTING.md).
"""

import ast
import os
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
FOREIGN = {"node_modules", "vendor", "build", "dist", "staticfiles"}
FORBIDDEN = {"who", "what", "those", "whoever", "whether", "where", "how", "which"}


def source_files():
    """Yield the project's Python, JavaScript and TypeScript files, without hidden folders and those
    of installed packages.
    """
    for folder, subfolders, names in os.walk(PROJECT):
        subfolders[:] = [name for name in subfolders if name[0] != "." and name not in FOREIGN]
        yield from (Path(folder, name) for name in names if name.endswith((".py", ".js", ".ts")))


def docstrings(text):
    """Yield line and text of each docstring of a Python module."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, DOCUMENTED) and (docstring := ast.get_docstring(node)):
            yield node.body[0].lineno, docstring


def doc_comments(text):
    """Yield line and text of each doc comment of a JavaScript or TypeScript module."""
    for comment in re.finditer(r"/\*\*[\s*]+(.*?)\s*\*/", text, re.DOTALL):
        yield text.count("\n", 0, comment.start()) + 1, comment[1]


def faults(documented):
    """Return line and beginning of each text that starts with a forbidden word."""
    return sorted(
        (line, text.splitlines()[0])
        for line, text in documented
        if text and text.split()[0].strip(",.:;?!").lower() in FORBIDDEN
    )


@pytest.mark.parametrize("first_word", ["Who", "what", "Whether,", "How", "Which:"])
def test_forbidden_first_word_is_found_with_its_line(first_word):
    text = f'import ast\n\n\nasync def look():\n    """{first_word} may look."""\n'
    assert faults(docstrings(text)) == [(5, f"{first_word} may look.")]


@pytest.mark.parametrize("docstring", ["Return what was sent.", "However late.", "Whatsoever."])
def test_other_docstrings_are_not_reported(docstring):
    text = f'def look():\n    """{docstring}"""\n'
    assert faults(docstrings(text)) == []


def test_other_strings_are_not_reported():
    text = 'def look():\n    return """What it is."""\n'
    assert faults(docstrings(text)) == []


@pytest.mark.parametrize("comment", ["/** What it is. */", "/**\n   * What it is.\n   */"])
def test_forbidden_first_word_of_a_doc_comment_is_found_with_its_line(comment):
    text = f"class Car {{\n  {comment}\n  at = null;\n}}\n"
    assert faults(doc_comments(text)) == [(2, "What it is.")]


@pytest.mark.parametrize(
    "comment",
    ["/** Its place: what is shown. */", "/** @type {What} */", "// What it is.", "/***/"],
)
def test_other_comments_are_not_reported(comment):
    assert faults(doc_comments(f"{comment}\nlet x;\n")) == []


def test_no_docstring_begins_with_a_forbidden_word():
    files = sorted(source_files())
    assert Path(__file__) in files
    assert PROJECT / "tests" / "js" / "fakes.js" in files
    found = []
    for path in files:
        documented = docstrings if path.suffix == ".py" else doc_comments
        found += [
            f"{path.relative_to(PROJECT)}:{line}: {beginning}"
            for line, beginning in faults(documented(path.read_text()))
        ]
    assert not found, "\n".join(found)
