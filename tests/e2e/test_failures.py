"""Close codes that clients receive for failures of the server."""

from tests import services

from .client import Watcher
from .stack import DRIVER, RIDER
from .tokens import login_token


async def close_code(environment):
    """Return the close code of a valid client's connection to a server with this environment."""
    with services.Uvicorn(environment, "failing") as server:
        async with Watcher(server.websocket_url, DRIVER, login_token(RIDER)) as watcher:
            await watcher.start()
            code = await watcher.close_code()
            assert watcher.frames == []
        return code, server.log()


async def test_mistake_in_the_hosts_code_is_logged_and_ends_the_connection(runserver_stack):
    policy = {"TRACKING_WATCH_POLICY": "tests.e2e.policies.mistaken"}
    code, log = await close_code(runserver_stack.environment | policy)
    assert code == 1011
    assert "ZeroDivisionError" in log


async def test_database_failure_while_authenticating_ends_the_connection_with_try_again_later():
    with services.sqlite() as empty:
        code, log = await close_code(services.environment(empty))
    assert code == 1013
    assert "The database is unavailable" in log
