"""The events `driver.status_changed`: a driver is live, stale or offline.

Time makes a driver stale, and no transaction. So the statuses are compared with those that were
told last, every few seconds, by the process that delivers events. While no endpoint gets such
events, nothing is compared; in Python there is the signal `driver_status_changed`.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from django.db import router, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from tracking.events.rows import of_driver, store
from tracking.ids import DriverId, to_plain
from tracking.models import AnnouncedStatus, DriverLocation, EventType, WebhookEndpoint
from tracking.protocol import format_time
from tracking.status import Status, has_status

# Drivers per transaction.
BATCH_SIZE: Final = 500


class _Change(NamedTuple):
    driver_id: DriverId
    status: Status
    previous: str
    # When the phone was heard last: the same for all processes that notice the change.
    heard: datetime


def note_statuses() -> int:
    """Store an event for each driver whose status is another one than was told last.

    Return their number, at most a few batches: the next call stores the rest. Any number of
    processes may do it at once.
    """
    wanted = WebhookEndpoint.objects.filter(disabled_at=None).values_list("events", flat=True)
    if not any(EventType.DRIVER_STATUS_CHANGED in types for types in wanted):
        return 0
    now = timezone.now()
    noted = 0
    for changes in _changes(now):
        _store(changes, now)
        noted += len(changes)
    return noted


def _changes(now: datetime) -> Iterator[list[_Change]]:
    """Yield the changes to each status, a batch of each."""
    told = AnnouncedStatus.objects.filter(driver=OuterRef("pk"))
    for status in (Status.LIVE, Status.STALE, Status.OFFLINE):
        rows = DriverLocation.objects.filter(has_status(status, now))
        if status is Status.OFFLINE:
            rows = rows.filter(Exists(told.exclude(status=status)))
        else:
            rows = rows.exclude(Exists(told.filter(status=status)))
        found = list(rows.only("pk", "heard_at", "received_at")[:BATCH_SIZE])
        previous = dict(
            AnnouncedStatus.objects.filter(pk__in=[row.pk for row in found]).values_list(
                "pk", "status"
            )
        )
        yield [
            _Change(row.pk, status, previous.get(row.pk, Status.OFFLINE), row.heard)
            for row in found
        ]
    # Off duty there is no last known location.
    located = DriverLocation.objects.filter(pk=OuterRef("pk"))
    gone = AnnouncedStatus.objects.exclude(status=Status.OFFLINE).exclude(Exists(located))
    yield [_Change(row.pk, Status.OFFLINE, row.status, row.changed_at) for row in gone[:BATCH_SIZE]]


def _store(changes: list[_Change], now: datetime) -> None:
    using = router.db_for_write(AnnouncedStatus)
    with transaction.atomic(using):
        AnnouncedStatus.objects.using(using).bulk_create(
            [
                AnnouncedStatus(
                    driver_id=each.driver_id,  # type: ignore[misc]  # the demo's ids are integers
                    status=each.status,
                    changed_at=now,
                )
                for each in sorted(changes, key=lambda each: each.driver_id)
            ],
            update_conflicts=True,
            unique_fields=["driver"],
            update_fields=["status", "changed_at"],
        )
        store(
            of_driver(
                each.driver_id,
                EventType.DRIVER_STATUS_CHANGED,
                now,
                key=f"{each.status}:{to_plain(each.driver_id)}:{format_time(each.heard)}",
                status=each.status,
                previous_status=each.previous,
            )
            for each in changes
        )
