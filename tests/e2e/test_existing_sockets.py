"""docs/integration.md on projects that have WebSockets already: each claim over a real socket."""

import json
import re

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests import services
from tests.services.program import PROJECT

from .client import DEADLINE
from .stack import person

DOCUMENT = (PROJECT / "docs" / "integration.md").read_text()
HERE = "tests.e2e.existing_sockets"
DRIVER = 1
HOST_PAGE = "http://localhost"


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """Prepare a database with a driver in it, and the document's `asgi.py` beside its `chat`."""
    section = DOCUMENT.partition("### WebSockets")[2]
    asgi = re.search(r"^```python\n(.+?)^```", section, re.MULTILINE | re.DOTALL)[1]
    folder = tmp_path_factory.mktemp("host")
    (folder / "chat").mkdir()
    (folder / "chat" / "routing.py").write_text(f"from {HERE} import websocket_urlpatterns\n")
    (folder / "documented.py").write_text(asgi.replace("yourproject", "ridehail"))
    with services.sqlite() as url:
        environment = services.environment(url, PYTHONPATH=f"{folder}:{PROJECT}")
        services.migrate(environment)
        tokens = services.create_users(environment, [person(DRIVER, "driver")])
        yield environment, tokens[DRIVER]


async def chat(server, origin=HOST_PAGE):
    async with connect(
        f"{server.websocket_url}/chat/7/", origin=origin, proxy=None, open_timeout=DEADLINE
    ) as socket:
        await socket.send("hello")
        return await socket.recv()


async def report(server, token, prefix="", origin=None):
    """Report a location as a native app does, which sends no Origin, or as a page."""
    payload = {"token": token, "command": "send", "lat": "1.5", "lon": "2.5"}
    async with connect(
        f"{server.websocket_url}{prefix}/driver/set-tracking?userId={DRIVER}",
        origin=origin,
        proxy=None,
        open_timeout=DEADLINE,
    ) as socket:
        await socket.send(json.dumps({"type": "authenticate", "payload": payload}))
        return await socket.recv()


STORED = '{"location_lat": "1.5", "location_lon": "2.5"}'


async def test_document_keeps_the_hosts_sockets_and_takes_native_apps(host):
    environment, token = host
    with services.PlainUvicorn(environment, "documented:application") as server:
        assert json.loads(await report(server, token)) == json.loads(STORED)
        assert await chat(server) == "AnonymousUser: hello"
        # The host's sockets are still wrapped as before.
        with pytest.raises(InvalidStatus, match="403"):
            await chat(server, origin="https://elsewhere.example.com")


async def test_origin_check_around_our_sockets_refuses_native_apps(host):
    environment, token = host
    with services.PlainUvicorn(environment, f"{HERE}:inside") as server:
        with pytest.raises(InvalidStatus) as refusal:
            await report(server, token)
        assert refusal.value.response.status_code == 403
        assert json.loads(await report(server, token, origin=HOST_PAGE)) == json.loads(STORED)


async def test_empty_path_beside_our_sockets_breaks_the_hosts(host):
    environment, token = host
    with services.PlainUvicorn(environment, f"{HERE}:beside_an_empty_path") as server:
        assert json.loads(await report(server, token)) == json.loads(STORED)
        with pytest.raises(InvalidStatus) as refusal:
            await chat(server)
        assert refusal.value.response.status_code == 500


async def test_prefix_before_our_sockets_leaves_the_hosts_alone(host):
    environment, token = host
    with services.PlainUvicorn(environment, f"{HERE}:below_a_prefix") as server:
        assert json.loads(await report(server, token, prefix="/live")) == json.loads(STORED)
        assert await chat(server) == "AnonymousUser: hello"
