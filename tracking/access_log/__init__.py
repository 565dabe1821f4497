"""The audit trail of access to locations: viewer, driver, way and time.

A row covers all looks of one viewer at one driver in one way within `PERIOD`, so a stream adds a
row every ten minutes, not one for each location. A look at the history has a row of its own, with
the window that was asked for. Drivers who look at themselves are not recorded.
Each worker keeps its own record, so several workers may each write a row.

A look is never refused because it cannot be recorded. Looks that were lost are counted in the log.
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
from tracking.ids import DriverId, UserId
from tracking.models import LocationAccess
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

Way: TypeAlias = LocationAccess.Way

# Seconds that a row covers.
PERIOD: Final = 600.0

# The number of looks whose rows are remembered, about 150 bytes each. Beyond it, the oldest are
# dropped, which may add a row more than needed.
MAX_RECENT: Final = 50_000

# Rows inserted or deleted per statement: 1,000 take PostgreSQL about 20 ms.
BATCH_SIZE: Final = 1_000

# Seconds between two searches for old rows. While there are more, each call of `store` deletes one
# batch: the thread that stores looks also acknowledges fixes, which must not wait for long.
PURGE_INTERVAL: Final = 3600.0


class Look(NamedTuple):
    """A look to be stored. A `driver_id` of None means all drivers, as on the fleet map.

    A look at the history has the window that was asked for, and the purpose if the viewer gave one.
    """

    viewer_id: UserId
    driver_id: DriverId | None
    way: Way
    at: datetime
    since: datetime | None = None
    until: datetime | None = None
    purpose: str = ""

    @property
    def key(self) -> tuple[UserId, DriverId | None, Way]:
        return self[:3]


class Recent:
    """The looks that a stored row covers. Thread-safe."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[UserId, DriverId | None, Way], float] = OrderedDict()
        self._lock = Lock()

    def new(
        self, viewer_id: UserId | None, way: Way, driver_ids: Iterable[DriverId | None]
    ) -> list[Look]:
        """Return the looks at these drivers that no row covers; none if the log is off."""
        if viewer_id is None or not conf.ACCESS_LOG_DAYS:
            return []
        at, now = timezone.now(), time.monotonic()
        looks = [Look(viewer_id, pk, way, at) for pk in driver_ids if pk != viewer_id]
        with self._lock:
            return [look for look in looks if self._until.get(look.key, 0) <= now]

    def add(self, looks: Iterable[Look]) -> None:
        """Mark these looks as covered by a row from now on."""
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
        """Mark these looks as not recorded."""
        with self._lock:
            for look in looks:
                self._until.pop(look.key, None)

    def clear(self) -> None:
        with self._lock:
            self._until.clear()


recent: Final = Recent()


def record(
    viewer_id: UserId | None, way: Way, driver_ids: Iterable[DriverId | None] = (None,)
) -> None:
    """Record a look at these drivers, by default at all drivers. For synchronous code."""
    looks = recent.new(viewer_id, way, driver_ids)
    if looks and _store_now(looks):
        # After the commit: a transaction that is rolled back stores no row.
        using = router.db_for_write(LocationAccess)
        transaction.on_commit(partial(recent.add, looks), using=using)


def record_past(
    viewer_id: UserId | None,
    way: Way,
    driver_id: DriverId | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    purpose: str = "",
) -> None:
    """Record a look at a driver's history, by default at all drivers'. For synchronous code.

    Each call adds a row, whatever was recorded before. Call it before the first byte is sent.
    """
    if viewer_id is not None and viewer_id != driver_id and conf.ACCESS_LOG_DAYS:
        _store_now([Look(viewer_id, driver_id, way, timezone.now(), since, until, purpose)])


def _store_now(looks: Sequence[Look]) -> bool:
    """Store the looks; return False, and log it, if the database refuses."""
    try:
        with transaction.atomic(using=router.db_for_write(LocationAccess)):
            store(looks)
    except DatabaseError as error:
        log_lost(looks, error)
        return False
    return True


def store(looks: Sequence[Look]) -> None:
    """Insert rows, and delete a batch of old ones if there are any: see ACCESS_LOG_DAYS."""
    rows = LocationAccess.objects.using(router.db_for_write(LocationAccess))
    rows.bulk_create(
        (LocationAccess(**look._asdict()) for look in looks),
        batch_size=BATCH_SIZE,
    )
    try:
        _purge()
    except DatabaseError as error:  # the looks are stored nevertheless
        logger.warning("Old looks at locations could not be deleted: %s", reason(error))


def log_lost(looks: Sequence[Look], error: Exception) -> None:
    """Log that these looks were not stored."""
    logger.error("%d looks at locations could not be recorded: %s", len(looks), reason(error))


_purge_at = 0.0


def _purge() -> None:
    global _purge_at
    now = time.monotonic()
    if now < _purge_at:
        return
    _purge_at = now + PURGE_INTERVAL
    if purge() == BATCH_SIZE:
        _purge_at = now


def purge() -> int:
    """Delete a batch of rows older than ACCESS_LOG_DAYS, and return their number.

    There may be more if it is `BATCH_SIZE`. If the log is off, all rows are old.
    """
    using = router.db_for_write(LocationAccess)
    rows = LocationAccess.objects.using(using)
    oldest = timezone.now() - timedelta(days=conf.ACCESS_LOG_DAYS)
    with transaction.atomic(using=using):
        # Rows that another worker is deleting are skipped.
        old = rows.filter(at__lt=oldest).order_by("at").select_for_update(skip_locked=True)
        batch = list(old.values_list("pk", flat=True)[:BATCH_SIZE])
        if batch:
            rows.filter(pk__in=batch).delete()
    return len(batch)
