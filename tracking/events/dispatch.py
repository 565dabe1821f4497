"""The dispatch of events: from each row, the host's signal and the deliveries to webhooks.

An event is due while `dispatched_at` is null. Its place in the order of ids says nothing: an id is
made before the commit, so that a row may appear below others that were dispatched long ago.
"""

import logging
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.db import DatabaseError, router, transaction
from django.db.models import QuerySet
from django.utils import timezone

from tracking.ids import time_of
from tracking.models import Event, WebhookDelivery, WebhookEndpoint
from tracking.signals import event_occurred
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Events of one transaction.
BATCH_SIZE: Final = 500
# Rows of what waits that are counted at most: each scrape of the metrics reads so many.
MAX_COUNTED: Final = 10_000
# Seconds that the host's receivers may take for a transaction, before it is committed with the
# events so far: it holds locks, and on SQLite the only one for writing.
MAX_SIGNALLING: Final = 1.0


def dispatch_pending() -> int:
    """Send the signal of all events that are due, make their deliveries, and return their number.

    `manage.py tracking_deliver` does so continually. Any number of processes may, on PostgreSQL at
    the same time. Tests of a host call it, to have its receivers called.
    """
    total = 0
    while count := dispatch_batch():
        total += count
    return total


def dispatch_batch() -> int:
    """Dispatch a bounded number of events in one transaction, and return their number."""
    using = router.db_for_write(Event)
    due = Event.objects.using(using).filter(dispatched_at=None)
    # First outside of a transaction, which on SQLite would lock the database for writing.
    if not due.exists():
        return 0
    with transaction.atomic(using):
        if transaction.get_connection(using).features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True)
        events = _send_signals(list(due.order_by("pk")[:BATCH_SIZE]), using)
        _make_deliveries(events, using)
        Event.objects.using(using).filter(pk__in=[event.pk for event in events]).update(
            dispatched_at=timezone.now()
        )
    return len(events)


def oldest_pending() -> datetime | None:
    """Return since when the oldest event is due; None without one."""
    oldest = _pending().values_list("pk", flat=True).first()
    return None if oldest is None else time_of(oldest)


def count_pending() -> int:
    """Return the number of events that are due, up to `MAX_COUNTED`."""
    return _pending()[:MAX_COUNTED].count()


def _pending() -> QuerySet[Event]:
    # In this order the database reads them from their index.
    return Event.objects.using(router.db_for_write(Event)).filter(dispatched_at=None).order_by("pk")


def _make_deliveries(events: Sequence[Event], using: str) -> None:
    now = timezone.now()
    endpoints = WebhookEndpoint.objects.using(using).filter(disabled_at=None)
    wanted = [
        (endpoint_id, set(types)) for endpoint_id, types in endpoints.values_list("pk", "events")
    ]
    WebhookDelivery.objects.using(using).bulk_create(
        [
            WebhookDelivery(
                event=event, endpoint_id=endpoint_id, created_at=now, next_attempt_at=now
            )
            for event in events
            for endpoint_id, types in wanted
            if event.type in types
        ],
        # A test of an endpoint has its delivery already.
        ignore_conflicts=True,
    )


def _send_signals(events: list[Event], using: str) -> list[Event]:
    """Send the signal of each event, while there is time; return those whose signal was sent."""
    if not event_occurred.has_listeners(Event):
        return events
    ends = time.monotonic() + MAX_SIGNALLING
    for number, event in enumerate(events, 1):
        _send_signal(event, using)
        if time.monotonic() > ends:
            return events[:number]
    return events


def _send_signal(event: Event, using: str) -> None:
    """Send the signal, with a savepoint before it.

    PostgreSQL accepts nothing more in a transaction in which a receiver's statement failed. Then,
    and only then, what the event's receivers wrote is undone.
    """
    savepoint = transaction.savepoint(using)
    for receiver, error in event_occurred.send_robust(sender=Event, event=event):
        if isinstance(error, Exception):
            logger.error("A receiver of event_occurred failed: %s", _name(receiver), exc_info=error)
    try:
        transaction.savepoint_commit(savepoint, using)
    except DatabaseError as error:
        # Raises if the connection is lost.
        transaction.set_rollback(rollback=False, using=using)
        transaction.savepoint_rollback(savepoint, using)
        logger.error(
            "What the receivers of event_occurred wrote was undone, as a statement failed: %s",
            reason(error),
        )


def _name(receiver: Any) -> str:
    return getattr(receiver, "__qualname__", None) or type(receiver).__qualname__
