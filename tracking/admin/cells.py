"""Cells of the admin's lists: a status with its colour, times, users, and the link to a map."""

from datetime import datetime
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from tracking.conf import conf
from tracking.people import full_name
from tracking.protocol import format_degrees


def status_cell(name: str, label: object) -> SafeString:
    """Return `label` in the colour that tracking/admin.css gives to the status `name`."""
    return format_html('<span class="tracking-status tracking-{}">{}</span>', name, label)


def minute_cell(at: datetime) -> SafeString:
    """Return a local time to the minute; its tooltip has the second and the zone."""
    return _time_cell(at, f"{timezone.localtime(at):%Y-%m-%d %H:%M}")


def age_cell(at: datetime) -> SafeString:
    """Return the age of a time; its tooltip has the time."""
    return _time_cell(at, time_ago((timezone.now() - at).total_seconds()))


def arrival_cell(at: datetime, *, is_sure: bool) -> SafeString:
    """Return the minutes until a time of arrival; its tooltip has the time."""
    seconds = (at - timezone.now()).total_seconds()
    if seconds < 60:
        return _time_cell(at, _("now"))
    text = duration(seconds) if is_sure else _("about %(time)s") % {"time": duration(seconds)}
    return _time_cell(at, text)


def time_ago(seconds: float) -> str:
    """Return an age in its largest whole unit: "12 s ago", "3 min ago", "5 h ago", "2 d ago"."""
    # The clock of the server that stored the time may be slightly ahead.
    age = max(0, int(seconds))
    if age < 60:
        return _("%(count)d s ago") % {"count": age}
    if age < 3600:
        return _("%(count)d min ago") % {"count": age // 60}
    if age < 86400:
        return _("%(count)d h ago") % {"count": age // 3600}
    return _("%(count)d d ago") % {"count": age // 86400}


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: "45 s", "12 min", "3 h 5 min"."""
    minutes = round(seconds / 60)
    if seconds < 59.5:
        return _("%(count)d s") % {"count": round(seconds)}
    if minutes < 60:
        return _("%(count)d min") % {"count": minutes}
    return _("%(hours)d h %(minutes)d min") % {"hours": minutes // 60, "minutes": minutes % 60}


def user_cell(row: Any, field: str) -> str:
    """Return the name of a row's user, "#" and the id of a deleted one, or a dash for None."""
    user_id = getattr(row, f"{field}_id")
    if user_id is None:
        return "–"
    try:
        user = getattr(row, field)
    except ObjectDoesNotExist:
        user = None
    return full_name(user) if user is not None else f"#{user_id}"


def map_url(latitude: float, longitude: float) -> str:
    """Return the URL of a place on the map of TRACKING["MAP_LINK_URL"]."""
    url: str = conf.MAP_LINK_URL.replace("{latitude}", format_degrees(latitude))
    return url.replace("{longitude}", format_degrees(longitude))


def _time_cell(at: datetime, text: str) -> SafeString:
    local = timezone.localtime(at)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(),
        f"{local:%Y-%m-%d %H:%M:%S %Z}",
        text,
    )
