"""Real services for the scenarios, and which of them run."""

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
    """Without --faults, the slow scenarios are left to `make faults`."""
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
    """Show, with a failure, what the workers wrote last."""
    made = yield
    for trial in item.stash.get(_trials, []):
        for name, log in trial.logs.items() if made.failed else ():
            made.sections.append((f"log of {name}", log[-4000:]))
    return made


_trials = pytest.StashKey()


class SmallPostgres(services.Postgres):
    """A server that has soon given all its connections away."""

    def command(self):
        return [*super().command(), "-c", "max_connections=40"]


def prepare(postgres):
    """Make the tables and the drivers, and return the drivers' tokens."""
    environment = services.environment(postgres.url)
    services.manage(environment, "migrate", "--no-input")
    people = [{"id": id_, "email": f"{id_}@example.org", "role": "driver"} for id_ in DRIVERS]
    return services.create_users(environment, people)


@pytest.fixture(scope="session")
def own_postgres():
    """A server of our own, whatever the other tests were given: it is going to be killed."""
    with SmallPostgres(services.find_postgres()) as server:
        yield server, prepare(server)


@pytest.fixture
def begin(request, own_postgres):
    """Begin a trial on a database without locations: `async with begin(proxied=True) as trial`."""
    server, tokens = own_postgres
    with psycopg.connect(server.url) as connection:
        connection.execute("TRUNCATE tracking_driverlocation")
    trials = request.node.stash[_trials] = []

    def begin(postgres=server, tokens=tokens, **options):
        trials.append(Trial(postgres, tokens, **options))
        return trials[-1]

    return begin


@pytest.fixture
def record(request):
    """Enter into the table what was measured, or why it could not be."""

    def record(title, row):
        request.config.stash[_rows][title] = row

    return record
