"""Paths with and without the last slash: one view for both, and no redirected write."""

import json

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.test import AsyncClient
from django.urls import get_resolver, include, path, resolve, reverse

from tracking import urls as tracking_urls
from tracking.models import DriverLocation
from tracking.models.device import Device
from tracking.routing import http_urlpatterns, websocket_urlpatterns
from tracking.slashes import EitherSlash
from tracking.urls import trips, webhooks

from .sockets import token_for

# The slash of these lists belongs to the host's own include().
ELSEWHERE = {"trip-list", "webhook-list"}
PAGES = {
    "app",
    "app-manifest",
    "app-worker",
    "app-offline",
    "driver-map",
    "driver-replay",
    "share",
    "fleet-map",
    "trip-map",
    "trip-replay",
}
# With their namespaces.
ROUTES = [
    (urls.app_name, route)
    for urls in (tracking_urls, trips, webhooks)
    for route in urls.urlpatterns
    if route.name not in PAGES | ELSEWHERE
]
HERE = {"lat": 1, "lon": 2}

# A host project with only Django's own middleware.
urlpatterns = [
    path("cars/", include("tracking.urls")),
    path("cars/trips/", include("tracking.urls.trips")),
    path("cars/webhooks/", include("tracking.urls.webhooks")),
]


@pytest.fixture
def host(settings):
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
    ]


@pytest.mark.parametrize(("namespace", "route"), ROUTES, ids=lambda each: getattr(each, "name", ""))
def test_every_route_but_the_pages_takes_both_spellings_and_is_reversed_with_the_slash(
    host, namespace, route
):
    assert isinstance(route.pattern, EitherSlash)
    arguments = dict.fromkeys(route.pattern.converters, "7")
    canonical = reverse(f"{namespace}:{route.name}", kwargs=arguments)
    assert canonical.startswith("/cars/")
    assert canonical.endswith("/")
    with_slash, without = resolve(canonical), resolve(canonical[:-1])
    assert with_slash.func is without.func is route.callback
    assert with_slash.kwargs == without.kwargs


def test_sockets_and_operators_take_both_spellings():
    for route in (*websocket_urlpatterns, *http_urlpatterns):
        bare = str(route.pattern).removesuffix("/")
        assert route.pattern.match(bare) == route.pattern.match(f"{bare}/") == ("", (), {})
        assert route.pattern.match(f"{bare}//") is None
        assert route.pattern.match(f"{bare}s") is None


def test_writes_of_every_kind_work_without_the_slash_in_a_host_project(host, client, driver):
    headers = {"Authorization": f"Bearer {token_for(driver)}"}
    token = Device.objects.issue(get_user_model().objects.get(pk=driver), "phone").token
    for method, target, body, status in (
        ("PUT", f"/cars/{driver}/location", HERE, 201),
        ("POST", f"/cars/{driver}/locations", {"fixes": [HERE]}, 204),
        ("POST", f"/cars/report/osmand?id={token}&lat=3&lon=4", None, 200),
        ("GET", f"/cars/report/osmand?id={token}&lat=3&lon=4", None, 200),
        ("GET", f"/cars/{driver}/location", None, 200),
        ("POST", "/cars/grants", {}, 403),
        ("PATCH", "/cars/grants/7", {}, 403),
        ("DELETE", "/cars/grants/7", None, 403),
        ("POST", "/cars/trips/", {}, 403),
        ("POST", "/cars/trips/7/cancel", {}, 404),
        ("PUT", f"/cars/{driver}/state", {"state": "available"}, 200),
    ):
        content = "" if body is None else json.dumps(body)
        response = client.generic(
            method, target, content, content_type="application/json", headers=headers
        )
        assert response.status_code == status, (target, response.content)
    assert DriverLocation.objects.get().latitude == 3


def test_no_route_of_the_project_redirects_a_write(client, transactional_db):
    """This covers every path with a last slash, the admin's pages included."""
    for target in flatten(get_resolver().url_patterns):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            response = client.generic(method, target, "{}", content_type="application/json")
            location = response.headers.get("Location", "")
            assert location.partition("?")[0] != f"{target}/", (method, target)
            assert response.status_code not in (301, 308), (method, target)
            assert response.status_code != 404, (method, target)


def flatten(patterns, prefix="/"):
    """Yield the paths of all routes without converters, without their last slashes."""
    for pattern in patterns:
        target = f"{prefix}{pattern.pattern}"
        if hasattr(pattern, "url_patterns"):
            yield from flatten(pattern.url_patterns, target)
        elif target.endswith("/") and len(target) > 1 and not set(target) & set("<(^"):
            yield target[:-1]


def test_pages_and_the_admin_still_redirect_a_get(client, transactional_db):
    for target in ("/driver/share", "/driver/fleet", "/accounts/login", "/api"):
        response = client.get(target)
        assert (response.status_code, response["Location"]) == (301, f"{target}/")


def test_unknown_path_is_answered_404_in_either_spelling(client, transactional_db):
    for target in ("/driver/nowhere", "/driver/nowhere/", "/nowhere"):
        assert client.post(target).status_code == 404


# HTTPS


@pytest.fixture(params=["WSGI", "ASGI"])
def call(request, client, settings, transactional_db):
    """Return a function that calls over WSGI or ASGI, with plain HTTP redirected to HTTPS."""
    settings.SECURE_SSL_REDIRECT = True
    if request.param == "WSGI":
        return client.generic

    async def call(*args, **kwargs):
        return await AsyncClient().generic(*args, **kwargs)

    return async_to_sync(call)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("target", ["/driver/7/location/", "/driver/7/location", "/nowhere"])
def test_write_over_plain_http_is_refused_with_a_hint_to_https_and_not_redirected(
    call, method, target
):
    response = call(method, target, b"{}", content_type="application/json")
    assert (response.status_code, response["Content-Type"]) == (403, "application/problem+json")
    assert response.json()["code"] == "https_required"
    assert "Location" not in response


def test_owntracks_keeps_what_it_sends_over_plain_http(call):
    for target in ("/driver/report/owntracks/", "/driver/report/owntracks"):
        response = call("POST", target, b"{}", content_type="application/json")
        assert (response.status_code, response.json()["code"]) == (503, "https_required")


def test_look_over_plain_http_is_redirected(call):
    response = call("GET", "/accounts/login/")
    assert (response.status_code, response["Location"]) == (
        301,
        "https://testserver/accounts/login/",
    )


def test_path_that_is_exempt_from_https_is_served(call, settings):
    settings.SECURE_REDIRECT_EXEMPT = [r"^driver/report/"]
    response = call("POST", "/driver/report/osmand/", b"")
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")


def test_write_over_https_is_served(client, settings, driver):
    settings.SECURE_SSL_REDIRECT = True
    response = client.put(
        f"/driver/{driver}/location",
        json.dumps(HERE),
        content_type="application/json",
        headers={"Authorization": f"Bearer {token_for(driver)}"},
        secure=True,
    )
    assert response.status_code == 201
