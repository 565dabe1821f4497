"""docs/integration.md on servers other than `tracking_serve`: its command, and its application."""

import json
import re
import shlex
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests import services
from tests.services.program import PROJECT
from tests.services.server import Server

from .client import DEADLINE
from .stack import person

DOCUMENT = (PROJECT / "docs" / "integration.md").read_text()
SECTION = DOCUMENT.partition("### Another server")[2].partition("\n### ")[0]
DRIVER = 1
METRICS_TOKEN = "m" * 40


def block(language):
    return re.search(rf"^```{language}\n(.+?)^```", SECTION, re.MULTILINE | re.DOTALL)[1]


class Uvicorn(Server):
    """uvicorn with the arguments of a command line."""

    def __init__(self, environment, *arguments):
        super().__init__("uvicorn", environment)
        self.arguments = arguments

    def command(self):
        uvicorn = Path(sys.executable).with_name("uvicorn")
        return [uvicorn, *self.arguments, "--port", str(self.port)]


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """Prepare a database with a driver in it, and the document's `asgi.py`."""
    folder = tmp_path_factory.mktemp("host")
    (folder / "documented.py").write_text(block("python").replace("yourproject", "ridehail"))
    with services.sqlite() as url:
        environment = services.environment(
            url,
            PYTHONPATH=f"{folder}:{PROJECT}",
            DJANGO_SETTINGS_MODULE="tests.e2e.plain_host",
            TRACKING_METRICS_TOKEN=METRICS_TOKEN,
        )
        services.migrate(environment)
        tokens = services.create_users(environment, [person(DRIVER, "driver")])
        yield environment, tokens[DRIVER]


async def report(server, token):
    payload = {"token": token, "command": "send", "lat": "1.5", "lon": "2.5"}
    async with connect(
        f"{server.websocket_url}/driver/set-tracking?userId={DRIVER}",
        proxy=None,
        open_timeout=DEADLINE,
    ) as socket:
        await socket.send(json.dumps({"type": "authenticate", "payload": payload}))
        return json.loads(await socket.recv())


def ask(server, path, body=None):
    """Return the status, and the text of the answer."""
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    request = urllib.request.Request(server.http_url + path, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


STORED = {"location_lat": "1.5", "location_lon": "2.5"}


async def test_documents_command_serves_with_health_metrics_and_limits(host):
    environment, token = host
    setting, uvicorn, *arguments = shlex.split(block("sh").replace("\\\n", " "))
    assert (setting, uvicorn) == ("DJANGO_SETTINGS_MODULE=yourproject.settings", "uvicorn")
    with Uvicorn(environment, *arguments) as server:
        assert await report(server, token) == STORED
        assert ask(server, "/health/ready/")[0] == 200
        assert "tracking_fixes_stored_total 1.0" in ask(server, "/metrics/")[1]
        assert ask(server, "/health/live/?token=secret")[0] == 200
        assert ask(server, "/accounts/token/", b"x" * (256 * 1024 + 1))[0] == 413
    log = server.log()
    assert "secret" not in log
    assert "Traceback" not in log


async def test_documents_application_has_health_and_metrics_on_any_server(host):
    environment, token = host
    with Uvicorn(environment, "documented:application") as server:
        assert await report(server, token) == STORED
        assert ask(server, "/health/ready/")[0] == 200
        assert "tracking_fixes_stored_total 1.0" in ask(server, "/metrics/")[1]
        assert ask(server, "/driver/share/")[0] == 200  # Django's log-in page
