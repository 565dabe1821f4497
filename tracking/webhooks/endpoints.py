"""Endpoints of webhooks: add, change and disable them, rotate secrets, and deliver again.

For the admin, REST and host projects; nothing else writes `WebhookEndpoint`, but for what the
deliverer notes about failures. Addresses are checked before a transaction begins, because the
names in them are resolved, which may take seconds.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import router, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tracking.arguments import InvalidArguments, id_of, text_reasons
from tracking.ids import UserId
from tracking.models import Event, EventType, WebhookDelivery, WebhookEndpoint
from tracking.webhooks.signing import new_secret
from tracking.webhooks.targets import InvalidTarget, check_url

# The time in which a receiver takes over a new secret: deliveries have both signatures.
OVERLAP: Final = timedelta(hours=24)

# The types that an endpoint may choose. A test goes to the endpoint that is tested.
CHOICES: Final = tuple(kind for kind in EventType if kind != EventType.TEST)

MAX_URL: Final = 2_000
MAX_DESCRIPTION: Final = 200


class InvalidEndpoint(InvalidArguments):
    """Raised for an address that webhooks may not go to, unknown types, a text too long.

    `reasons` holds the messages by the name of the argument.
    """


class EndpointDisabled(InvalidArguments):
    """Raised if something is to be delivered to a disabled endpoint."""

    def __init__(self) -> None:
        super().__init__({"endpoint": [_("This endpoint is disabled: enable it first.")]})


def create(
    url: str,
    events: Iterable[str],
    description: str = "",
    by: AbstractBaseUser | UserId | None = None,
) -> tuple[WebhookEndpoint, str]:
    """Add an endpoint, and return it with its secret, which nothing else shows.

    `events` are values of `EventType`. Raise InvalidEndpoint, a ValueError.
    """
    values = _checked(url=url, events=events, description=description)
    secret = new_secret()
    endpoint = WebhookEndpoint(**values, secret=secret, created_by_id=id_of(by))
    endpoint.save(using=_using(), force_insert=True)
    return endpoint, secret


def change(
    endpoint: WebhookEndpoint,
    *,
    url: str | None = None,
    events: Iterable[str] | None = None,
    description: str | None = None,
) -> WebhookEndpoint:
    """Change what is given, and return the endpoint. Raise InvalidEndpoint, a ValueError.

    Failures of a former address do not count for a new one.
    """
    given = {"url": url, "events": events, "description": description}
    values = _checked(**{name: value for name, value in given.items() if value is not None})
    if values.get("url", endpoint.url) != endpoint.url:
        values["failing_since"] = None
    return _write(endpoint, **values)


def rotate_secret(endpoint: WebhookEndpoint) -> str:
    """Give the endpoint a new secret, and return it.

    For 24 hours deliveries are signed with the former one, too. Rotating again within this time
    ends the one before it.
    """
    secret = new_secret()
    with transaction.atomic(_using()):
        # Locked, so that of two who rotate at once the later one's former secret is the other's.
        row = WebhookEndpoint.objects.using(_using()).select_for_update().get(pk=endpoint.pk)
        values = {
            "secret": secret,
            "former_secret": row.secret,
            "former_secret_until": timezone.now() + OVERLAP,
        }
        _write(endpoint, **values)
    return secret


def disable(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """Deliver nothing to the endpoint until it is enabled. Disabling it again is no change."""
    if endpoint.disabled_at is not None:
        return endpoint
    reason = WebhookEndpoint.DisabledReason.STAFF
    return _write(endpoint, disabled_at=timezone.now(), disabled_reason=reason)


def enable(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """Deliver to the endpoint again. Failures from before do not count any more."""
    return _write(
        endpoint, disabled_at=None, disabled_reason="", failing_since=None, mail_due_at=None
    )


def delete(endpoint: WebhookEndpoint) -> None:
    """Delete the endpoint with its deliveries."""
    WebhookEndpoint.objects.using(_using()).filter(pk=endpoint.pk).delete()


def send_test(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Make an event of the type `webhook.test` for this endpoint alone, and return its delivery.

    It is due now, whatever types the endpoint has chosen. Raise EndpointDisabled.
    """
    _require_enabled(endpoint.pk)
    now = timezone.now()
    with transaction.atomic(_using()):
        event = Event.objects.using(_using()).create(
            type=EventType.TEST,
            occurred_at=now,
            data={"endpoint": endpoint.pk},
            # Its only delivery exists.
            dispatched_at=now,
        )
        return WebhookDelivery.objects.using(_using()).create(
            event=event, endpoint=endpoint, created_at=now, next_attempt_at=now
        )


def redeliver(delivery: WebhookDelivery) -> WebhookDelivery:
    """Make a delivery due now, with all its attempts, and return it.

    It has the same webhook-id, so a receiver that has it already knows that. A delivery that a
    process works on stays as it is. Raise EndpointDisabled.
    """
    _require_enabled(delivery.endpoint_id)
    now = timezone.now()
    with transaction.atomic(_using()):
        row = WebhookDelivery.objects.using(_using()).select_for_update().get(pk=delivery.pk)
        if row.claimed_until is None or row.claimed_until <= now:
            row.status = WebhookDelivery.Status.PENDING
            row.attempts = 0
            row.next_attempt_at = now
            row.claimed_until = None
            row.save(update_fields=["status", "attempts", "next_attempt_at", "claimed_until"])
    return row


def _checked(**given: Any) -> dict[str, Any]:
    """Return the arguments as they are stored; raise InvalidEndpoint with all reasons."""
    values = dict(given)
    reasons: dict[str, list[str]] = {}
    limits = {"url": MAX_URL, "description": MAX_DESCRIPTION}
    texts = {name: (values[name], limit) for name, limit in limits.items() if name in values}
    reasons |= text_reasons(**texts)
    if "events" in values:
        values["events"] = [str(kind) for kind in values["events"]]
        if text := _reason_of_events(values["events"]):
            reasons["events"] = [text]
    if "url" in values and "url" not in reasons:
        try:
            check_url(values["url"])
        except InvalidTarget as error:
            reasons["url"] = [str(error)]
    if reasons:
        raise InvalidEndpoint(reasons)
    return values


def _reason_of_events(kinds: list[str]) -> str:
    if not kinds:
        return _("Choose at least one type.")
    if set(kinds) - set(CHOICES):
        # Without the unknown one, because messages never quote input.
        return _("Choose among: %(names)s.") % {"names": ", ".join(CHOICES)}
    if len(set(kinds)) < len(kinds):
        return _("Choose each type once.")
    return ""


def _require_enabled(endpoint_id: int) -> None:
    rows = WebhookEndpoint.objects.using(_using())
    if not rows.filter(pk=endpoint_id, disabled_at=None).exists():
        raise EndpointDisabled


def _write(endpoint: WebhookEndpoint, **values: Any) -> WebhookEndpoint:
    """Store just these fields: the deliverer may write others at the same time."""
    for name, value in values.items():
        setattr(endpoint, name, value)
    if values:
        endpoint.save(using=_using(), update_fields=list(values))
    return endpoint


def _using() -> str:
    return router.db_for_write(WebhookEndpoint)
