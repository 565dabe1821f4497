"""Visits to zones that time ends or lengthens: drivers who stay, and who went off duty inside."""

from datetime import datetime, timedelta
from typing import Final

from django.db import router, transaction
from django.db.models import Min, OuterRef, Subquery
from django.utils import timezone

from tracking import events
from tracking.arrival.rows import event_of, leave
from tracking.models import DriverState, EventType, State, Zone, ZoneVisit
from tracking.protocol import format_time

# Visits per transaction.
BATCH_SIZE: Final = 500


def sweep() -> int:
    """Store the events of drivers who stay in a zone, and end visits; return the number of both.

    A driver dwells whether or not its phone still reports. One that goes off duty inside leaves the
    zone. The visits to a zone that is switched off end without an event. Any number of processes
    may do it at once.
    """
    now = timezone.now()
    return _note_dwelling(now) + _end_off_duty() + _end_inactive(now)


def _note_dwelling(now: datetime) -> int:
    using = router.db_for_write(ZoneVisit)
    shortest = Zone.objects.using(using).aggregate(seconds=Min("dwell_after"))["seconds"]
    if shortest is None:
        return 0
    rows = ZoneVisit.objects.using(using).filter(
        dwelled_at=None,
        exited_at=None,
        zone__is_active=True,
        entered_at__lte=now - timedelta(seconds=shortest),
    )
    stays = rows.values_list("pk", "entered_at", "zone__dwell_after")
    due = [
        pk
        for pk, entered_at, seconds in stays
        if seconds is not None and entered_at + timedelta(seconds=seconds) <= now
    ]
    for start in range(0, len(due), BATCH_SIZE):
        with transaction.atomic(using):
            found = rows.filter(pk__in=due[start : start + BATCH_SIZE]).select_related("zone")
            dwelled = []
            for visit in found.select_for_update(of=("self",), skip_locked=True):
                visit.dwelled_at = visit.entered_at + timedelta(seconds=visit.zone.dwell_after or 0)
                visit.save(using=using, update_fields=["dwelled_at"])
                dwelled.append(
                    event_of(
                        EventType.ZONE_DWELLED,
                        visit.zone,
                        visit.driver_id,
                        visit.dwelled_at,
                        entered_at=format_time(visit.entered_at),
                    )
                )
            events.store(dwelled)
    return len(due)


def _end_off_duty() -> int:
    using = router.db_for_write(ZoneVisit)
    off_duty = DriverState.objects.filter(
        driver=OuterRef("driver"),
        state=State.NON_OPERATIONAL,
        off_duty_from__gte=OuterRef("entered_at"),
    )
    visits = ZoneVisit.objects.using(using).filter(exited_at=None)
    left = visits.annotate(left_at=Subquery(off_duty.values("off_duty_from")[:1]))
    found = list(left.filter(left_at__isnull=False).select_related("zone")[:BATCH_SIZE])
    for visit in found:
        with transaction.atomic(using):
            events.store(leave(visit.zone, visit.driver_id, visit.left_at, using))
    return len(found)


def _end_inactive(now: datetime) -> int:
    using = router.db_for_write(ZoneVisit)
    visits = ZoneVisit.objects.using(using).filter(exited_at=None, zone__is_active=False)
    return visits.update(exited_at=now)
