"""`manage.py tracking_maintain`: the daily work on history, trips, events and audit trail."""

import logging
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections

from tracking import access_log
from tracking.events import retention
from tracking.history.alerts import BATCH_SIZE as ALERTS
from tracking.history.alerts import purge_alerts
from tracking.history.maintenance import STEPS, exclusive
from tracking.shares import retention as shares
from tracking.trips.overdue import cancel_overdue

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Cancels overdue trips, creates the history's partitions, applies erasures, deletes and "
        "packs old days, and deletes old places, events, share links, alerts and rows of the audit "
        "trail. Run it once a day, for example from cron, as the user that runs the server. Any "
        "number of machines may do so."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with exclusive() as is_first:
            if not is_first:
                self.stdout.write("Another tracking_maintain is running. Nothing was done.")
                return
            steps = (
                ("Overdue trips", _cancel_overdue_trips),
                *STEPS,
                ("Events", _purge_events),
                ("Share links", _purge_shares),
                ("Alerts", _purge_alerts),
                ("Audit trail", _purge_audit_trail),
            )
            failed = [title for title, step in steps if not self._succeeds(title, step)]
        if failed:
            raise CommandError(f"{len(failed)} steps failed: {', '.join(failed)}")

    def _succeeds(self, title: str, step: Callable[[], str]) -> bool:
        """Run a step and write its line. One that fails does not stop the others."""
        try:
            self.stdout.write(f"{title}: {step()}")
        except Exception as error:
            logger.exception("A step of tracking_maintain failed: %s", title)
            self.stderr.write(f"{title}: failed: {error}")
            close_old_connections()
            return False
        return True


def _cancel_overdue_trips() -> str:
    overdue = cancel_overdue()
    done = f"{overdue.canceled} canceled"
    if overdue.failed:
        raise RuntimeError(f"{done}, not {', '.join(map(str, overdue.failed))}")
    return done


def _purge_audit_trail() -> str:
    return _purge(access_log.purge, access_log.BATCH_SIZE)


def _purge_shares() -> str:
    return _purge(shares.purge, shares.BATCH_SIZE)


def _purge_events() -> str:
    events = _purge(retention.purge, retention.BATCH_SIZE)
    visits = _purge(retention.purge_visits, retention.BATCH_SIZE)
    return f"{events}, and of visits to zones {visits}"


def _purge_alerts() -> str:
    return _purge(purge_alerts, ALERTS)


def _purge(batch: Callable[[], int], size: int) -> str:
    """Delete batch after batch, while they are full."""
    deleted = count = batch()
    while count == size:
        count = batch()
        deleted += count
    return f"{deleted} rows deleted"
