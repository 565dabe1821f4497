"""Log-out and the end of a driver's account, on two workers with sockets open on both."""

from contextlib import AsyncExitStack

import pytest

from .client import Driver, Watcher, read_error

pytestmark = pytest.mark.alone

AT_ONCE = 1.0  # seconds

LOG_IN = """
from importlib import import_module
from django.conf import settings
from accounts.models import User
from accounts.tokens import access_token_for

session = import_module(settings.SESSION_ENGINE).SessionStore()
session.create()
result = [session.session_key, access_token_for(User.objects.get(pk=user_id), session)]
"""
LOG_OUT = """
import time
from importlib import import_module
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest
from accounts.models import User

request = HttpRequest()
request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
request.user = User.objects.get(pk=user_id)
result = time.time()
logout(request)
"""
END = """
import time
from accounts.models import User

user = User.objects.get(pk=user_id)
result = time.time()
if deleted:
    user.delete()
else:
    user.is_active = False
    user.save()
"""


async def test_sockets_of_a_web_session_end_with_it_on_every_worker(cluster_stack):
    stack = cluster_stack
    driver_id = stack.new_driver()
    session_key, token = await stack.host(LOG_IN, user_id=driver_id)
    _, other_token = await stack.host(LOG_IN, user_id=driver_id)
    async with AsyncExitStack() as connections:
        ending = []
        for server in stack.servers:
            driver = Driver(server.websocket_url, driver_id, token)
            watcher = Watcher(server.websocket_url, driver_id, token)
            ending += [await connections.enter_async_context(end) for end in (driver, watcher)]
            await driver.send(1, 2)
            await watcher.start()
            await watcher.frame(0)
        url = stack.servers[1].websocket_url
        staying = await connections.enter_async_context(Driver(url, driver_id, other_token))
        await staying.send(3, 4)
        logged_out_at = await stack.host(LOG_OUT, session_key=session_key, user_id=driver_id)
        for client in ending:
            assert await client.close_code() == 4401
            assert client.closed_at - logged_out_at < AT_ONCE
            assert read_error(client.frames[-1])[0] == "token_invalid"
        await staying.send(5, 6)
        # A client that reconnects with such a token is refused.
        for server in stack.servers:
            async with Driver(server.websocket_url, driver_id, token) as again:
                assert read_error(await again.send(7, 8))[0] == "token_invalid"
                assert await again.close_code() == 4401
    assert stack.stored(driver_id).latitude == 5


@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "deactivated"])
async def test_watchers_of_a_driver_whose_account_ends_are_disconnected(cluster_stack, deleted):
    stack = cluster_stack
    driver_id = stack.new_driver()
    async with AsyncExitStack() as connections:
        driver = await connections.enter_async_context(stack.driver(driver_id))
        await driver.send(1, 2)
        watchers = []
        for server in stack.servers:
            watcher = Watcher(server.websocket_url, driver_id, stack.tokens[22])
            watchers.append(await connections.enter_async_context(watcher))
            await watcher.start()
            await watcher.frame(0)
        ended_at = await stack.host(END, user_id=driver_id, deleted=deleted)
        for client in [driver, *watchers]:
            await client.close_code()
            assert client.closed_at - ended_at < AT_ONCE
        assert [await watcher.close_code() for watcher in watchers] == [4403, 4403]
