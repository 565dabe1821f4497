"""Real servers on real services, started once for all tests that ask for them."""

import pytest
from playwright.async_api import async_playwright

from tests import services

from . import neighbours, stubborn
from .phone_queues import issue
from .stack import Stack, create_people

# Most tests are in a hurry. Those of the limits have servers of their own.
UNLIMITED = {"TRACKING_MAX_FIXES_PER_SECOND": "0", "TRACKING_MAX_CONNECTIONS_PER_USER": "0"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Show, with a failure, what the servers that the test used wrote last."""
    report = yield
    if report.failed:
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
    """As a developer runs it: `manage.py runserver`, SQLite, the in-memory channel layer."""
    with services.sqlite() as database_url:
        environment = services.environment(database_url, **UNLIMITED)
        services.manage(environment, "migrate", "--no-input")
        with services.Runserver(environment) as server:
            yield server


@pytest.fixture(scope="session")
def cluster(postgres_service, redis_service):
    """As production runs it: two uvicorn workers that share PostgreSQL and Redis."""
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
    """One that may be killed."""
    with services.Redis(services.find_redis()) as redis:
        yield redis


@pytest.fixture(scope="session")
def granted_stack(postgres_service, granted_redis):
    """Two workers where watching takes a grant, and where drivers send as often as they like."""
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
    """After all its tests, a server's log has no token in it and no location of a driver."""
    log = stack.log()
    # Every token begins like this: it is the beginning of a JSON object in base64.
    assert "eyJ" not in log
    # Nor was there anything that the log itself had to hide.
    assert "[hidden]" not in log, log[log.index("[hidden]") - 500 :][:600]
    for client in (stubborn, neighbours):
        assert client.LATITUDE not in log
        assert client.LONGITUDE not in log


@pytest.fixture(scope="session", params=["runserver", "cluster"])
def stack(request):
    """Each of the two, users included."""
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
    """The stack once more, on one server that soon loses its patience, and where all may watch
    only themselves.
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
    """A driver of the test's own, who has no location yet."""
    return stack.new_driver()


@pytest.fixture(scope="module")
def phones(stack):
    """Drivers of the module's own, each with the token of a phone."""
    drivers = [stack.new_driver() for _ in range(60)]
    return iter([*zip(drivers, issue(stack, *drivers), strict=True)])


@pytest.fixture
def phone(phones):
    """A driver of the test's own, and the token of the driver's phone."""
    return next(phones)


@pytest.fixture
async def browser():
    """A headless browser's new context, for Playwright's async API.

    The sync API keeps an event loop running in the test's thread, which no async client could
    then use.
    """
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            **services.launch_options(services.find_browser())
        )
        yield await browser.new_context()
        await browser.close()


@pytest.fixture
async def browser_page(browser):
    return await browser.new_page()
