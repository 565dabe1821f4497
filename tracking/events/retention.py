"""The retention of events: old ones are deleted, with their deliveries to webhooks."""

from datetime import timedelta
from typing import Final

from django.db import router, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from tracking.conf import conf
from tracking.ids import id_at
from tracking.models import Event, WebhookDelivery, ZoneVisit

# Events deleted by one transaction.
BATCH_SIZE: Final = 1_000


def purge() -> int:
    """Delete a batch of events older than EVENT_DAYS, and return their number.

    There may be more if it is `BATCH_SIZE`. Kept are those that are not dispatched yet, and those
    that an enabled endpoint is still to get.
    """
    using = router.db_for_write(Event)
    rows = Event.objects.using(using)
    oldest = timezone.now() - timedelta(days=conf.EVENT_DAYS)
    awaited = WebhookDelivery.objects.using(using).filter(
        event=OuterRef("pk"), status=WebhookDelivery.Status.PENDING, endpoint__disabled_at=None
    )
    # By the id, which begins with the time of its making: it has an index.
    old = rows.filter(
        ~Exists(awaited),
        pk__lt=id_at(oldest),
        dispatched_at__isnull=False,
    )
    with transaction.atomic(using):
        batch = list(old.order_by("pk").values_list("pk", flat=True)[:BATCH_SIZE])
        if batch:
            rows.filter(pk__in=batch).delete()
    return len(batch)


def purge_visits() -> int:
    """Delete a batch of visits to zones that ended EVENT_DAYS ago, and return their number."""
    using = router.db_for_write(ZoneVisit)
    rows = ZoneVisit.objects.using(using)
    oldest = timezone.now() - timedelta(days=conf.EVENT_DAYS)
    batch = list(rows.filter(exited_at__lt=oldest).values_list("pk", flat=True)[:BATCH_SIZE])
    if batch:
        rows.filter(pk__in=batch).delete()
    return len(batch)
