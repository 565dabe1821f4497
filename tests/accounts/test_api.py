import jwt
import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.tokens import access_token_for, refresh_token_for

from ..tracking.rest.problems import MEMBERS, problem_members

pytestmark = pytest.mark.django_db

PASSWORD = " a space at either end "


@pytest.fixture
def user():
    return User.objects.create_user(email="jonh@gmail.com", password=PASSWORD, name="Jonh")


@pytest.fixture
def client():
    """Return a client with CSRF checks, as for real clients."""
    return Client(enforce_csrf_checks=True)


def post(client, path, data=None, **headers):
    return client.post(path, data, content_type="application/json", headers=headers)


def claims(token):
    return jwt.decode(token, settings.JWT_SIGNING_KEY, algorithms=["HS256"])


def test_credentials_give_an_access_and_a_refresh_token(client, user):
    response = post(client, "/accounts/token/", {"email": user.email, "password": PASSWORD})
    assert response.status_code == 200
    assert response.json().keys() == {"access", "refresh"}
    assert claims(response.json()["access"])["id"] == user.pk


def test_email_may_be_typed_in_any_case(client, user):
    response = post(client, "/accounts/token/", {"email": "JONH@gmail.com", "password": PASSWORD})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "credentials",
    [
        {"email": "jonh@gmail.com", "password": "wrong"},
        {"email": "jonh@gmail.com", "password": PASSWORD.strip()},
        {"email": "nobody@gmail.com", "password": PASSWORD},
    ],
    ids=["wrong password", "password without its spaces", "unknown user"],
)
def test_wrong_credentials_are_answered_401_and_reveal_nothing(client, user, credentials):
    response = post(client, "/accounts/token/", credentials)
    assert response.status_code == 401
    assert problem_members(response, 401) == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "No active account found with the given credentials",
        "code": "no_active_account",
    }


def test_inactive_user_gets_no_token(client, user):
    User.objects.update(is_active=False)
    response = post(client, "/accounts/token/", {"email": user.email, "password": PASSWORD})
    assert response.status_code == 401


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"email", "password"}),
        ({"email": "jonh@gmail.com"}, {"password"}),
        ({"email": "jonh@gmail.com", "password": ""}, {"password"}),
        ({"email": None, "password": "x"}, {"email"}),
        ({"email": ["jonh@gmail.com"], "password": {}}, {"email", "password"}),
        ({"email": "jonh\x00@gmail.com", "password": "x"}, {"email"}),
        (["jonh@gmail.com", "x"], {"non_field_errors"}),
        ("not JSON", set()),
    ],
)
def test_malformed_credentials_are_answered_400_naming_the_field(client, user, body, fields):
    members = problem_members(post(client, "/accounts/token/", body), 400)
    assert members.keys() - set(MEMBERS) - {"errors"} == fields
    pointers = {"#" if field == "non_field_errors" else f"#/{field}" for field in fields}
    assert {each["pointer"] for each in members.get("errors", ())} == pointers


def test_token_endpoint_takes_nothing_but_a_json_post(client):
    problem_members(client.get("/accounts/token/"), 405)
    problem_members(client.post("/accounts/token/", {"email": "a"}), 415)
    problem_members(client.post("/accounts/token/", headers={"Accept": "text/html"}), 406)


def test_refresh_gives_an_access_token_with_the_current_claims(client, user):
    refresh = refresh_token_for(user)
    User.objects.update(name="John", email="john@gmail.com")
    response = post(client, "/accounts/token/refresh/", {"refresh": refresh})
    assert response.status_code == 200
    payload = claims(response.json()["access"])
    assert (payload["id"], payload["email"], payload["name"]) == (user.pk, "john@gmail.com", "John")
    assert type(payload["id"]) is int


@pytest.mark.parametrize("change", ["deleted", "inactive", "password changed"])
def test_refresh_with_a_revoked_token_is_answered_401(client, user, change):
    refresh = refresh_token_for(user)
    if change == "deleted":
        user.delete()
    elif change == "inactive":
        User.objects.update(is_active=False)
    else:
        user.set_password("another")
        user.save()
    response = post(client, "/accounts/token/refresh/", {"refresh": refresh})
    assert response.status_code == 401
    assert response.json()["code"] == "token_not_valid"


@pytest.mark.parametrize("refresh", ["x", "a.b.c", 5])
def test_refresh_with_an_invalid_token_is_answered_401(client, refresh):
    response = post(client, "/accounts/token/refresh/", {"refresh": refresh})
    assert response.status_code == 401
    assert response.json()["code"] == "token_not_valid"


def test_refresh_with_an_access_token_is_answered_401(client, user):
    response = post(client, "/accounts/token/refresh/", {"refresh": access_token_for(user)})
    assert response.status_code == 401


@pytest.mark.parametrize("body", [{}, {"refresh": ""}, {"refresh": None}, {"refresh": []}])
def test_refresh_without_a_token_is_answered_400_naming_the_field(client, body):
    response = post(client, "/accounts/token/refresh/", body)
    assert problem_members(response, 400).keys() - set(MEMBERS) - {"errors"} == {"refresh"}


def log_in_on_the_web(client, user):
    """Log in through the page and return the CSRF token, as a script reads it from a page."""
    client.get(reverse("accounts:login"))
    response = client.post(
        reverse("accounts:login"),
        {"username": user.email, "password": PASSWORD},
        headers={"X-CSRFToken": client.cookies["csrftoken"].value},
    )
    assert response.status_code == 302
    return client.cookies["csrftoken"].value


def test_web_session_gives_an_access_token(client, user):
    csrf_token = log_in_on_the_web(client, user)
    response = post(client, "/accounts/token/session/", **{"X-CSRFToken": csrf_token})
    assert response.status_code == 200
    assert response.json().keys() == {"access"}
    assert claims(response.json()["access"])["id"] == user.pk


def test_web_session_without_its_csrf_token_is_answered_403(client, user):
    log_in_on_the_web(client, user)
    response = post(client, "/accounts/token/session/")
    assert "CSRF" in problem_members(response, 403)["detail"]


def test_no_session_is_answered_403(client):
    assert post(client, "/accounts/token/session/").status_code == 403


def test_session_token_is_not_given_for_an_access_token(client, user):
    token = access_token_for(user)
    response = post(client, "/accounts/token/session/", Authorization=f"Bearer {token}")
    assert response.status_code == 403


def test_session_of_a_user_made_inactive_is_answered_403(client, user):
    csrf_token = log_in_on_the_web(client, user)
    User.objects.update(is_active=False)
    response = post(client, "/accounts/token/session/", **{"X-CSRFToken": csrf_token})
    assert response.status_code == 403
