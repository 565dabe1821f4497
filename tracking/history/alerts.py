"""Alerts, which say where a driver was: erased together with its track, and deleted when old."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import router
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from tracking.conf import conf
from tracking.history.partitions import history_db
from tracking.history.rows import Span
from tracking.ids import DriverId
from tracking.models import DriverAlert, HistoryHold

BATCH_SIZE: Final = 1_000  # rows of one transaction


def erase_alerts(driver_id: DriverId, before: datetime, keep: Sequence[Span] = ()) -> None:
    """Delete a driver's alerts that began before a time, except in `keep`.

    One that has not ended is raised again, without what was erased.
    """
    alerts = DriverAlert.objects.using(router.db_for_write(DriverAlert))
    old = alerts.filter(driver_id=driver_id, since__lt=before)  # type: ignore[misc]  # the demo's ids are integers
    for span in keep:
        old = old.exclude(since__gte=span.since, since__lt=span.until)
    old.delete()


def purge_alerts() -> int:
    """Delete a batch of alerts that ended HISTORY_DAYS ago, and return their number.

    Without a history they are as old as events may be. Kept is what is held.
    """
    alerts = DriverAlert.objects.using(router.db_for_write(DriverAlert))
    oldest = timezone.now() - timedelta(days=conf.HISTORY_DAYS or conf.EVENT_DAYS)
    holds = HistoryHold.objects.using(history_db()).filter(
        Q(reference=OuterRef("trip__reference"))
        | Q(
            driver_id=OuterRef("driver_id"),
            since__lte=OuterRef("since"),
            until__gt=OuterRef("since"),
        ),
        released_at=None,
    )
    old = alerts.filter(~Exists(holds), ended_at__lt=oldest)
    batch = list(old.values_list("pk", flat=True)[:BATCH_SIZE])
    if batch:
        alerts.filter(pk__in=batch).delete()
    return len(batch)
