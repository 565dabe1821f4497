"""What clients are told when it is the server's own fault."""

from tests import services

from .client import Watcher
from .stack import DRIVER, RIDER
from .tokens import login_token


async def close_code(environment):
    """How a server with this environment ends the connection of a client that is right."""
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


async def test_database_that_cannot_be_asked_who_the_user_is_sends_the_client_away_for_now():
    with services.sqlite() as empty:
        code, log = await close_code(services.environment(empty))
    assert code == 1013
    assert "The database is unavailable" in log
