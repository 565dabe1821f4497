# The browser that tests share, and the servers' logs in reports.
from tests.e2e.conftest import (  # noqa: F401
    browser,
    pytest_collection_modifyitems,
    pytest_runtest_makereport,
    shared_browser,
)
