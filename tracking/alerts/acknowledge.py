"""Acknowledging an alert: a dispatcher looks after it."""

from django.db import router
from django.utils import timezone

from tracking.ids import UserId
from tracking.models import DriverAlert


def acknowledge(alert_id: int, *, by: UserId, note: str = "") -> None:
    """Note that a dispatcher looks after an alert. The first one stays: later calls do nothing."""
    alerts = DriverAlert.objects.using(router.db_for_write(DriverAlert))
    alerts.filter(pk=alert_id, acknowledged_at=None).update(
        acknowledged_at=timezone.now(), acknowledged_by=by, note=note
    )
