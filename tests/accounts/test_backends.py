import threading

import pytest
from django.db import connection

from accounts import backends
from accounts.models import User
from tests.accounts.test_lockout import EMAIL, PASSWORD, by_admin, by_api, by_page

every_way = pytest.mark.parametrize("log_in", [by_page, by_admin, by_api])


@pytest.fixture
def user(db):
    return User.objects.create_superuser(email=EMAIL, password=PASSWORD, name="Jonh")


@pytest.fixture
def busy(monkeypatch):
    """Occupy all turns."""
    turns = threading.BoundedSemaphore(1)
    assert turns.acquire()
    monkeypatch.setattr(backends, "_turns", turns)
    monkeypatch.setattr(backends, "TURN_TIMEOUT", 0.01)
    return turns


@every_way
def test_log_in_beyond_the_limit_says_when_to_try_again(client, user, busy, log_in):
    answer = log_in(client, PASSWORD)
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert "Too many people are logging in" in answer.content.decode()
    busy.release()
    assert log_in(client, PASSWORD).status_code in (200, 302)


@every_way
def test_log_in_refused_beyond_the_limit_does_not_count_as_failed(client, user, busy, log_in):
    for _ in range(6):
        log_in(client, "wrong")
    busy.release()
    assert log_in(client, PASSWORD).status_code in (200, 302)


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.org"])
@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
@pytest.mark.django_db(transaction=True)
def test_no_connection_is_held_while_a_password_is_hashed(monkeypatch, email, password):
    user = User.objects.create_user(EMAIL, PASSWORD)
    held = []

    def look(self, *_arguments):
        held.append((backends._turns._value, connection.connection))
        return password == PASSWORD

    monkeypatch.setattr(User, "check_password", look)
    monkeypatch.setattr(User, "set_password", look)
    found = backends.PasswordBackend().authenticate(None, email, password)
    assert found == (user if (email, password) == (EMAIL, PASSWORD) else None)
    assert held == [(backends.MAX_CONCURRENT_HASHES - 1, None)]
    assert backends._turns._value == backends.MAX_CONCURRENT_HASHES


def test_turn_is_given_back_after_an_error(user, monkeypatch):
    def fail(self, raw):
        raise RuntimeError(raw)

    monkeypatch.setattr(User, "check_password", fail)
    with pytest.raises(RuntimeError):
        backends.PasswordBackend().authenticate(None, EMAIL, PASSWORD)
    assert backends._turns._value == backends.MAX_CONCURRENT_HASHES


@pytest.mark.parametrize(
    "credentials", [{"email": EMAIL, "password": None}, {"username": None, "password": PASSWORD}]
)
def test_incomplete_credentials_authenticate_nobody(user, credentials):
    assert backends.PasswordBackend().authenticate(None, **credentials) is None


def test_deactivated_user_is_refused(user):
    assert backends.PasswordBackend().authenticate(None, EMAIL, PASSWORD) == user
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert backends.PasswordBackend().authenticate(None, EMAIL, PASSWORD) is None


@pytest.mark.django_db(transaction=True)
async def test_asynchronous_log_in_gives_the_same_result():
    await User.objects.acreate(email=EMAIL, password="")
    user = await User.objects.aget(email=EMAIL)
    user.set_password(PASSWORD)
    await user.asave()
    backend = backends.PasswordBackend()
    assert await backend.aauthenticate(None, username=EMAIL, password=PASSWORD) == user
    assert await backend.aauthenticate(None, username=EMAIL, password="wrong") is None
