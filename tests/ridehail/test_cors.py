"""Requests of pages from other origins."""

import pytest

ORIGIN = "https://app.example.com"
ALLOW = "Access-Control-Allow-Origin"


@pytest.fixture(autouse=True)
def allowed(settings):
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]


def preflight(client, path, origin=ORIGIN):
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return client.options(path, headers=headers).headers


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/token/",
        "/accounts/token",
        "/accounts/token/refresh/",
        "/accounts/token/logout/",
        "/driver/19/location/",
        "/driver/19/locations/",
        "/driver/locations/",
        "/driver/19/location/stream/",
        "/driver/nearby/stream/",
        "/trips/7/stream/",
        "/fleet/stream/",
    ],
)
def test_named_origin_may_use_tokens_and_locations(client, path):
    headers = preflight(client, path)
    assert headers[ALLOW] == ORIGIN
    assert "authorization" in headers["Access-Control-Allow-Headers"]
    assert "if-none-match" in headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/token/session/",
        "/accounts/login/",
        "/driver/grants/",
        "/driver/19/state/",
        "/trips/",
        "/trips/7/assign/",
        "/driver/share/",
        "/admin/",
    ],
)
def test_all_else_stays_closed_to_other_origins(client, db, path):
    assert ALLOW not in preflight(client, path)


def test_other_origins_get_nothing(client, db):
    assert ALLOW not in preflight(client, "/accounts/token/", "https://evil.example")


def test_no_origin_is_allowed_by_default(client, db, settings):
    settings.CORS_ALLOWED_ORIGINS = []
    assert ALLOW not in preflight(client, "/accounts/token/")
