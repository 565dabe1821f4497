"""A real, headless Chromium or a browser based on it: the system's, Playwright's, or our copy."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import carried_chromium, program
from .program import Program, Source

PATH_VARIABLE = "CHROMIUM_PATH"


def given() -> Program | None:
    path = os.environ.get(PATH_VARIABLE)
    return Program(Path(path), PATH_VARIABLE) if path else None


def on_system() -> Program | None:
    return program.on_path(
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
        "microsoft-edge",
    )


def in_playwright() -> Program | None:
    """Return the browser that `playwright install chromium` has downloaded."""
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache/ms-playwright")
    for path in sorted(cache.glob("chromium-*/chrome-linux*/chrome"), reverse=True):
        return Program(path, "Playwright")
    return None


SOURCES: tuple[Source, ...] = (given, on_system, in_playwright, carried_chromium.installed)


def find_browser(sources: Iterable[Source] = SOURCES) -> Program:
    return program.find(
        sources,
        otherwise="There is no browser to test with. Get one with `python -m tests.services`, or "
        "install Chromium or Chrome (Debian: `apt-get install chromium`), or name one in "
        f"{PATH_VARIABLE}=/path/to/chromium.",
    )


def launch_options(browser: Program) -> dict[str, Any]:
    """Return keyword arguments for Playwright's `chromium.launch`, of its sync or async API.

    Playwright starts it without the sandbox, which is not available to root or in a container; the
    pages are our own.
    """
    return {
        "executable_path": browser.path,
        # Without a region: speeds are in km/h wherever the tests run.
        "env": {**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **browser.environment},
        "args": [
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            # Without these it connects to its vendor's hosts at every start.
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
    }
