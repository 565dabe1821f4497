"""The page of a trip and its REST resource at one path."""

import pytest
from django.contrib.auth import get_user_model

from tracking import trips

CHROME = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;"
    "q=0.8,application/signed-exchange;v=b3;q=0.7"
)
SAFARI = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

pytestmark = pytest.mark.django_db


@pytest.fixture
def rider():
    return get_user_model().objects.create_user(email="rider@example.org", role="rider")


@pytest.fixture
def trip(rider):
    return trips.create(riders=[rider])


@pytest.mark.parametrize("accept", [CHROME, SAFARI, "text/html", "text/html, application/json"])
@pytest.mark.parametrize("slash", ["/", ""])
def test_browser_that_opens_a_trip_gets_its_page(client, rider, trip, accept, slash):
    client.force_login(rider)
    answer = client.get(f"/trips/{trip.pk}{slash}", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/html")
    assert f'data-trip-id="{trip.pk}"' in answer.content.decode()
    assert "Accept" in answer["Vary"]
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "application/json",
        "application/json, text/plain, */*",
        "application/json, text/html;q=0.9",
        "text/html;q=0, */*",
        "text/*",
    ],
)
def test_api_client_gets_data_at_the_same_path(client, rider, trip, accept):
    client.force_login(rider)
    headers = {} if accept is None else {"Accept": accept}
    answer = client.get(f"/trips/{trip.pk}/", headers=headers)
    assert answer.status_code == 200
    assert answer.json()["id"] == trip.pk
    assert "Accept" in answer["Vary"]


def test_client_with_a_token_gets_data_whatever_it_accepts(client, trip):
    headers = {"Accept": "text/html", "Authorization": "Bearer x"}
    answer = client.get(f"/trips/{trip.pk}/", headers=headers)
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"


def test_log_in_page_leads_back_to_the_trip(client, trip):
    answer = client.get(f"/trips/{trip.pk}/", headers={"Accept": CHROME})
    assert answer.status_code == 302
    assert answer.url == f"/accounts/login/?next=/trips/{trip.pk}/"
    assert "Accept" in answer["Vary"]


@pytest.mark.parametrize("wrong", ["x", "0", "99999999999999999999", "7x"])
def test_page_of_what_is_no_trip_is_not_found(client, rider, wrong):
    client.force_login(rider)
    answer = client.get(f"/trips/{wrong}/", headers={"Accept": CHROME})
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


def test_other_methods_are_the_rest_api_s(client, rider, trip):
    client.force_login(rider)
    answer = client.post(f"/trips/{trip.pk}/", headers={"Accept": CHROME})
    assert answer.status_code == 405
    assert answer["Content-Type"] == "application/problem+json"
