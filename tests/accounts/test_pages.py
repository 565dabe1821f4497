import re

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User

pytestmark = pytest.mark.django_db

LOGIN = "/accounts/login/"
PASSWORD = "correct horse battery staple"


@pytest.fixture
def user():
    return User.objects.create_user(email="jonh@gmail.com", password=PASSWORD, name="Jonh")


def log_in(client, **fields):
    return client.post(LOGIN, {"username": "jonh@gmail.com", "password": PASSWORD, **fields})


def test_right_password_logs_in_and_leads_to_the_start_page(client, user):
    response = log_in(client)
    assert response.status_code == 302
    assert response.url == "/"
    assert client.session["_auth_user_id"] == str(user.pk)


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("jonh@gmail.com", "not that one"),
        ("nobody@gmail.com", PASSWORD),
        ("not an address", PASSWORD),
    ],
)
def test_wrong_log_in_says_so_and_keeps_the_address(client, user, username, password):
    response = log_in(client, username=username, password=password)
    assert response.status_code == 200
    assert "_auth_user_id" not in client.session
    page = response.content.decode()
    assert "Wrong e-mail address or password." in page
    assert 'role="alert"' in page
    assert page.count('aria-describedby="login-error"') == 2
    assert f'value="{username}"' in page
    assert password not in page


def test_empty_field_is_named(client):
    page = log_in(client, password="").content.decode()
    assert 'id="id_password_error"' in page
    assert 'aria-describedby="id_password_error"' in page


def test_next_page_is_kept_and_followed(client, user):
    page = client.get(LOGIN, {"next": "/admin/"}).content.decode()
    assert '<input type="hidden" name="next" value="/admin/">' in page
    assert log_in(client, next="/admin/").url == "/admin/"


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example", "javascript:alert(1)", "https:///evil.example"],
)
def test_next_page_on_another_site_is_not_followed(client, user, elsewhere):
    assert elsewhere not in client.get(LOGIN, {"next": elsewhere}).content.decode()
    assert log_in(client, next=elsewhere).url == "/"


def test_log_in_without_the_csrf_token_is_refused(user):
    assert log_in(Client(enforce_csrf_checks=True)).status_code == 403


def test_log_out_ends_the_session(client, user):
    client.force_login(user)
    response = client.post("/accounts/logout/")
    assert response.url == LOGIN
    assert "_auth_user_id" not in client.session


def test_following_a_link_does_not_log_out(client, user):
    client.force_login(user)
    assert client.get("/accounts/logout/").status_code == 405
    assert "_auth_user_id" in client.session


def test_logged_in_user_can_log_out_on_the_log_in_page(client, user):
    client.force_login(user)
    page = client.get(LOGIN).content.decode()
    assert "You are logged in as <strong>jonh@gmail.com</strong>" in page
    assert f'action="{reverse("accounts:logout")}"' in page
    assert "may not open" not in page


def test_logged_in_user_who_is_redirected_here_sees_why(client, user):
    client.force_login(user)
    assert (
        "This account can't open that page." in client.get(LOGIN, {"next": "/x"}).content.decode()
    )


def test_page_has_no_inline_script_or_style(client):
    page = client.get(LOGIN).content.decode()
    assert re.findall(r"<script(?![^>]* src=)", page) == []
    assert "<style" not in page
    assert "style=" not in page
