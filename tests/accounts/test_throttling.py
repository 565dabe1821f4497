from ipaddress import ip_network

import pytest
from rest_framework.throttling import SimpleRateThrottle

from accounts.models import User

pytestmark = pytest.mark.django_db

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"
PATHS = ["/accounts/token/", "/accounts/token/refresh/", "/accounts/token/session/"]


@pytest.fixture(autouse=True)
def _rates(monkeypatch):
    """Lower the rates in the throttle class, as DRF reads the setting only once."""
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
def test_request_above_the_rate_is_answered_429_with_retry_after(client, user, path):
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


@pytest.mark.parametrize(
    ("inside", "outside"),
    [("192.0.2.{}", ELSEWHERE), ("2001:db8:7:{:x}::1", "2001:db8:8::1")],
    ids=["IPv4", "IPv6"],
)
@pytest.mark.parametrize("path", PATHS[:2])
def test_addresses_of_one_network_share_five_times_the_rate(client, path, inside, outside):
    answers = [post(client, path, inside.format(number)).status_code for number in range(16)]
    assert answers == [400] * 15 + [429]
    assert post(client, path, outside).status_code == 400


def test_users_of_one_network_share_no_rate_for_the_session_token(client):
    for number in range(16):
        client.force_login(User.objects.create_user(email=f"user{number}@gmail.com"))
        assert post(client, PATHS[2], f"192.0.2.{number}").status_code == 200


def test_forged_address_has_no_rate_of_its_own(client):
    answers = [
        post(client, PATHS[0], **{"X-Forwarded-For": f"192.0.2.{n}"}).status_code for n in range(4)
    ]
    assert answers == [400, 400, 400, 429]


def test_clients_of_a_trusted_proxy_are_counted_separately(client, settings):
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


@pytest.mark.parametrize("page", ["/accounts/login/", "/admin/login/"])
def test_log_in_page_above_the_rate_says_when_to_try_again(client, page):
    form = {"username": "jonh@gmail.com", "password": "wrong"}
    for _ in range(3):
        assert client.post(page, form).status_code == 200
    response = client.post(page, form)
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 60
    assert f"Try again in {response['Retry-After']} seconds." in response.content.decode()
    assert client.get(page).status_code == 200
    assert client.post(page, form, REMOTE_ADDR=ELSEWHERE).status_code == 200


def test_log_in_pages_and_tokens_share_a_rate(client):
    answers = [
        client.post("/accounts/login/", {}, REMOTE_ADDR=HOME).status_code,
        client.post("/admin/login/", {}, REMOTE_ADDR=HOME).status_code,
        post(client, PATHS[0]).status_code,
        post(client, PATHS[0]).status_code,
    ]
    assert answers == [200, 200, 400, 429]


def test_right_password_above_the_rate_logs_nobody_in(client):
    User.objects.create_user(email="jonh@gmail.com", password="correct horse")
    for _ in range(3):
        client.post("/accounts/login/", {})
    form = {"username": "jonh@gmail.com", "password": "correct horse"}
    assert client.post("/accounts/login/", form).status_code == 429
    assert "_auth_user_id" not in client.session
