"""The retention of share links: old ones are deleted."""

from datetime import timedelta
from typing import Final

from django.db import router
from django.utils import timezone

from tracking.conf import conf
from tracking.models import TripShare

# Links deleted by one transaction.
BATCH_SIZE: Final = 1_000


def purge() -> int:
    """Delete a batch of links that expired EVENT_DAYS ago, and return their number."""
    rows = TripShare.objects.using(router.db_for_write(TripShare))
    oldest = timezone.now() - timedelta(days=conf.EVENT_DAYS)
    batch = list(rows.filter(expires_at__lt=oldest).values_list("pk", flat=True)[:BATCH_SIZE])
    if batch:
        rows.filter(pk__in=batch).delete()
    return len(batch)
