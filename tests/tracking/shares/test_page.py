"""The page of a share link, its preview, and its tokens."""

import html
import json
import re
import time

import jwt
import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client

from tracking import shares, trips
from tracking.access import share_tokens
from tracking.models import Event, TripShare
from tracking.protocol import TokenExpired, TokenInvalid

pytestmark = pytest.mark.django_db(transaction=True)

# What a link's preview must not say, nor a page of a trip that has ended.
PRIVATE = ["Ama", "Boateng", "Kofi", "Mensah", "Harbour", "Airport", "5.6", "secret reference"]


def page_of(link):
    return Client().get(f"/t/{link.secret}")


def text_of(page, part):
    found = re.search(rf'data-part="{part}">([^<]*)<', page.content.decode())
    return html.unescape(found[1])


def assert_private(response):
    assert response["X-Robots-Tag"] == "noindex, nofollow"
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cache-Control"] == "no-store"
    assert not response.cookies


def test_phase_driver_and_vehicle_are_in_the_html(link, trip):
    trips.set_status(trip, "enroute_to_pickup")
    page = page_of(link)
    assert page.status_code == 200
    assert text_of(page, "status") == "Kofi is on the way to the pickup"
    assert text_of(page, "todo") == "white Prius, GR 123"
    assert_private(page)
    assert '<meta name="robots" content="noindex, nofollow">' in page.content.decode()


def test_page_names_no_rider_and_no_reference(link):
    text = page_of(link).content.decode()
    assert "Kofi" in text
    for private in ("Ama", "Boateng", "Mensah", "secret reference"):
        assert private not in text


def test_widget_gets_its_tokens_by_the_link(link):
    text = page_of(link).content.decode()
    assert f'data-token-url="/t/{link.secret}/token/"' in text
    assert 'data-shared="1"' in text
    assert 'data-log-in-url=""' in text
    assert 'data-csrf-token=""' in text


def test_preview_has_a_picture_and_neither_names_nor_places(link):
    head = page_of(link).content.decode().partition("</head>")[0]
    tags = dict(re.findall(r'<meta property="og:(\w+)" content="([^"]*)">', head))
    assert tags["title"] == "Follow my trip"
    assert tags["description"]
    assert re.fullmatch(r"http://testserver/static/tracking/share-preview.*\.png", tags["image"])
    for private in PRIVATE:
        assert private not in head


def test_fetching_the_page_changes_nothing_and_is_cheap(link, django_assert_max_num_queries):
    before = TripShare.objects.values().get()
    for _ in range(3):
        with django_assert_max_num_queries(2):
            page_of(link)
    assert TripShare.objects.values().get() == before
    assert not Event.objects.filter(type="share.opened").exists()


def revoke(link, trip):
    shares.revoke(link.share)


def complete(link, trip):
    trips.complete(trip)


def expire(link, trip):
    TripShare.objects.update(created_at="2026-01-01T00:00Z", expires_at="2026-01-01T01:00Z")


def deactivate(link, trip):
    get_user_model().objects.filter(pk=link.share.created_by_id).update(is_active=False)


def leave(link, trip):
    trip.riders.clear()


@pytest.mark.parametrize("end", [revoke, complete, expire, deactivate, leave])
def test_link_that_has_ended_says_so(link, trip, end):
    end(link, trip)
    page = page_of(link)
    text = page.content.decode()
    assert page.status_code == 410
    assert "This trip has ended" in text
    assert_private(page)
    for private in PRIVATE:
        assert private not in text
    token = Client().post(f"/t/{link.secret}/token/")
    assert (token.status_code, token.json()["code"]) == (410, "trip_ended")


@pytest.mark.parametrize("secret", ["trs_aaaa", "x", "trs_\u212a", "19"])
def test_unknown_link(secret, db):
    page = Client().get(f"/t/{secret}")
    assert page.status_code == 404
    assert_private(page)
    assert Client().post(f"/t/{secret}/token/").status_code == 404


def test_link_with_capitals_or_a_slash_works(link):
    for path in (f"/t/{link.secret.upper()}", f"/t/{link.secret}/"):
        assert Client().get(path).status_code == 200


@pytest.mark.parametrize("secret", ["", "trs_aaaa"])
def test_language_is_chosen_in_the_address(link, secret):
    path = f"/t/{secret or link.secret}"
    page = Client(headers={"Accept-Language": "de"}).get(f"{path}?language=ar")
    assert '<html lang="ar" dir="rtl"' in page.content.decode()
    assert page["Content-Language"] == "ar"
    assert "English" in page.content.decode()
    for other in ("", "?language=xx", "?language=../x"):
        page = Client(headers={"Accept-Language": "de"}).get(path + other)
        assert '<html lang="de"' in page.content.decode()


def test_too_many_requests_are_refused(link, monkeypatch):
    monkeypatch.setattr(
        "tracking.rest.throttling.SharedTripThrottle.get_rate", lambda throttle: "2/min"
    )
    assert [page_of(link).status_code for _ in range(3)] == [200, 200, 429]
    assert Client().post(f"/t/{link.secret}/token/").status_code == 429


def token_of(link):
    # As a browser that is logged in elsewhere: neither cookies nor a CSRF token matter.
    response = Client(enforce_csrf_checks=True).post(f"/t/{link.secret}/token/")
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    return response.json()["access"]


def test_token_is_short_lived_and_names_the_link_alone(link):
    token = token_of(link)
    payload = jwt.decode(token, options={"verify_signature": False})
    assert payload.keys() == {"share", "iat", "exp"}
    assert payload["exp"] - payload["iat"] == 300
    assert share_tokens.verify(token).share == link.share.pk


def test_token_expires(link, monkeypatch):
    token = token_of(link)
    monkeypatch.setattr(share_tokens.time, "time", lambda now=time.time: now() + 301)
    with pytest.raises(TokenExpired):
        share_tokens.verify(token)


@pytest.mark.parametrize("key", [settings.SECRET_KEY, settings.JWT_SIGNING_KEY])
def test_forged_token_is_refused(link, key):
    claims = {"share": link.share.pk, "iat": 1, "exp": int(time.time()) + 60}
    forged = jwt.encode(claims, key, "HS256", headers={"typ": "trip-share+jwt"})
    assert share_tokens.is_share_token(forged)
    with pytest.raises(TokenInvalid):
        share_tokens.verify(forged)


def test_token_survives_a_new_secret_key(link, settings):
    token = token_of(link)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key of sufficient length, by all means"
    assert share_tokens.verify(token).share == link.share.pk


def test_rest_api_refuses_the_token(link, trip, rider, driver):
    caller = Client(headers={"Authorization": f"Bearer {token_of(link)}"})
    for path in (
        "/trips/",
        f"/trips/{trip.pk}/",
        f"/trips/{trip.pk}/shares/",
        f"/trips/{trip.pk}/track/",
        f"/driver/{driver.pk}/location/",
        f"/driver/{driver.pk}/location/stream/",
        f"/driver/{driver.pk}/track/",
        f"/driver/{driver.pk}/state/",
        f"/driver/{driver.pk}/export/",
        f"/driver/{rider.pk}/export/",
        "/driver/locations/",
        "/driver/search/?q=K",
        "/driver/nearby/?lat=5.6&lon=-0.18",
        "/driver/nearby/stream/?lat=5.6&lon=-0.18",
        "/fleet/stream/",
        "/driver/grants/",
        "/fleet/at/?time=2026-01-01T00:00:00Z",
        "/webhooks/",
    ):
        assert caller.get(path).status_code == 401, path
    for path, body in (
        (f"/trips/{trip.pk}/complete/", {}),
        (f"/trips/{trip.pk}/shares/", {}),
        (f"/driver/{driver.pk}/location/", {"lat": 1, "lon": 1}),
        ("/driver/grants/", {}),
    ):
        response = caller.generic("POST", path, json.dumps(body), "application/json")
        assert response.status_code in (401, 405), path
