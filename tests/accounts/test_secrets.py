"""Passwords and tokens are written neither to a log nor into an error report."""

import logging

import pytest
from django.utils.log import AdminEmailHandler

from accounts.lockout import LogInHandler
from accounts.models import User
from accounts.tokens import access_token_for, refresh_token_for

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"
WRONG = "wr0ng-passw0rd"
GARBAGE = "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6MX0.g4rbage"
LOGIN = "/accounts/login/"


@pytest.fixture
def user():
    return User.objects.create_user(email="jonh@gmail.com", password=PASSWORD, name="Jonh")


def post(client, path, data, **headers):
    return client.post(path, data, content_type="application/json", headers=headers)


def test_no_secret_is_logged(client, user, caplog):
    caplog.set_level(logging.INFO)
    access, refresh = access_token_for(user), refresh_token_for(user)
    secrets = [PASSWORD, WRONG, GARBAGE, access, refresh]
    for password in (WRONG, PASSWORD):
        for path in (LOGIN, "/admin/login/"):
            client.post(f"{path}?next=/{GARBAGE}", {"username": user.email, "password": password})
        answer = post(client, "/accounts/token/", {"email": user.email, "password": password})
        secrets += answer.json().values() if password == PASSWORD else []
    for token in (refresh, access, GARBAGE, PASSWORD):
        answer = post(client, "/accounts/token/refresh/", {"refresh": token})
        secrets += answer.json().values() if token == refresh else []
        post(client, "/accounts/token/session/", {}, Authorization=f"Bearer {token}")
    post(client, "/accounts/token/", f'{{"email": "{user.email}", "password": "{PASSWORD}"')
    for _ in range(5):  # until the account is locked
        client.post(LOGIN, {"username": user.email, "password": WRONG})
    # The password was typed into the field of the name.
    client.post(LOGIN, {"username": PASSWORD, "password": user.email})

    assert "Locking out" in caplog.text
    assert "Unauthorized: /accounts/token/" in caplog.text
    formatter = logging.Formatter("%(message)s %(args)s")
    written = caplog.text + "".join(map(formatter.format, caplog.records))
    assert not [secret for secret in secrets if secret in written]


@pytest.mark.parametrize(
    ("path", "kind"), [(LOGIN, None), ("/admin/login/", None), ("/accounts/token/", "json")]
)
def test_report_of_an_error_at_log_in_has_no_password(
    client, user, settings, monkeypatch, caplog, path, kind
):
    def broken(self, request, credentials=None):
        raise RuntimeError("the database is on fire")

    reports = []

    def send_mail(self, subject, message, *args, html_message, **kwargs):
        reports.append((subject, message, html_message))

    monkeypatch.setattr(LogInHandler, "get_failures", broken)
    # Don't look into the outbox: the set-up of mail differs between versions of Django.
    monkeypatch.setattr(AdminEmailHandler, "send_mail", send_mail)
    settings.ADMINS = ["ada@example.com"]
    for handler in logging.getLogger("django").handlers:
        monkeypatch.setattr(handler, "include_html", True, raising=False)
    client.raise_request_exception = False
    fields = {"username": user.email, "email": user.email, "password": PASSWORD}
    answer = post(client, path, fields) if kind else client.post(path, fields)

    assert answer.status_code == 500
    (report,) = reports
    assert "the database is on fire" in report[-1]
    for text in (*report, caplog.text):
        assert PASSWORD not in text
