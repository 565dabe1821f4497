"""Files and tests that the documents name exist."""

import re
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
