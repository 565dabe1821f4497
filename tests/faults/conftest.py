"""Real services for the scenarios, and the selection of scenarios."""

import psycopg
import pytest

from tests import services

from . import report
from .trial import Trial

DRIVERS = range(1, 21)

_rows = pytest.StashKey()
_left_out = pytest.StashKey()


def pytest_configure(config):
    config.stash[_rows] = {}
    config.stash[_left_out] = 0


def pytest_collection_modifyitems(config, items):
    """Leave the slow scenarios to `make faults`, unless --faults is given."""
    slow = [item for item in items if item.get_closest_marker("slow_fault")]
    if slow and not config.getoption("--faults"):
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]
        config.stash[_left_out] = len(slow)


def pytest_terminal_summary(terminalreporter, config):
    if count := config.stash[_left_out]:
        terminalreporter.write_line(
            f"{count} slow fault scenarios were deselected: `make faults` runs them."
        )


def pytest_sessionfinish(session, exitstatus):
    config = session.config
    if config.getoption("--faults") and exitstatus == pytest.ExitCode.OK:
        chosen = config.option.keyword or config.option.markexpr or config.args != ["tests/faults"]
        report.write(config.stash[_rows], complete=not chosen)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Add the last log lines of the workers to the report of a failure."""
    made = yield
    for trial in item.stash.get(_trials, []):
        for name, log in trial.logs.items() if made.failed else ():
            made.sections.append((f"log of {name}", log[-4000:]))
    return made


_trials = pytest.StashKey()


class SmallPostgres(services.Postgres):
    """A PostgreSQL with few connections."""

    def command(self):
        return [*super().command(), "-c", "max_connections=40"]


def prepare(postgres):
    """Create the tables and the drivers, and return the drivers' tokens."""
    environment = services.environment(postgres.url)
    services.manage(environment, "migrate", "--no-input")
    people = [{"id": id_, "email": f"{id_}@example.org", "role": "driver"} for id_ in DRIVERS]
    return services.create_users(environment, people)


@pytest.fixture(scope="session")
def own_postgres():
    """Start a server of our own, as it is going to be killed, even if TEST_DATABASE_URL is set."""
    with SmallPostgres(services.find_postgres()) as server:
        yield server, prepare(server)


@pytest.fixture
def begin(request, own_postgres):
    """Return a function that begins a trial on a database without locations and history.

    Use it as `async with begin(proxied=True) as trial`.
    """
    server, tokens = own_postgres
    with psycopg.connect(server.url) as connection:
        connection.execute("TRUNCATE tracking_driverlocation, tracking_historyfix")
    trials = request.node.stash[_trials] = []

    def begin(postgres=server, tokens=tokens, **options):
        trials.append(Trial(postgres, tokens, **options))
        return trials[-1]

    return begin


@pytest.fixture
def record(request):
    """Return a function that adds a row to the table: figures, or why there are none."""

    def record(title, row):
        request.config.stash[_rows][title] = row

    return record
