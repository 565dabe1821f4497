"""The queue of deliveries in the database: claimed by a process, and finished with a result.

Any number of processes share it. A claim ends by itself, so what a killed process had claimed is
attempted again: a receiver may get an event twice, and never not at all.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connections, router, transaction
from django.db.models import Exists, OuterRef

from tracking.models import WebhookDelivery, WebhookEndpoint
from tracking.webhooks.due import due_deliveries
from tracking.webhooks.message import body_of
from tracking.webhooks.schedule import MAX_FAILING, next_attempt
from tracking.webhooks.sender import Outcome

# How long a claim lasts: twice as long as an attempt.
LEASE: Final = timedelta(seconds=30)
# Deliveries in flight to an endpoint, from one process. One that answers within 0.1 s gets 160 a
# second.
MAX_IN_FLIGHT: Final = 16
# To one whose last delivery failed: while it hangs, each holds a connection for 15 s.
MAX_IN_FLIGHT_FAILING: Final = 2

Status: Final = WebhookDelivery.Status
Reason: Final = WebhookEndpoint.DisabledReason


@dataclass(frozen=True)
class Claim:
    """A delivery that this process attempts now."""

    delivery_id: int
    endpoint_id: int
    attempts: int
    url: str
    # The valid ones, the newest first.
    secrets: Sequence[str]
    message_id: str
    body: bytes
    until: datetime


@dataclass(frozen=True)
class Result:
    """The outcome of a claim, and when it ended."""

    claim: Claim
    at: datetime
    outcome: Outcome


def claim(in_flight: Mapping[int, int], room: int, now: datetime) -> list[Claim]:
    """Claim up to `room` deliveries that are due, in the order in which each endpoint gets them.

    `in_flight` has the number of each endpoint's that this process attempts already.
    """
    using = router.db_for_write(WebhookDelivery)
    due = due_deliveries(using, now)
    endpoints = [
        endpoint
        for endpoint in WebhookEndpoint.objects.using(using).filter(
            Exists(due.filter(endpoint=OuterRef("pk"))), disabled_at=None
        )
        if _free(endpoint, in_flight)
    ]
    if not endpoints or room <= 0:
        return []
    # If there is not room for all, those that answer come first.
    endpoints.sort(key=lambda endpoint: in_flight.get(endpoint.pk, 0))
    if connections[using].features.has_select_for_update_skip_locked:
        due = due.select_for_update(skip_locked=True, of=("self",))
    until = now + LEASE
    claims: list[Claim] = []
    with transaction.atomic(using):
        for endpoint in endpoints:
            count = min(_free(endpoint, in_flight), room - len(claims))
            if count <= 0:
                continue
            # An event's deliveries are due at the time of its dispatch, and ids order those of one.
            rows = due.filter(endpoint=endpoint).order_by("next_attempt_at", "event_id")
            claims += [_claim(row, endpoint, until, now) for row in rows[:count]]
        WebhookDelivery.objects.using(using).filter(
            pk__in=[each.delivery_id for each in claims]
        ).update(claimed_until=until)
    return claims


def finish(results: Sequence[Result], now: datetime) -> list[WebhookEndpoint]:
    """Write the results, and return the endpoints that they disabled. Safe to repeat.

    A result whose claim another process has taken over is left out, unless it is a success.
    """
    using = router.db_for_write(WebhookDelivery)
    adapt = connections[using].ops.adapt_datetimefield_value
    with transaction.atomic(using):
        with connections[using].cursor() as cursor:
            cursor.executemany(_FINISH, [_values(result, adapt) for result in results])
        return _judge_endpoints(results, now, using)


def release(claims: Iterable[Claim]) -> None:
    """Give claims back, which others may attempt at once."""
    using = router.db_for_write(WebhookDelivery)
    for each in claims:
        WebhookDelivery.objects.using(using).filter(
            pk=each.delivery_id, status=Status.PENDING, claimed_until=each.until
        ).update(claimed_until=None)


def _free(endpoint: WebhookEndpoint, in_flight: Mapping[int, int]) -> int:
    limit = MAX_IN_FLIGHT if endpoint.failing_since is None else MAX_IN_FLIGHT_FAILING
    return max(0, limit - in_flight.get(endpoint.pk, 0))


def _claim(
    row: WebhookDelivery, endpoint: WebhookEndpoint, until: datetime, now: datetime
) -> Claim:
    secrets = [endpoint.secret]
    ends = endpoint.former_secret_until
    if endpoint.former_secret and ends is not None and now < ends:
        secrets.append(endpoint.former_secret)
    return Claim(
        delivery_id=row.pk,
        endpoint_id=endpoint.pk,
        attempts=row.attempts,
        url=endpoint.url,
        secrets=secrets,
        message_id=str(row.event_id),
        body=body_of(row.event),
        until=until,
    )


def _values(result: Result, adapt: Callable[[datetime | None], Any]) -> tuple[Any, ...]:
    """Return the parameters of `_FINISH`."""
    outcome, attempts = result.outcome, result.claim.attempts + 1
    again = None
    if outcome.is_success:
        status = Status.DELIVERED
    else:
        if not outcome.is_gone:
            again = next_attempt(attempts, result.at, outcome.retry_after)
        status = Status.FAILED if again is None else Status.PENDING
    return (
        status.value,
        attempts,
        adapt(again),
        adapt(result.at),
        outcome.status,
        outcome.seconds,
        outcome.answer,
        result.claim.delivery_id,
        adapt(result.claim.until),
        status.value,
    )


def _judge_endpoints(results: Sequence[Result], now: datetime, using: str) -> list[WebhookEndpoint]:
    """Note which endpoints succeed and which fail, and disable those that are gone or fail long."""
    succeeded = {each.claim.endpoint_id for each in results if each.outcome.is_success}
    failed = {each.claim.endpoint_id for each in results} - succeeded
    gone = {each.claim.endpoint_id for each in results if each.outcome.is_gone}
    endpoints = WebhookEndpoint.objects.using(using).order_by()
    if succeeded:
        endpoints.filter(pk__in=succeeded).exclude(failing_since=None).update(failing_since=None)
    if not failed and not gone:
        return []
    enabled = endpoints.filter(disabled_at=None)
    enabled.filter(pk__in=failed, failing_since=None).update(failing_since=now)
    enabled.filter(pk__in=gone).update(
        disabled_at=now, disabled_reason=Reason.GONE, mail_due_at=now
    )
    enabled.filter(pk__in=failed, failing_since__lte=now - MAX_FAILING).update(
        disabled_at=now, disabled_reason=Reason.FAILING, mail_due_at=now
    )
    # By the time, so that a repetition returns the same.
    return list(endpoints.filter(pk__in=failed | gone, disabled_at=now))


_FINISH: Final = f"""
UPDATE {WebhookDelivery._meta.db_table} SET
    status = %s, attempts = %s, next_attempt_at = %s, claimed_until = NULL,
    last_attempt_at = %s, status_code = %s, duration = %s, answer = %s
WHERE id = %s AND status = 'pending' AND (claimed_until = %s OR %s = 'delivered')
"""  # noqa: S608 - our own table
