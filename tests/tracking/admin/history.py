"""Drivers' histories, and the admin's pages of them."""

import html
import re
from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import Permission
from django.utils import timezone

from tracking.history.packing import E7
from tracking.models import DriverLocation, HistoryFix, HistoryHold, LocationAccess

LOCATIONS = "/admin/tracking/driverlocation/"
HOLDS = "/admin/tracking/historyhold/"
LOOKS = "/admin/tracking/locationaccess/"
LATITUDE, LONGITUDE = -1.4354, 0.9871
METRE = 1 / 111_195  # degrees


def permit(user, *names):
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))


def day_ago(days=1):
    return timezone.now().date() - timedelta(days=days)


def at(day, *clock, zone=UTC):
    return datetime(day.year, day.month, day.day, *clock, tzinfo=zone)


def fix(driver_id, recorded_at, metres=0.0, **more):
    """Return a fix so many metres north of the place."""
    return HistoryFix(
        **{
            "driver_id": driver_id,
            "recorded_at": recorded_at,
            "received_at": recorded_at,
            "latitude_e7": round((LATITUDE + metres * METRE) * E7),
            "longitude_e7": round(LONGITUDE * E7),
            "speed": 10.0,
            "mock": False,
            **more,
        }
    )


def drive(driver_id, start, *, seconds=300, speed=10.0):
    """Store a drive to the north, with a fix every 5 s."""
    steps = range(0, seconds + 1, 5)
    fixes = [fix(driver_id, start + timedelta(seconds=s), s * speed) for s in steps]
    HistoryFix.objects.bulk_create(fixes)


def locate(user, recorded_at):
    return DriverLocation.objects.create(
        driver=user,
        latitude=LATITUDE,
        longitude=LONGITUDE,
        recorded_at=recorded_at,
        received_at=recorded_at,
    )


def day_path(user, **query):
    pairs = "&".join(f"{name}={value}" for name, value in query.items())
    return f"{LOCATIONS}{user.pk}/day/" + (f"?{pairs}" if pairs else "")


def text_of(response):
    assert response.status_code == 200
    return response.content.decode()


def looks():
    fields = ("way", "driver", "since", "until", "purpose")
    return list(LocationAccess.objects.filter(way__in=["track", "export"]).values_list(*fields))


def run(client, path, action, *rows, **more):
    data = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    return client.post(path, data)


def said(client, path):
    """Return the messages that the next page shows."""
    items = re.findall(r'<ul class="messagelist">(.*?)</ul>', text_of(client.get(path)), re.DOTALL)
    return [html.unescape(text) for text in re.findall(r"<li[^>]*>(.*?)</li>", "".join(items))]


def hold_of(user, **more):
    since = at(day_ago(2), 8)
    return HistoryHold.objects.create(
        **{
            "reference": "T-7",
            "driver": user,
            "since": since,
            "until": since + timedelta(hours=1),
            "held_at": timezone.now(),
            **more,
        }
    )
