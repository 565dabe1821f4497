"""The ways of finished trips on the streets, which are deleted with the fixes they were made of."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import router, transaction
from django.db.models import Model
from django.utils import timezone

from tracking.conf import conf
from tracking.history.partitions import day_of, start_of
from tracking.history.places import held
from tracking.history.rows import Span
from tracking.ids import DriverId
from tracking.models import Trip, TripAssignment, TripMatch

BATCH_SIZE: Final = 500  # rows of one transaction


def erase_matches(driver_id: DriverId, before: datetime, keep: Sequence[Span] = ()) -> int:
    """Delete the matches of trips that a driver had begun before a time; return their number.

    Those of times that are held as a whole stay. To be called once the fixes are deleted: who
    matches such a trip then, or is about to store a match, has none of them. What is left of the
    track of a recent trip is matched again.
    """
    using = router.db_for_write(TripMatch)
    drives = TripAssignment.objects.using(using).filter(driver_id=driver_id, since__lt=before)  # type: ignore[misc]  # the demo's ids are integers
    for span in keep:
        drives = drives.exclude(since__gte=span.since, until__lte=span.until)
    deleted, _ = TripMatch.objects.using(using).filter(trip__in=drives.values("trip")).delete()
    return deleted


def expire_matches() -> int:
    """Delete the matches of trips that ended HISTORY_DAYS ago or earlier, except what is held.

    Return their number. Nothing is deleted if HISTORY_DAYS is 0.
    """
    if not conf.HISTORY_DAYS:
        return 0
    limit = start_of(day_of(timezone.now() - timedelta(days=conf.HISTORY_DAYS)))
    using = router.db_for_write(TripMatch)
    trips = Trip.objects.using(using).filter(ended_at__lt=limit, match__isnull=False)
    expired = trips.exclude(held()).order_by("pk")
    deleted = 0
    while keys := list(expired.values_list("pk", flat=True)[:BATCH_SIZE]):
        deleted += TripMatch.objects.using(using).filter(pk__in=keys).delete()[0]
    return deleted


def delete_matches_of_driver(sender: type[Model], instance: Model, **kwargs: Any) -> None:
    """Receive `pre_delete` of the user model: delete the matches of the trips that a user drove.

    Before the deletion, as the rows that say who drove are deleted with the user. And again after
    the commit, as others see the user's fixes until then, and may match them.
    """
    using = router.db_for_write(TripMatch)
    driven = TripAssignment.objects.using(using).filter(driver_id=instance.pk)
    if keys := list(driven.values_list("trip", flat=True).distinct()):  # most users drive nothing

        def delete() -> None:
            TripMatch.objects.using(using).filter(pk__in=keys).delete()

        delete()
        transaction.on_commit(delete, using=using)
