"""Mails about disabled endpoints: each is sent, whatever is killed or fails."""

import smtplib
from datetime import timedelta

import django
import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone, translation

from tracking.models import WebhookEndpoint
from tracking.webhooks import endpoints
from tracking.webhooks.mails import GIVE_UP_AFTER, RETRY_AFTER, send_mail
from tracking.webhooks.signing import new_secret

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])

URL = "https://partner.example.org/hooks?key=hush"


@pytest.fixture(autouse=True)
def _admins(settings):
    # Django before 6 wants names too, and from 6 on warns about them.
    admin = "admin@example.com"
    settings.ADMINS = [admin] if django.VERSION >= (6,) else [("Admin", admin)]


@pytest.fixture
def endpoint(database):
    """Return an endpoint that answered 410 a minute ago."""
    at = timezone.now() - timedelta(minutes=1)
    return WebhookEndpoint.objects.create(
        url=URL,
        events=[],
        secret=new_secret(),
        disabled_at=at,
        disabled_reason=WebhookEndpoint.DisabledReason.GONE,
        mail_due_at=at,
    )


class Killed(BaseException):
    """Ends a call as the kill of its process does: nothing catches it."""


class Server(EmailBackend):
    """A mail server that raises what `failure` holds."""

    failure = None
    timeouts = ()

    def __init__(self, *args, timeout=None, **options):
        super().__init__(*args, **options)
        self.timeouts.append(timeout)

    def send_messages(self, messages):
        if self.failure is not None:
            raise self.failure
        return super().send_messages(messages)


@pytest.fixture
def server(settings, monkeypatch):
    settings.EMAIL_BACKEND = f"{__name__}.Server"
    monkeypatch.setattr(Server, "failure", None)
    monkeypatch.setattr(Server, "timeouts", [])
    return Server


def wait(endpoint, duration):
    """Let time go by, for the mail and the endpoint."""
    endpoint.refresh_from_db()
    endpoint.disabled_at -= duration
    if endpoint.mail_due_at is not None:
        endpoint.mail_due_at -= duration
    endpoint.save()


def test_mail_is_sent_once(endpoint):
    send_mail()
    send_mail()
    (message,) = mail.outbox
    assert message.to == ["admin@example.com"]
    assert message.subject.endswith(f"Webhook endpoint {endpoint.pk} was disabled")
    assert "https://partner.example.org/hooks any more: it answered 410 Gone." in message.body
    assert "hush" not in message.body
    endpoint.refresh_from_db()
    assert endpoint.mail_due_at is None


def test_mail_is_in_the_language_of_the_project(endpoint, settings):
    settings.LANGUAGE_CODE = "de"
    with translation.override("ar"):
        send_mail()
    (message,) = mail.outbox
    assert message.subject.endswith(f"Webhook-Endpunkt {endpoint.pk} wurde deaktiviert")
    first, second = message.body.splitlines()
    assert first == (
        "An https://partner.example.org/hooks wird nichts mehr zugestellt: "
        "er hat mit 410 Gone geantwortet."
    )
    assert second.startswith("Die fehlgeschlagenen Zustellungen stehen in der Verwaltung.")


def test_mail_of_a_killed_process_is_sent_by_another(endpoint, server, monkeypatch):
    monkeypatch.setattr(server, "failure", Killed())
    with pytest.raises(Killed):
        send_mail()
    monkeypatch.setattr(server, "failure", None)
    send_mail()
    assert mail.outbox == []  # the killed one may be sending it
    wait(endpoint, RETRY_AFTER)
    send_mail()
    assert len(mail.outbox) == 1


def test_mail_that_fails_is_tried_again_for_a_day(endpoint, server, monkeypatch, caplog):
    monkeypatch.setattr(server, "failure", smtplib.SMTPServerDisconnected("no server"))
    send_mail()
    assert "mail about a disabled webhook endpoint failed" in caplog.text
    assert "hush" not in caplog.text
    wait(endpoint, RETRY_AFTER)
    send_mail()
    assert server.timeouts == [5, 5]
    wait(endpoint, GIVE_UP_AFTER)
    send_mail()
    endpoint.refresh_from_db()
    assert endpoint.mail_due_at is None
    assert len(server.timeouts) == 3
    send_mail()
    assert len(server.timeouts) == 3


def test_one_mail_that_fails_holds_up_no_other(endpoint, server, monkeypatch):
    monkeypatch.setattr(server, "failure", smtplib.SMTPException())
    send_mail()
    monkeypatch.setattr(server, "failure", None)
    endpoint.pk = None
    endpoint.save()
    send_mail()
    (message,) = mail.outbox
    assert f"endpoint {endpoint.pk} was" in message.subject


def test_mail_that_another_process_has_claimed_is_left_to_it(endpoint, monkeypatch):
    def first(queryset):
        found = type(queryset).last(queryset)
        WebhookEndpoint.objects.update(mail_due_at=timezone.now() + RETRY_AFTER)
        return found

    monkeypatch.setattr("django.db.models.query.QuerySet.first", first)
    send_mail()
    assert mail.outbox == []


def test_endpoint_that_works_again_is_not_reported(endpoint):
    endpoints.enable(endpoint)
    send_mail()
    assert mail.outbox == []


def test_without_admins_nothing_stays_due(endpoint, settings):
    settings.ADMINS = []
    send_mail()
    endpoint.refresh_from_db()
    assert (endpoint.mail_due_at, mail.outbox) == (None, [])
