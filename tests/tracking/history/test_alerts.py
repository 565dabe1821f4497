"""Alerts are erased with the track, and deleted when they are old."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from tracking.history import alerts
from tracking.history.alerts import purge_alerts
from tracking.history.erasure import erase
from tracking.models import DriverAlert, HistoryHold, Trip

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def raised(database, monkeypatch):
    """Return a function that stores an alert of so many days ago."""
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    users = get_user_model().objects

    def raised(days, reference="", driver=None):
        driver = driver or users.create_user(email=f"d{users.count()}@example.com").pk
        trip = Trip.objects.create(
            created_at=NOW, reference=reference, status="complete", ended_at=NOW
        )
        since = NOW - timedelta(days=days, seconds=1)
        return DriverAlert.objects.create(
            kind="silent", driver_id=driver, trip=trip, since=since, ended_at=since
        )

    return raised


def kept():
    return set(DriverAlert.objects.values_list("pk", flat=True))


def hold(alert, reference="T-1", **fields):
    return HistoryHold.objects.create(
        driver_id=alert.driver_id,
        since=fields.get("since", NOW - timedelta(days=1_000)),
        until=fields.get("until", NOW),
        reference=reference,
        held_at=NOW,
    )


def test_erasure_deletes_a_drivers_alerts_except_what_is_held(raised):
    old = raised(3)
    later, held = raised(1, driver=old.driver_id), raised(5, driver=old.driver_id)
    others = raised(3)
    hold(held, since=held.since, until=held.since + timedelta(seconds=1))
    erase(old.driver_id, NOW - timedelta(days=2))
    assert kept() == {later.pk, others.pk, held.pk}


def test_old_alerts_are_deleted_in_batches_except_what_is_held(raised, settings, monkeypatch):
    settings.TRACKING = settings.TRACKING | {"HISTORY_DAYS": 60}
    monkeypatch.setattr(alerts, "BATCH_SIZE", 2)
    for _ in range(3):
        raised(60)
    recent, named, in_time, open_one = raised(59), raised(61, "T-7"), raised(61), raised(61)
    hold(recent, "T-7")
    hold(in_time)
    DriverAlert.objects.filter(pk=open_one.pk).update(ended_at=None)
    assert [purge_alerts() for _ in range(3)] == [2, 1, 0]
    assert kept() == {recent.pk, named.pk, in_time.pk, open_one.pk}


def test_without_a_history_alerts_are_kept_as_long_as_events(raised, settings):
    settings.TRACKING = settings.TRACKING | {"HISTORY_DAYS": 0, "EVENT_DAYS": 10}
    recent, _ = raised(9), raised(10)
    assert purge_alerts() == 1
    assert kept() == {recent.pk}
