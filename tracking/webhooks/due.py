"""The deliveries that are due, and how long they have been.

Servers read it too, and they need nothing of what sends deliveries.
"""

from datetime import datetime

from django.db import router
from django.db.models import Min, OuterRef, Q, QuerySet, Subquery

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
    using = router.db_for_write(WebhookDelivery)
    of_endpoint = due_deliveries(using, now).filter(endpoint=OuterRef("pk"))
    first = of_endpoint.order_by("next_attempt_at").values("next_attempt_at")[:1]
    working = WebhookEndpoint.objects.using(using).filter(disabled_at=None, failing_since=None)
    found = working.annotate(due=Subquery(first)).aggregate(oldest=Min("due"))
    oldest: datetime | None = found["oldest"]
    return oldest
