"""The look at all drivers on a trip, every few seconds, which raises alerts and ends them.

What a condition needs to remember, such as where a driver stands, is in the memory of the process:
after a restart an alert may be late by the time that its condition takes. Alerts that are open are
taken over from the database.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from tracking.alerts.conditions import Condition, Drive, Verdict
from tracking.alerts.rows import (
    Key,
    OpenAlert,
    end_alerts,
    load_drives,
    load_left,
    load_open,
    load_routes,
    raise_alerts,
)
from tracking.models import AlertKind, DriverAlert

# An alert ends once its condition has been over for so long: a phone with a bad connection is
# silent, heard once, and silent again.
OVER_AFTER: Final = timedelta(seconds=60)


class Watch:
    """The memory of one process. Any number of processes may look at once."""

    def __init__(self) -> None:
        self._conditions: dict[Key, Condition] = {}
        # The alerts that this process knows, and since when the condition is over.
        self._known: set[int] = set()
        self._over: dict[int, datetime] = {}

    def look(self) -> int:
        """Raise and end alerts; return the number of both."""
        now = timezone.now()
        opened: dict[Key, dict[str, OpenAlert]] = defaultdict(dict)
        alerts = load_open()
        for alert in alerts:
            opened[alert.key][alert.kind] = alert
        drives = {(drive.driver_id, drive.trip_id): drive for drive in load_drives()}
        # So the conditions of drives that are over are forgotten.
        self._conditions = {key: self._conditions.get(key) or Condition() for key in drives}
        self._resume([alert for alert in alerts if alert.id not in self._known])
        self._follow(drives)
        raised: list[DriverAlert] = []
        ended = {alert.id: now for alert in alerts if alert.key not in drives}
        for key, drive in drives.items():
            condition = self._conditions[key]
            present = opened.get(key, {})
            for kind, verdict in condition.judge(drive, now, frozenset(present)).items():
                if kind in present:
                    at = self._over_since(present[kind].id, verdict, now)
                    if at is not None and now - at >= OVER_AFTER:
                        ended[present[kind].id] = at
                elif verdict.is_met:
                    raised.append(_alert(kind, drive, verdict, condition))
        raise_alerts(raised)
        end_alerts(ended)
        self._known = {alert.id for alert in alerts} - ended.keys()
        self._over = {pk: at for pk, at in self._over.items() if pk in self._known}
        return len(raised) + len(ended)

    def _resume(self, alerts: list[OpenAlert]) -> None:
        """Take over alerts that others have raised, and this one just before."""
        new = [alert for alert in alerts if alert.key in self._conditions]
        left = load_left([alert.id for alert in new if alert.kind == AlertKind.OFF_ROUTE])
        for alert in new:
            self._conditions[alert.key].resume(
                alert.kind, alert.since, alert.place, alert.waypoint, left.get(alert.id, "")
            )

    def _follow(self, drives: dict[Key, Drive]) -> None:
        """Load the routes that are to be followed."""
        wanted = [key for key, drive in drives.items() if self._conditions[key].needs_route(drive)]
        routes = load_routes([trip_id for _, trip_id in wanted]) if wanted else {}
        for key in wanted:
            if (route := routes.get(drives[key].trip_id)) is not None:
                self._conditions[key].follow(drives[key], route)

    def _over_since(self, alert_id: int, verdict: Verdict, now: datetime) -> datetime | None:
        """Return since when the condition of an open alert is over."""
        if verdict.is_met is not False:
            self._over.pop(alert_id, None)
            return None
        return self._over.setdefault(alert_id, now)


def _alert(kind: str, drive: Drive, verdict: Verdict, condition: Condition) -> DriverAlert:
    is_off = kind == AlertKind.OFF_ROUTE
    place = drive.place
    return DriverAlert(
        kind=kind,
        driver_id=drive.driver_id,  # type: ignore[misc]  # the demo's ids are integers
        trip_id=drive.trip_id,
        since=verdict.since,
        latitude=None if place is None else place.latitude,
        longitude=None if place is None else place.longitude,
        waypoint=condition.leg if is_off else None,
        route=condition.line if is_off else "",
    )
