"""Real servers on real services, started once for all tests that use them."""

import pytest
import pytest_asyncio
from pytest_asyncio import is_async_test

from tests import services

from . import neighbours, stubborn
from .phone_queues import issue
from .shared_browser import SharedBrowser
from .stack import Stack, create_people
from .visits import Visits

# For tests that find in the production set-up all but the rarest faults.
DEVELOPMENT_IS_LONG = [pytest.param("runserver", marks=pytest.mark.long), "cluster"]

# Most tests send fast. The tests of the limits have servers of their own.
UNLIMITED = {"TRACKING_MAX_FIXES_PER_SECOND": "0", "TRACKING_MAX_CONNECTIONS_PER_USER": "0"}

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Add the last log lines of the test's servers to the report of a failure."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
        for value in item.funcargs.values():
            value = value.servers if isinstance(value, Stack) else value
            for server in value if isinstance(value, list) else [value]:
                if isinstance(server, services.Process):
                    report.sections.append((f"log of {server.name}", server.log()[-4000:]))
    return report


@pytest.fixture(scope="session")
def postgres_service():
    with services.postgres_service() as postgres:
        yield postgres


@pytest.fixture(scope="session")
def redis_service():
    with services.redis_service() as redis:
        yield redis


@pytest.fixture(scope="session")
def runserver():
    """Run the development set-up: `manage.py runserver`, SQLite, the in-memory channel layer."""
    with services.sqlite() as database_url:
        environment = services.environment(database_url, **UNLIMITED)
        services.migrate(environment)
        with services.Runserver(environment) as server:
            yield server


@pytest.fixture(scope="session")
def cluster(postgres_service, redis_service):
    """Run the production set-up: two uvicorn workers that share PostgreSQL and Redis."""
    environment = services.environment(postgres_service.url, redis_service.url, **UNLIMITED)
    with services.cluster(environment, workers=2) as workers:
        yield workers


@pytest.fixture(scope="session")
def runserver_stack(runserver):
    return Stack([runserver], create_people(runserver.environment))


@pytest.fixture(scope="session")
def cluster_stack(cluster):
    stack = Stack(cluster, create_people(cluster[0].environment))
    yield stack
    assert_discreet(stack)


@pytest.fixture(scope="session")
def granted_redis():
    """Start a Redis that tests may kill."""
    with services.Redis(services.find_redis()) as redis:
        yield redis


@pytest.fixture(scope="session")
def granted_stack(postgres_service, granted_redis):
    """Start two workers that require a grant for watching, without a limit of messages."""
    environment = services.environment(
        postgres_service.new_database(),
        granted_redis.url,
        TRACKING_WATCH_POLICY="tracking.permissions.granted",
        **UNLIMITED,
    )
    with services.cluster(environment) as workers:
        stack = Stack(workers, create_people(environment))
        yield stack
        assert_discreet(stack)


def assert_discreet(stack):
    """Assert that a server's log has no token and no location of a driver in it."""
    log = stack.log()
    # Every token begins like this: "{\"" in base64, the beginning of a JSON object.
    assert "eyJ" not in log
    # Nor was there a secret that the log's own filter had to hide.
    assert "[hidden]" not in log, log[log.index("[hidden]") - 500 :][:600]
    for client in (stubborn, neighbours):
        assert client.LATITUDE not in log
        assert client.LONGITUDE not in log


@pytest.fixture(scope="session", params=["runserver", "cluster"])
def stack(request):
    """Return each of the two stacks in turn, with users."""
    return request.getfixturevalue(f"{request.param}_stack")


class Strict:
    """Runs a server's command by `tests.e2e.strict` in place of `manage.py`."""

    def command(self):
        python, _, *arguments = super().command()
        return [python, "-m", "tests.e2e.strict", *arguments]


class StrictRunserver(Strict, services.Runserver):
    pass


class StrictUvicorn(Strict, services.Uvicorn):
    pass


@pytest.fixture(scope="session")
def strict(stack):
    """Start one server on the stack's database, with short timeouts, where users may watch only
    themselves.
    """
    environment = {
        **stack.environment,
        "TRACKING_AUTHENTICATION_TIMEOUT": "1",
        "TRACKING_SEND_TIMEOUT": "1",
        "TRACKING_WATCH_POLICY": "tracking.permissions.own_location",
    }
    development = isinstance(stack.driver_server, services.Runserver)
    with (StrictRunserver if development else StrictUvicorn)(environment, "strict") as server:
        yield Stack([server], stack.tokens)


@pytest.fixture
def driver_id(stack):
    """Return the id of a driver of the test's own, without a location."""
    return stack.new_driver()


@pytest.fixture(scope="module")
def phones(stack):
    """Return drivers of the module's own, each with the token of a phone."""
    drivers = [stack.new_driver() for _ in range(60)]
    return iter([*zip(drivers, issue(stack, *drivers), strict=True)])


@pytest.fixture
def phone(phones):
    """Return the id of a driver of the test's own, and the token of the driver's phone."""
    return next(phones)


def pytest_collection_modifyitems(items):
    """Run tests with a browser in one event loop: they share the browser, which belongs to it."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()) and is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_browser():
    shared = SharedBrowser()
    yield shared
    await shared.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def browser(shared_browser, request):
    """Yield a new context. It, and all that the test makes of its `browser`, is closed then."""
    browser = await shared_browser.lend()
    try:
        yield await browser.new_context()
    finally:
        await shared_browser.take_back(failed=request.node.stash.get(FAILED, False))


@pytest_asyncio.fixture(loop_scope="session")
async def visit(host, browser):
    """Return a function that opens a page of the module's `host` as a user.

    At the end, no page may have had an error.
    """
    visits = Visits(browser.browser, host.http_url, getattr(host, "sessions", None))
    yield visits
    visits.check()


@pytest_asyncio.fixture(loop_scope="session")
async def browser_page(browser):
    return await browser.new_page()
