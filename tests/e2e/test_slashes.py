"""A missing last slash, or an extra one on a socket, does no harm on either stack."""

import json

import pytest

from tests import services

from .client import Client, read_error
from .frames import location
from .http import call
from .stack import RIDER

HERE = {"lat": 1, "lon": 2}


@pytest.mark.parametrize("slash", ["/", ""])
async def test_reports_and_looks_work_in_both_spellings(stack, driver_id, slash):
    port, token = stack.driver_server.port, stack.tokens[driver_id]
    path = f"/driver/{driver_id}/location{slash}"
    assert (await call(port, "PUT", path, token, HERE)).status == 201
    batch = f"/driver/{driver_id}/locations{slash}"
    assert (await call(port, "POST", batch, token, {"fixes": [HERE | {"lat": 3}]})).status == 204
    look = await call(port, "GET", path, stack.tokens[RIDER])
    assert look.json()["location_lat"] == "3"


@pytest.mark.parametrize("slash", ["/", ""])
async def test_other_calls_are_answered_and_not_redirected_in_both_spellings(stack, slash):
    port = stack.driver_server.port
    for method, path, status, code in (
        ("POST", "/driver/report/owntracks", 401, "not_authenticated"),
        ("POST", "/driver/grants", 401, "not_authenticated"),
        ("PATCH", "/driver/grants/7", 401, "not_authenticated"),
        ("DELETE", "/driver/grants/7", 401, "not_authenticated"),
        ("POST", "/driver/grants/7/end", 401, "not_authenticated"),
        ("POST", "/trips", 401, "not_authenticated"),
        ("POST", "/trips/7/assign", 401, "not_authenticated"),
        ("PUT", "/driver/19/state", 401, "not_authenticated"),
        ("GET", "/driver/nearby", 401, "not_authenticated"),
        ("GET", "/driver/locations", 401, "not_authenticated"),
        ("POST", "/trips", 401, "not_authenticated"),
        ("POST", "/trips/7/assign", 401, "not_authenticated"),
        ("PUT", "/driver/19/state", 401, "not_authenticated"),
        ("POST", "/accounts/token/refresh", 401, "token_not_valid"),
    ):
        body = {"refresh": "x.y.z"} if "token" in path else {}
        answer = await call(port, method, path + slash, None, body)
        assert answer.status == status, path
        assert code in answer.body.decode(), path
    login = await call(port, "POST", f"/accounts/token{slash}", None, {})
    assert login.status == 400
    assert (await call(port, "POST", f"/accounts/token/session{slash}", None, {})).status == 403


@pytest.mark.parametrize("slash", ["/", ""])
async def test_operators_are_answered_in_both_spellings(stack, slash):
    for server in stack.servers:
        assert (await call(server.port, "GET", f"/health/ready{slash}")).status == 200
        assert (await call(server.port, "GET", f"/health/live{slash}")).status == 200
        metrics = await call(server.port, "GET", f"/metrics{slash}")
        # The view's own empty answer if no token is set.
        assert (metrics.status, metrics.body) == (404, b"")


@pytest.mark.parametrize("slash", ["/", ""])
async def test_sockets_are_the_same_in_both_spellings(stack, driver_id, slash):
    base = stack.driver_server.websocket_url
    query = f"?userId={driver_id}"
    async with (
        Client(f"{base}/driver/set-tracking{slash}{query}") as driver,
        Client(f"{base}/driver/get-tracking{slash}{query}") as watcher,
        Client(f"{base}/fleet/get-tracking{slash}") as viewer,
    ):
        token = stack.tokens[driver_id]
        await driver.send_message(token=token, command="send", lat=1, lon=2)
        assert await driver.frame(0) == location(1, 2)
        await watcher.send_message(token=stack.tokens[RIDER], command="start")
        assert await watcher.frame(0) == location(1, 2)
        await viewer.send_message(token=stack.tokens[RIDER], command="start")
        assert read_error(await viewer.frame(0))[0] == "forbidden"


async def test_write_over_plain_http_is_refused_and_not_redirected(cluster_stack):
    driver_id = cluster_stack.new_driver()
    environment = {
        **cluster_stack.environment,
        "SECURE_SSL_REDIRECT": "true",
        "TRUSTED_PROXIES": "127.0.0.1",
    }
    path, token = f"/driver/{driver_id}/location", cluster_stack.tokens[driver_id]
    with services.Uvicorn(environment, "https only") as server:
        refused = await call(server.port, "PUT", path, token, HERE)
        assert (refused.status, json.loads(refused.body)["code"]) == (403, "https_required")
        kept = await call(server.port, "POST", "/driver/report/owntracks", None, {})
        assert (kept.status, kept.json()["code"]) == (503, "https_required")
        look = await call(server.port, "GET", "/accounts/login/")
        assert (look.status, look.headers["location"]) == (
            301,
            f"https://127.0.0.1:{server.port}/accounts/login/",
        )
        taken = await call(server.port, "PUT", path, token, HERE, X_Forwarded_Proto="https")
        assert taken.status == 201
