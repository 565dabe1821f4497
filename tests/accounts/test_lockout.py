from datetime import timedelta
from ipaddress import ip_network

import pytest
from axes.models import AccessAttempt, AccessLog
from django.db.models import Sum
from django.test import AsyncClient
from django.utils import timezone

from accounts.models import User
from accounts.tokens import refresh_token_for

from ..tracking.rest.problems import MEMBERS, problem_members

pytestmark = pytest.mark.django_db

LOGIN = "/accounts/login/"
PASSWORD = "correct horse battery staple"
EMAIL = "jonh@gmail.com"
HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"


@pytest.fixture(autouse=True)
def user():
    return User.objects.create_superuser(email=EMAIL, password=PASSWORD, name="Jonh")


def by_page(client, password, email=EMAIL, address=HOME, path=LOGIN, **extra):
    return client.post(
        path, {"username": email, "password": password}, REMOTE_ADDR=address, **extra
    )


def by_admin(client, password, email=EMAIL, address=HOME, **extra):
    return by_page(client, password, email, address, "/admin/login/?next=/admin/", **extra)


def by_api(client, password, email=EMAIL, address=HOME, **extra):
    return client.post(
        "/accounts/token/",
        {"email": email, "password": password},
        content_type="application/json",
        REMOTE_ADDR=address,
        **extra,
    )


every_way = pytest.mark.parametrize("log_in", [by_page, by_admin, by_api])


def fail(client, log_in, times, **given):
    """Fail to log in, and return the last answer."""
    for _ in range(times):
        response = log_in(client, "wrong", **given)
    return response


def count(failures, address, email=EMAIL):
    """Record failures as if they had just happened."""
    AccessAttempt.objects.create(
        username=email, ip_address=address, user_agent="x", failures_since_start=failures
    )


@every_way
def test_fifth_failure_locks_the_account_at_that_address(client, log_in):
    assert fail(client, log_in, 4).status_code in (200, 401)
    assert fail(client, log_in, 1).status_code == 429
    assert log_in(client, PASSWORD).status_code == 429
    assert "_auth_user_id" not in client.session


@every_way
def test_account_stays_open_at_other_addresses(client, log_in):
    fail(client, log_in, 6)
    assert log_in(client, PASSWORD, address=ELSEWHERE).status_code in (200, 302)


@every_way
def test_other_accounts_stay_open_at_the_address(client, log_in):
    fail(client, log_in, 6, email="mary@gmail.com")
    assert log_in(client, PASSWORD).status_code in (200, 302)


def test_the_ways_to_log_in_share_one_count(client):
    fail(client, by_page, 2)
    fail(client, by_api, 2)
    assert fail(client, by_admin, 1).status_code == 429


@pytest.mark.parametrize("email", ["JONH@gmail.com", " jonh@gmail.com ", "\uff4aonh@gmail.com"])
def test_another_spelling_of_the_address_is_the_same_account(client, email):
    fail(client, by_api, 4, email=email)
    assert fail(client, by_api, 1).status_code == 429


def test_another_browser_does_not_reset_the_count(client):
    for number in range(4):
        by_page(client, "wrong", headers={"User-Agent": f"browser {number}"})
    assert fail(client, by_page, 1).status_code == 429


def test_another_address_of_the_same_customer_does_not_reset_the_count(client):
    for number in range(4):
        by_page(client, "wrong", address=f"2001:db8:1:2::{number}")
    assert by_page(client, "wrong", address="2001:db8:1:2:3::").status_code == 429
    assert by_page(client, "wrong", address="2001:db8:1:3::").status_code == 200


def test_forged_address_does_not_reset_the_count(client):
    for number in range(4):
        by_page(client, "wrong", headers={"X-Forwarded-For": f"192.0.2.{number}"})
    assert fail(client, by_page, 1).status_code == 429


def test_clients_of_a_trusted_proxy_are_counted_separately(client, settings):
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.1")]
    given = {"address": "10.0.0.1", "headers": {"X-Forwarded-For": HOME}}
    assert fail(client, by_page, 5, **given).status_code == 429
    given["headers"] = {"X-Forwarded-For": f"{HOME}, {ELSEWHERE}"}
    assert by_page(client, PASSWORD, **given).status_code == 302


@every_way
def test_success_resets_the_count(client, log_in):
    for _ in range(2):
        fail(client, log_in, 4)
        assert log_in(client, PASSWORD).status_code in (200, 302)


def test_success_with_one_account_does_not_reset_the_count_of_another(client):
    fail(client, by_api, 4, email="mary@gmail.com")
    by_api(client, PASSWORD)
    assert fail(client, by_api, 1, email="mary@gmail.com").status_code == 429


def test_guessing_from_many_networks_locks_the_account_everywhere(client):
    for number in range(24):
        count(4, f"203.0.{number}.1")
    assert by_api(client, PASSWORD).status_code == 200
    count(4, "203.0.113.24")
    assert by_api(client, PASSWORD).status_code == 429
    assert by_api(client, "any", email="mary@gmail.com").status_code == 401


NETWORKS = pytest.mark.parametrize(
    ("inside", "outside"),
    [("203.0.113.{}", "203.0.112.1"), ("2001:db8:7:{:x}::", "2001:db8:8::")],
    ids=["IPv4", "IPv6"],
)


@NETWORKS
def test_guessing_from_many_addresses_of_a_network_locks_the_account_there_only(
    client, inside, outside
):
    for number in range(19):
        count(1, inside.format(number))
    assert fail(client, by_api, 1, address=inside.format(20)).status_code == 429
    assert by_api(client, PASSWORD, address=inside.format(21)).status_code == 429
    assert by_api(client, PASSWORD, address=outside).status_code == 200
    given = {"email": "mary@gmail.com", "address": inside.format(22)}
    assert by_api(client, "any", **given).status_code == 401


@NETWORKS
def test_one_network_never_locks_an_account_elsewhere(client, inside, outside):
    for number in range(60):
        fail(client, by_api, 4, address=inside.format(number))
    assert AccessAttempt.objects.aggregate(Sum("failures_since_start")) == {
        "failures_since_start__sum": 20
    }
    assert by_api(client, PASSWORD, address=outside).status_code == 200


@NETWORKS
def test_trying_many_accounts_from_many_addresses_locks_the_network(client, inside, outside):
    for number in range(100):
        count(3, inside.format(number), f"user{number}@gmail.com")
    assert by_page(client, PASSWORD, address=inside.format(101)).status_code == 429
    assert by_page(client, PASSWORD, address=outside).status_code == 302


def test_trying_many_accounts_locks_the_address(client):
    for number in range(99):
        count(1, HOME, f"user{number}@gmail.com")
    assert by_page(client, PASSWORD).status_code == 302
    count(1, HOME, "user99@gmail.com")
    assert by_page(client, PASSWORD).status_code == 429
    assert by_page(client, PASSWORD, address=ELSEWHERE).status_code == 302


def test_attempts_while_locked_do_not_prolong_the_lock(client):
    fail(client, by_api, 5)
    before = AccessAttempt.objects.get()
    fail(client, by_api, 3)
    after = AccessAttempt.objects.get()
    assert after.failures_since_start == before.failures_since_start == 5
    assert after.attempt_time == before.attempt_time


@every_way
def test_lock_ends_a_quarter_of_an_hour_after_the_last_failure(client, log_in):
    fail(client, log_in, 5)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=14))
    assert 50 < int(log_in(client, PASSWORD)["Retry-After"]) <= 60
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=15))
    assert log_in(client, PASSWORD).status_code in (200, 302)


def test_api_says_what_is_wrong_and_when_to_try_again(client):
    response = fail(client, by_api, 5)
    members = problem_members(response, 429)
    assert members["detail"] == "Too many failed log-ins. Try again in 15 minutes."
    assert members["code"] == "locked_out"
    assert members.keys() == set(MEMBERS)
    assert 890 < int(response["Retry-After"]) <= 900


@pytest.mark.parametrize("log_in", [by_page, by_admin])
def test_page_says_what_is_wrong_and_when_to_try_again(client, log_in):
    response = fail(client, log_in, 5)
    page = response.content.decode()
    assert "Too many failed log-ins. Try again in 15 minutes." in page
    assert 'role="alert"' in page
    assert 890 < int(response["Retry-After"]) <= 900


@pytest.mark.django_db(transaction=True)
async def test_page_says_it_under_asgi_too(user):
    client = AsyncClient(REMOTE_ADDR=HOME)
    for _ in range(5):
        response = await client.post(LOGIN, {"username": EMAIL, "password": "wrong"})
    assert response.status_code == 429
    assert "Try again in 15 minutes." in response.content.decode()


def test_lock_does_not_reveal_whether_the_account_exists(client):
    known = fail(client, by_api, 5)
    unknown = fail(client, by_api, 5, email="nobody@gmail.com")
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())


def test_logged_in_user_stays_logged_in_during_a_lock(client, user):
    client.force_login(user)
    refresh = refresh_token_for(user)
    fail(client, by_api, 5)
    assert client.get("/admin/").status_code == 200
    response = client.post(
        "/accounts/token/refresh/", {"refresh": refresh}, content_type="application/json"
    )
    assert response.status_code == 200


def test_neither_password_nor_csrf_token_is_stored(client):
    client.post(LOGIN, {"username": EMAIL, "password": "p4ss", "csrfmiddlewaretoken": "t0ken"})
    by_api(client, "p4ss")
    stored = str(AccessAttempt.objects.values())
    assert "p4ss" not in stored
    assert "t0ken" not in stored


def test_successful_log_in_is_not_recorded(client):
    for log_in in (by_page, by_api):
        log_in(client, PASSWORD)
    assert not AccessAttempt.objects.exists()
    assert not AccessLog.objects.exists()


@pytest.mark.parametrize("log_in", [by_page, by_api])
def test_log_in_updates_last_login(client, user, log_in):
    log_in(client, PASSWORD)
    user.refresh_from_db()
    assert timezone.now() - user.last_login < timedelta(minutes=1)


def test_long_address_and_odd_headers_are_counted_like_any_other(client):
    given = {
        "email": "j" * 1000 + "@gmail.com",
        "headers": {"User-Agent": "é" * 1000, "Accept": "application/json," + "x" * 5000},
    }
    fail(client, by_api, 4, **given)
    assert fail(client, by_api, 1, **given).status_code == 429


def test_requests_other_than_log_ins_cost_no_query(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.get(LOGIN)
