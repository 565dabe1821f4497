"""The benchmark of the history: a run with a small fleet, and its part of the page."""

import subprocess
import sys

import pytest

from benchmarks import report
from benchmarks.history.figures import Figure, expect, milliseconds
from tests.services.program import PROJECT


@pytest.mark.long
def test_a_run_measures_a_small_fleet():
    page = report.PAGE.read_text()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.history", "--quick"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "A hot fix, with its indexes | at most 135 bytes |" in done.stdout
    assert "Erasing 60 days of one driver, 3 of them hot | at most 2 s |" in done.stdout
    assert report.PAGE.read_text() == page


@pytest.fixture
def page(tmp_path, monkeypatch):
    page = tmp_path / "benchmarks.md"
    page.write_text("# Benchmarks\n\nfigures\n\n## Where the time goes\n\nthere\n")
    monkeypatch.setattr(report, "PAGE", page)
    return page


def test_the_part_of_the_page_is_added_and_then_replaced(page):
    report.write_history("| one |\n", "Measured once.")
    once = page.read_text()
    assert once.index("figures") < once.index("| one |") < once.index("## Where the time goes")
    report.write_history("| two |\n", "Measured again.")
    twice = page.read_text()
    assert twice == once.replace("| one |", "| two |").replace("Measured once", "Measured again")


def test_the_part_of_the_page_outlives_the_other_benchmarks(page):
    assert report.kept_history() == ""
    report.write_history("| one |\n", "Measured once.")
    part = report.kept_history()
    assert "| one |" in part
    assert part in page.read_text()


@pytest.mark.parametrize(
    ("values", "row"),
    [
        ([3.0], ["read", "at most 2 ms", "3.0 ms", "**missed**"]),
        ([9.0, 1.0, 2.0], ["read", "at most 2 ms", "2.0 ms (1.0–9.0)", "met"]),
    ],
)
def test_the_median_counts_and_the_extremes_are_shown(values, row):
    assert Figure("read", "ms", values, 2).row() == row


def test_a_result_of_another_size_ends_the_benchmark():
    with pytest.raises(AssertionError, match="3 and not 4"):
        milliseconds([lambda: [1, 2, 3]], lambda found: expect(4, len(found)))
