import pytest
import pytest_asyncio

# The browser that tests share, and the servers' logs in reports.
from tests.e2e.conftest import (  # noqa: F401
    browser,
    pytest_collection_modifyitems,
    pytest_runtest_makereport,
    shared_browser,
)

from . import stage as stages


@pytest.fixture(scope="module")
def host():
    with stages.server("tests.screens.settings") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def stage(host, browser):  # noqa: F811
    made = stages.Stage(host, browser.browser)
    yield made
    await made.close()
