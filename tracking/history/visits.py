"""Visits to zones, which say where a driver was: erased together with its track."""

from datetime import datetime

from django.db import router

from tracking.ids import DriverId
from tracking.models import Event, EventType, ZoneVisit

_OF_ZONES = (EventType.ZONE_ENTERED, EventType.ZONE_EXITED, EventType.ZONE_DWELLED)


def erase_visits(driver_id: DriverId, before: datetime) -> None:
    """Delete a driver's visits that began before a time and have ended, and the events of visits.

    An event that was not delivered yet is not delivered any more.
    """
    using = router.db_for_write(ZoneVisit)
    visits = ZoneVisit.objects.using(using).filter(driver_id=driver_id)  # type: ignore[misc]  # the demo's ids are integers
    visits.filter(entered_at__lt=before, exited_at__isnull=False).delete()
    events = Event.objects.using(using).filter(driver=driver_id, type__in=_OF_ZONES)  # type: ignore[misc]  # as above
    events.filter(occurred_at__lt=before).delete()
