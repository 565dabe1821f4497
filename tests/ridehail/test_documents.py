"""Files, tests and layers that the documents name exist."""

import re
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
NAMES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
PAGES = [*(PROJECT / name for name in NAMES), *sorted((PROJECT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_an_existing_file(page):
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    files = [link for link in links if not re.match(r"\w+:", link)]
    assert [file for file in files if not (page.parent / file).exists()] == []


def test_every_threat_names_existing_tests():
    security = (PROJECT / "docs" / "security.md").read_text()
    rows = security.partition("## Threats and tests")[2].strip().splitlines()[2:]
    assert len(rows) > 15
    for row in rows:
        tests = re.findall(r"`(tests/[^`]+)`", row)
        assert tests, row
        assert [test for test in tests if not (PROJECT / test).exists()] == []


def test_the_design_shows_the_layers_that_are_checked():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    design = (PROJECT / "docs" / "design.md").read_text()
    table = design.partition("| rooms of `tracking/` | contents |\n|---|---|\n")[2]
    rows = table.partition("\n\n")[0].splitlines()
    shown = [re.findall(r"`(\w+)`", row.split("|")[1]) for row in rows]
    assert shown == [layer.split(" | ") for layer in layers]
