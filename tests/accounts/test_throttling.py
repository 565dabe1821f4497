from ipaddress import ip_network

import pytest
from rest_framework.throttling import SimpleRateThrottle

from accounts.models import User

pytestmark = pytest.mark.django_db

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"
PATHS = ["/accounts/token/", "/accounts/token/refresh/", "/accounts/token/session/"]


@pytest.fixture(autouse=True)
def _rates(monkeypatch):
    """DRF reads the setting once."""
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"log-in": "3/min", "token": "3/min"})


@pytest.fixture
def user(client):
    user = User.objects.create_user(email="jonh@gmail.com", name="Jonh")
    client.force_login(user)
    return user


def post(client, path, address=HOME, **headers):
    return client.post(
        path, {}, content_type="application/json", REMOTE_ADDR=address, headers=headers
    )


@pytest.mark.parametrize("path", PATHS)
def test_request_above_the_rate_is_answered_429_and_when_to_come_back(client, user, path):
    for _ in range(3):
        assert post(client, path).status_code in (200, 400)
    response = post(client, path)
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 60
    assert f"available in {response['Retry-After']} seconds" in response.json()["detail"]


def test_each_address_has_its_own_rate(client):
    for _ in range(4):
        last = post(client, PATHS[0])
    assert last.status_code == 429
    assert post(client, PATHS[0], ELSEWHERE).status_code == 400


def test_addresses_of_one_customer_share_a_rate(client):
    answers = [post(client, PATHS[0], f"2001:db8::{n}").status_code for n in range(4)]
    assert answers == [400, 400, 400, 429]


def test_claimed_address_has_no_rate_of_its_own(client):
    answers = [
        post(client, PATHS[0], **{"X-Forwarded-For": f"192.0.2.{n}"}).status_code for n in range(4)
    ]
    assert answers == [400, 400, 400, 429]


def test_clients_of_a_trusted_proxy_are_told_apart(client, settings):
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.1")]
    for number in range(4):
        answer = post(client, PATHS[0], "10.0.0.1", **{"X-Forwarded-For": f"192.0.2.{number}"})
        assert answer.status_code == 400


def test_users_behind_one_address_have_each_their_rate_for_the_session_token(client, user):
    for _ in range(4):
        last = post(client, PATHS[2])
    assert last.status_code == 429
    client.force_login(User.objects.create_user(email="mary@gmail.com"))
    assert post(client, PATHS[2]).status_code == 200
