"""The files of `deploy/`, used as documented."""

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.error import HTTPError

import pytest
from websockets.asyncio.client import connect

from tests import services
from tests.programs import skip_without
from tests.services.program import PROJECT

from .client import DEADLINE, Client, Driver, Watcher, read_error
from .stack import RIDER

DEPLOY = PROJECT / "deploy"
OPERATIONS = (PROJECT / "docs" / "operations.md").read_text()
SECRETS = {"SECRET_KEY": "s" * 50, "JWT_SIGNING_KEY": "j" * 50}


@pytest.fixture(scope="module")
def nginx(cluster):
    skip_without(services.find_nginx)
    with services.Nginx([server.port for server in cluster]) as nginx:
        yield nginx


@pytest.fixture
def servers(cluster):
    """Return the two servers behind nginx; both must run at the start and at the end."""
    yield cluster
    for server in cluster:
        if server._process is None:
            server.start()


def fetch(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as a:
            return a.status
    except HTTPError as error:
        with error:
            return error.code


async def test_driver_and_watchers_meet_through_nginx(nginx, cluster_stack):
    tokens = cluster_stack.tokens
    for _ in range(4):
        number = cluster_stack.new_driver()
        async with (
            Driver(nginx.websocket_url, number, tokens[number]) as phone,
            Watcher(nginx.websocket_url, number, tokens[RIDER]) as watcher,
        ):
            await watcher.start()
            assert (
                await phone.send("1.5", "2.5") == '{"location_lat": "1.5", "location_lon": "2.5"}'
            )
            assert await watcher.frame(0) == phone.frames[0]


@pytest.mark.parametrize("path", ["trip/get-tracking?tripId=7", "nearby/get-tracking"])
async def test_every_socket_passes_nginx(nginx, path):
    async with Client(f"{nginx.websocket_url}/{path}") as client:
        await client.send_message(token="t", command="start", lat=1, lon=2)
        assert read_error(await client.frame(0))[0] == "token_invalid"


async def test_all_connections_for_one_driver_reach_one_server(nginx, cluster, cluster_stack):
    numbers = [cluster_stack.new_driver() for _ in range(20)]
    before = await _settled_connections(cluster)
    async with AsyncExitStack() as opened:
        for number in numbers:
            for route in ("set", "get"):
                url = f"{nginx.websocket_url}/driver/{route}-tracking?userId={number}"
                await opened.enter_async_context(connect(url, proxy=None))
        after = [_connections(server) for server in cluster]
    counts = [more - less for more, less in zip(after, before, strict=True)]
    # Both routes of a driver on the same server, and drivers on both servers.
    assert [count % 2 for count in counts] == [0, 0]
    assert all(counts)
    assert sum(counts) == 40


async def _settled_connections(servers):
    """Return the number of connections of each server, once those of earlier tests have ended."""
    counts: list[int] = []
    async with asyncio.timeout(DEADLINE):
        while counts != (counts := [_connections(s) for s in servers]):  # noqa: ASYNC110
            await asyncio.sleep(0.5)  # The kernel sends no event.
    return counts


def _connections(server):
    """Return the number of connections of a server, on Linux."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    local, established = f"0100007F:{server.port:04X}", "01"
    return sum(line.split()[1:4:2] == [local, established] for line in lines)


async def test_handshake_goes_to_the_next_server_when_one_is_stopped(nginx, servers, cluster_stack):
    numbers = [cluster_stack.new_driver() for _ in range(6)]
    await asyncio.to_thread(servers[0].stop)
    for number in numbers:
        async with Driver(nginx.websocket_url, number, cluster_stack.tokens[number]) as phone:
            assert json.loads(await phone.send("1", "2"))["location_lat"] == "1"


def test_django_is_served_and_operators_paths_are_not(nginx):
    # No page: those need their static files collected.
    assert fetch(f"{nginx.http_url}/api/schema/") == 200
    for path in ("/metrics/", "/health/live/", "/health/ready/"):
        assert fetch(f"{nginx.http_url}{path}") == 404


async def test_access_log_has_the_path_alone(nginx):
    assert await asyncio.to_thread(fetch, f"{nginx.http_url}/api/schema/?next=/secret") == 200
    async with connect(f"{nginx.websocket_url}/driver/get-tracking?userId=77", proxy=None):
        pass
    async with asyncio.timeout(DEADLINE):
        # nginx logs a request after the client has the whole answer.
        expected = {'"GET /api/schema/" 200', '"GET /driver/get-tracking" 101'}
        while not expected <= {*re.findall(r'"GET \S+" \d+', nginx.access_log())}:  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.01)
    log = nginx.access_log()
    assert "secret" not in log
    assert "userId" not in log


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/driver/share/", 301),
        ("PUT", "/driver/19/location/", 403),
        ("POST", "/driver/report/osmand", 403),
        # OwnTracks on iOS discards a message that is answered 4xx.
        ("POST", "/driver/report/owntracks", 503),
        ("POST", "/driver/report/owntracks/", 503),
    ],
)
async def test_no_write_over_plain_http_is_redirected(nginx, method, path, status):
    reader, writer = await asyncio.open_unix_connection(nginx.redirect_socket)
    head = f"{method} {path} HTTP/1.1\r\nHost: ride.example.com\r\nConnection: close\r\n"
    writer.write(f"{head}Content-Length: 2\r\n\r\n{{}}".encode())
    async with asyncio.timeout(DEADLINE):
        answer = await reader.read()
    writer.close()
    assert int(answer.split()[1]) == status
    assert (b"\r\nLocation: https://" in answer) is (status == 301)


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/health/ready", "/health/live/"])
def test_operators_paths_are_hidden_in_either_spelling(nginx, path):
    assert fetch(nginx.http_url + path) == 404


async def test_slow_headers_are_cut_off(nginx):
    reader, writer = await asyncio.open_connection("127.0.0.1", nginx.port)
    writer.write(b"GET /driver/get-tracking?userId=1 HTTP/1.1\r\nHost: ride")
    async with asyncio.timeout(20):
        with pytest.raises(ConnectionResetError):
            await reader.read()
    writer.close()


@pytest.fixture
def installed(tmp_path, postgres_service, redis_service):
    """Return a copy of the project alone, and its variables as `docs/operations.md` names them."""
    project = tmp_path / "srv"
    for folder in ("accounts", "ridehail", "tracking"):
        shutil.copytree(PROJECT / folder, project / folder)
    shutil.copy(PROJECT / "manage.py", project)
    differing = {
        "DEBUG": "False",
        "SECRET_KEY": "a $ecret & #" + "s" * 40,
        "JWT_SIGNING_KEY": "j" * 50,
        "DATABASE_URL": postgres_service.new_database(),
        "REDIS_URL": redis_service.url,
        "ALLOWED_HOSTS": "ride.example.com,127.0.0.1",
        "CSRF_TRUSTED_ORIGINS": "https://ride.example.com",
        "TRUSTED_PROXIES": "127.0.0.1",
        "SECURE_SSL_REDIRECT": "True",
        "TRACKING_METRICS_TOKEN": "t" * 40,
        "TRACKING_WATCH_POLICY": "tracking.permissions.own_location",
    }
    step = re.search(r"in production these differ: (.+?)\n3\.", OPERATIONS, re.DOTALL)[1]
    assert set(re.findall(r"`([A-Z_]{5,})", step)) == set(differing)
    variables = (PROJECT / ".env.example").read_text()
    for name, value in differing.items():
        line = f"{name}='{value}'"
        variables, count = re.subn(
            rf"^{name}=.*$", lambda _, line=line: line, variables, flags=re.MULTILINE
        )
        assert count == 1, name
    (tmp_path / "ridehail.env").write_text(variables)
    return project


def documented_steps(directory):
    """Return the commands of a new release that concern Django, for `directory`/srv."""
    block = re.search(r"```sh\n(cd /srv/ridehail.+?)```", OPERATIONS, re.DOTALL)[1]
    steps = [line for line in block.splitlines() if "manage.py" in line or "set -a" in line]
    assert len(steps) == 4
    text = "\n".join(["set -e", *steps])
    text = text.replace("/etc/ridehail.env", shlex.quote(str(directory / "ridehail.env")))
    return text.replace(".venv/bin/python", shlex.quote(sys.executable))


class Installed(services.Process):
    """The server that the documented steps lead to, with the environment that they set."""

    def __init__(self, directory):
        environment = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}
        super().__init__("installed", environment=environment, directory=directory / "srv")
        self._steps = documented_steps(directory)

    def command(self):
        python = shlex.quote(sys.executable)
        serve = f"exec {python} manage.py serve --host 127.0.0.1 --port {self.port}"
        return ["/bin/sh", "-c", f"{self._steps}\n{serve}"]


def test_documented_steps_lead_to_a_server_with_pages(installed, tmp_path):
    with Installed(tmp_path) as server:
        url = f"http://127.0.0.1:{server.port}/accounts/login/"
        assert fetch(url, **{"X-Forwarded-Proto": "https"}) == 200, server.log()
    assert (installed / "staticfiles" / "staticfiles.json").exists()


@pytest.mark.parametrize(
    ("name", "instance"),
    [
        ("ridehail@.service", "ridehail@3002.service"),
        ("ridehail-deliver.service", "ridehail-deliver.service"),
    ],
)
def test_systemd_takes_the_unit(tmp_path, name, instance):
    text = (DEPLOY / name).read_text()
    # It checks that the program exists, at a path without spaces.
    program = tmp_path / "python"
    program.symlink_to(sys.executable)
    text = re.sub(r"/srv/ridehail/\S+/python", str(program), text)
    unit = tmp_path / instance
    unit.write_text(text)
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    verified = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", unit],
        capture_output=True,
        text=True,
    )
    assert (verified.returncode, verified.stderr) == (0, "")


def test_unit_runs_what_the_document_says():
    unit = (DEPLOY / "ridehail@.service").read_text()
    assert "\n[Service]\n" in unit
    assert "\nEnvironmentFile=/etc/ridehail.env\n" in unit
    (command,) = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    program, script, *arguments = command.split()
    assert program == "/srv/ridehail/.venv/bin/python"
    assert [script, *arguments] == ["manage.py", "serve", "--host", "127.0.0.1", "--port", "%i"]


def test_stop_may_take_as_long_as_a_drain():
    from tracking.conf import DEFAULTS
    from tracking.contrib.uvicorn.server import EXIT_TIMEOUT, STORE_TIMEOUT

    longest = DEFAULTS["DRAIN_SECONDS"] + STORE_TIMEOUT + EXIT_TIMEOUT
    seconds = re.search(r"TimeoutStopSec=(\d+)", (DEPLOY / "ridehail@.service").read_text())[1]
    grace = re.search(r"stop_grace_period: (\d+)s", (DEPLOY / "compose.yaml").read_text())[1]
    assert longest < int(seconds)
    assert longest < int(grace)


def test_image_holds_all_that_serving_takes(tmp_path):
    """Check without Docker: copy the files that the Dockerfile copies into an empty folder."""
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    for source in re.findall(r"^COPY (\w[\w.]*) ", dockerfile, re.MULTILINE):
        origin = PROJECT / source
        if origin.is_dir():
            shutil.copytree(origin, tmp_path / source)
        else:
            shutil.copy(origin, tmp_path)
    environment = services.environment("", DEBUG="False", **SECRETS)
    programs = f"{Path(sys.executable).parent}:{environment['PATH']}"
    # With the secrets that the image's build makes up itself.
    collect = re.search(r"^RUN (SECRET_KEY=(?:.+\\\n)+.+)", dockerfile, re.MULTILINE)[1]
    unset = dict.fromkeys(SECRETS, "")
    for command, changes in (
        (collect, unset),
        ("python manage.py check", {}),
        ("python manage.py serve --help", {}),
    ):
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=tmp_path,
            env={**environment, **changes, "PATH": programs},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "staticfiles").is_dir()


def test_container_receives_sigterm():
    """Require the exec form: with the shell form only the shell receives the signal."""
    command = re.search(r"^CMD (.+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)[1]
    assert json.loads(command)[:3] == ["python", "manage.py", "serve"]
