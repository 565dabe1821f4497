"""Hosts whose users log in with DRF's tokens or Django's sessions: both open sockets and REST, and
the end of a log-in ends open sockets, too.
"""

import json
import re
from urllib.parse import urlencode

import pytest

from tests import services

from .client import Driver, Watcher, read_error
from .http import call, exchange

PASSWORD = "correct horse"
DORA = 1
HERE = '{"location_lat": "1", "location_lon": "2"}'
HOSTS = {
    "tokens": {"AUTHENTICATION": "tracking.access.drf_tokens.DRFTokens"},
    "sessions": {"TOKEN_URL": "tracking:token"},
}


@pytest.fixture
def host(request):
    with services.sqlite() as url:
        environment = services.environment(
            url,
            DJANGO_SETTINGS_MODULE="tests.e2e.small_host.settings",
            HOST_TRACKING=json.dumps(HOSTS[request.param]),
        )
        services.migrate(environment)
        services.manage(environment, "check")
        code = (
            "from django.contrib.auth.models import User\n"
            f"User.objects.create_user('dora', password='{PASSWORD}', pk={DORA})"
        )
        services.manage(environment, "shell", "--no-imports", "-c", code)
        with services.PlainUvicorn(environment, "tests.e2e.plain_host_asgi:application") as server:
            yield server
        assert "Traceback" not in server.log()


@pytest.mark.parametrize("host", ["tokens"], indirect=True)
async def test_drf_token_opens_sockets_and_rest_until_it_is_deleted(host):
    log_in = {"username": "dora", "password": PASSWORD}
    token = (await call(host.port, "POST", "/api/log-in/", body=log_in)).json()["token"]
    location = f"/cars/{DORA}/location/"
    async with (
        Driver(host.websocket_url, DORA, token) as driver,
        Watcher(host.websocket_url, DORA, token) as watcher,
    ):
        assert await driver.send(1, 2) == HERE
        await watcher.start()
        assert await watcher.frame(0) == HERE
        for scheme in ("Token", "Bearer"):
            authorization = f"{scheme} {token}"
            look = await call(host.port, "GET", location, Authorization=authorization)
            assert (look.status, look.json()["location_lat"]) == (200, "1")
            trips = await call(host.port, "GET", "/rides/", Authorization=authorization)
            assert (trips.status, trips.json()["results"]) == (200, [])

        authorization = f"Token {token}"
        ended = await call(host.port, "POST", "/api/log-out/", Authorization=authorization)
        assert ended.status == 204
        for client in (driver, watcher):
            assert await client.close_code() == 4401
            assert read_error(client.frames[-1])[0] == "token_invalid"
    for bad in (token, "0" * 40, "dora", "authtoken:dora", "\u0661" * 40, "x" * 5_000):
        async with Driver(host.websocket_url, DORA, bad) as again:
            assert read_error(await again.send(3, 4))[0] == "token_invalid"
    look = await call(host.port, "GET", location, Authorization=f"Token {token}")
    assert (look.status, look.json()["code"]) == (401, "token_invalid")


@pytest.mark.parametrize("host", ["sessions"], indirect=True)
async def test_page_of_a_session_gets_a_token_that_ends_with_the_log_out(host):
    cookies = {"csrftoken": "t" * 32}

    async def post(path, token="t" * 32, **fields):
        return await form(host.port, path, cookies, token, fields)

    assert (await post("/cars/token/")).status == 403
    answer = await post("/log-in/", username="dora", password=PASSWORD)
    assert answer.status == 302
    cookies |= dict(re.findall(r"(\w+)=(\w+)", answer.headers["set-cookie"])[:1])
    page = await call(host.port, "GET", "/cars/share/", Cookie=cookie_header(cookies))
    assert b'data-token-url="/cars/token/"' in page.body
    forged = await post("/cars/token/", token="")
    assert (forged.status, forged.json()["code"]) == (403, "permission_denied")
    given = await call(
        host.port, "POST", "/cars/token/", Cookie=cookie_header(cookies), X_CSRFToken="t" * 32
    )
    assert (given.status, given.headers["cache-control"]) == (200, "no-store")
    token = given.json()["access"]
    async with Driver(host.websocket_url, DORA, token) as driver:
        assert await driver.send(1, 2) == HERE
        assert (await post("/log-out/")).status == 302
        assert await driver.close_code() == 4401
    look = await call(host.port, "GET", f"/cars/{DORA}/location/", token)
    assert (look.status, look.json()["code"]) == (401, "token_invalid")


def cookie_header(cookies):
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


async def form(port, path, cookies, token, fields):
    """Post a form like a page."""
    body = urlencode(fields)
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Connection: close",
        f"Content-Length: {len(body)}",
        *(["Content-Type: application/x-www-form-urlencoded"] if fields else []),
        f"Cookie: {cookie_header(cookies)}",
        f"X-CSRFToken: {token}",
    ]
    return await exchange(port, "\r\n".join([*lines, "", body]).encode())
