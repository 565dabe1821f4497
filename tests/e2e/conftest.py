"""Real servers on real services, started once for all tests that ask for them."""

import pytest
from playwright.async_api import async_playwright

from tests import services


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Show, with a failure, what the servers that the test used wrote last."""
    report = yield
    if report.failed:
        for value in item.funcargs.values():
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
        environment = services.environment(database_url)
        services.manage(environment, "migrate", "--no-input")
        with services.Runserver(environment) as server:
            yield server


@pytest.fixture(scope="session")
def cluster(postgres_service, redis_service):
    """As production runs it: two uvicorn workers that share PostgreSQL and Redis."""
    environment = services.environment(postgres_service.url, redis_service.url)
    with services.cluster(environment, workers=2) as workers:
        yield workers


@pytest.fixture
async def browser_page():
    """A new page of a headless browser, for Playwright's async API.

    The sync API keeps an event loop running in the test's thread, which no async client could
    then use.
    """
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            **services.launch_options(services.find_browser())
        )
        yield await browser.new_page()
        await browser.close()
