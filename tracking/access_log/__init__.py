"""The audit trail: who looked at whose location, in which way and when.

A row stands for all looks of one viewer at one driver in one way within `PERIOD`, so that a stream
is a row every ten minutes and not one for each location. Drivers who look at themselves leave none.
Workers know nothing of each other's rows: with several there may be one from each.

A look is not refused because it could not be recorded. What is lost is counted in the log.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from typing import Final, NamedTuple, TypeAlias

from django.db import Error as DatabaseError
from django.db import router, transaction
from django.utils import timezone

from tracking.conf import conf
from tracking.models import LocationAccess
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

Way: TypeAlias = LocationAccess.Way

# Seconds for which a row stands.
PERIOD: Final = 600.0

# Looks whose rows are remembered, some 150 bytes each. Beyond it the oldest are forgotten, and
# leave a row more than they need.
MAX_RECENT: Final = 50_000

# Rows that a statement inserts or deletes: 1,000 take PostgreSQL some 20 ms.
BATCH: Final = 1_000

# Seconds between two deletions of what is too old.
PURGE_INTERVAL: Final = 3600.0


class Look(NamedTuple):
    """A row to be. Without a driver it is of all drivers, as on the fleet's map."""

    viewer_id: int
    driver_id: int | None
    way: Way
    at: datetime

    @property
    def key(self) -> tuple[int, int | None, Way]:
        return self[:3]


class Recent:
    """The looks that have a row already. Safe to use from any thread."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[int, int | None, Way], float] = OrderedDict()
        self._lock = Lock()

    def new(self, viewer_id: int | None, way: Way, driver_ids: Iterable[int | None]) -> list[Look]:
        """Return those looks that have no row yet."""
        if viewer_id is None or not conf.ACCESS_LOG_DAYS:
            return []
        at, now = timezone.now(), time.monotonic()
        looks = [Look(viewer_id, pk, way, at) for pk in driver_ids if pk != viewer_id]
        with self._lock:
            return [look for look in looks if self._until.get(look.key, 0) <= now]

    def add(self, looks: Iterable[Look]) -> None:
        """Count these as recorded from now on."""
        now = time.monotonic()
        with self._lock:
            for look in looks:
                self._until[look.key] = now + PERIOD
                self._until.move_to_end(look.key)
            while self._until and (
                len(self._until) > MAX_RECENT or next(iter(self._until.values())) <= now
            ):
                self._until.popitem(last=False)

    def remove(self, looks: Iterable[Look]) -> None:
        """Count these as recorded no more."""
        with self._lock:
            for look in looks:
                self._until.pop(look.key, None)

    def clear(self) -> None:
        with self._lock:
            self._until.clear()


recent: Final = Recent()


def record(viewer_id: int | None, way: Way, driver_ids: Iterable[int | None] = (None,)) -> None:
    """Record that somebody looks at these drivers, or at all of them; for synchronous code."""
    looks = recent.new(viewer_id, way, driver_ids)
    if not looks:
        return
    using = router.db_for_write(LocationAccess)
    try:
        with transaction.atomic(using=using):
            store(looks)
    except DatabaseError as error:
        lost(looks, error)
    else:
        # Within a transaction that is rolled back there is no row after all.
        transaction.on_commit(partial(recent.add, looks), using=using)


def store(looks: Sequence[Look]) -> None:
    """Insert rows, and now and then delete those that are older than `ACCESS_LOG_DAYS`."""
    rows = LocationAccess.objects.using(router.db_for_write(LocationAccess))
    rows.bulk_create(
        (
            LocationAccess(viewer_id=viewer, driver_id=driver, way=way, at=at)
            for viewer, driver, way, at in looks
        ),
        batch_size=BATCH,
    )
    _purge()


def lost(looks: Sequence[Look], error: Exception) -> None:
    """Say in the log that these have no row."""
    logger.error("%d looks at locations could not be recorded: %s", len(looks), reason(error))


_purge_at = 0.0


def _purge() -> None:
    global _purge_at
    now = time.monotonic()
    if now < _purge_at:
        return
    _purge_at = now + PURGE_INTERVAL
    rows = LocationAccess.objects.using(router.db_for_write(LocationAccess))
    oldest = timezone.now() - timedelta(days=conf.ACCESS_LOG_DAYS)
    while True:
        old = list(rows.filter(at__lt=oldest).order_by("at").values_list("pk", flat=True)[:BATCH])
        if old:
            rows.filter(pk__in=old).delete()
        if len(old) < BATCH:
            return
