"""The deliveries that are due: which, how many, and since when.

Servers read it too, and they need nothing of what sends deliveries.
"""

from datetime import datetime

from django.db import router
from django.db.models import OuterRef, Q, QuerySet, Subquery

from tracking.events.dispatch import MAX_COUNTED
from tracking.models import WebhookDelivery, WebhookEndpoint


def due_deliveries(using: str, now: datetime) -> QuerySet[WebhookDelivery]:
    """Return the deliveries that are due and that no process attempts, with their events."""
    return (
        WebhookDelivery.objects.using(using)
        .filter(
            Q(claimed_until=None) | Q(claimed_until__lt=now),
            status=WebhookDelivery.Status.PENDING,
            next_attempt_at__lte=now,
        )
        .select_related("event")
    )


def oldest_due(now: datetime) -> datetime | None:
    """Return since when the oldest delivery is due that nobody attempts; None without one.

    Those to endpoints that fail are left out: they wait for their receivers, not for a process.
    """
    return min((since for _, since in _working(now)), default=None)


def count_due(now: datetime) -> int:
    """Return the number of deliveries that are due, of those that `oldest_due` looks at.

    At most `MAX_COUNTED` are counted.
    """
    due = due_deliveries(router.db_for_write(WebhookDelivery), now).order_by("next_attempt_at")
    count = 0
    # Of one endpoint at a time, in this order: so the database reads them from their index.
    for endpoint_id, _ in _working(now):
        count += due.filter(endpoint=endpoint_id)[: MAX_COUNTED - count].count()
        if count == MAX_COUNTED:
            break
    return count


def _working(now: datetime) -> list[tuple[int, datetime]]:
    """Return the ids of the working endpoints for which something is due, and since when."""
    using = router.db_for_write(WebhookDelivery)
    of_endpoint = due_deliveries(using, now).filter(endpoint=OuterRef("pk"))
    first = of_endpoint.order_by("next_attempt_at").values("next_attempt_at")[:1]
    endpoints = WebhookEndpoint.objects.using(using).filter(disabled_at=None, failing_since=None)
    found = endpoints.annotate(due=Subquery(first)).values_list("pk", "due")
    return [(endpoint_id, since) for endpoint_id, since in found if since is not None]
