"""The page of a driver's day: a map, a timeline, and lists of stops and gaps."""

from datetime import date, datetime, timedelta, tzinfo
from functools import cache
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import forms
from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import quote
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import json_script
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tracking.access_log import record_past
from tracking.admin.cells import duration, map_url
from tracking.admin.day import Day, as_json, neighbours, read_day
from tracking.conf import conf
from tracking.history.rows import EARLIEST
from tracking.ids import DriverId
from tracking.models import LocationAccess
from tracking.people import full_name
from tracking.rest.windows import MAX_PURPOSE, Window, day_window, zone_names

ONE_DAY: Final = timedelta(days=1)

# The id of the element with the data of the page's script.
TRACK_ID: Final = "history-track"

# Files of the REST API, which a project need not include.
DOWNLOADS: Final = {"gpx": "GPX", "csv": "CSV"}


@cache
def place_names() -> list[str]:
    """Return the names of the time zones of places, and UTC, in order."""
    others = ("Etc/", "SystemV/", "US/")
    places = [name for name in zone_names() if "/" in name]
    return ["UTC", *sorted(name for name in places if not name.startswith(others))]


def zone_name(zone: tzinfo) -> str:
    """Return the name of a time zone, or "" if it is only an offset."""
    return getattr(zone, "key", "")


class DayField(forms.DateField):
    """A day as in RFC 3339, after 1970-01-01."""

    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    input_formats = ("%Y-%m-%d",)

    def clean(self, value: Any) -> date:
        day: date = super().clean(value)
        if not EARLIEST.date() < day < date.max - 2 * ONE_DAY:
            raise ValidationError(_("Choose another day."), code="invalid")
        return day


class ZoneField(forms.CharField):
    """The name of a time zone, by default that of Django's current one."""

    def clean(self, value: Any) -> tzinfo:
        name = super().clean(value)
        if not name:
            return timezone.get_current_timezone()
        if name not in zone_names():
            text = _("There is no such time zone. Choose one such as Europe/Helsinki.")
            raise ValidationError(text, code="invalid")
        return ZoneInfo(name)


class DayForm(forms.Form):
    """The query of the page. It stays in the URL, which can be shared."""

    date = DayField(label=gettext_lazy("Day"))
    tz = ZoneField(
        label=gettext_lazy("Time zone"),
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"list": "history-zones", "autocomplete": "off"}),
    )
    purpose = forms.CharField(
        label=gettext_lazy("Purpose"),
        required=False,
        max_length=MAX_PURPOSE,
        widget=forms.TextInput(attrs={"placeholder": gettext_lazy("Kept in the access log")}),
    )


def day_query(at: datetime, zone: tzinfo | None = None) -> dict[str, str]:
    """Return the query of the page for the day of a time, by default in Django's time zone."""
    zone = zone or timezone.get_current_timezone()
    return {"date": f"{timezone.localtime(at, zone):%Y-%m-%d}", "tz": zone_name(zone)}


def day_url(site: str, driver_id: DriverId, query: dict[str, str]) -> str:
    """Return the URL of the page in the admin site of this name; empty values are left out."""
    path = reverse(f"{site}:tracking_driverlocation_day", args=[quote(driver_id)])
    return _with_query(path, query)


def _with_query(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode({name: value for name, value in query.items() if value})}"


def show_day(
    model_admin: "ModelAdmin[Any]",
    request: HttpRequest,
    driver: AbstractBaseUser,
    last_at: datetime | None,
) -> HttpResponse:
    """Show a driver's day, and record the look; without a day in the query, redirect to one.

    That is the day of `last_at`, the time of the last known location, or today.
    """
    site = model_admin.admin_site
    form = DayForm(request.GET, label_suffix="")
    is_valid = form.is_valid()
    if "date" not in request.GET:
        given = {name: request.GET[name] for name in ("tz", "purpose") if name in request.GET}
        query = day_query(last_at or timezone.now(), form.cleaned_data.get("tz")) | given
        return HttpResponseRedirect(day_url(site.name, driver.pk, query))
    context: dict[str, Any] = {
        **site.each_context(request),
        "opts": model_admin.opts,
        "title": full_name(driver),
        "form": form,
        "zones": place_names(),
        "may_view_locations": model_admin.has_view_permission(request),
        "is_off": conf.HISTORY == "off",
    }
    if is_valid:
        wanted: dict[str, Any] = form.cleaned_data
        page = DayPage(site.name, driver.pk, wanted["date"], wanted["tz"], wanted["purpose"])
        record_past(
            request.user.pk,
            LocationAccess.Way.TRACK,
            driver.pk,
            since=page.window.since,
            until=page.window.until,
            purpose=page.purpose,
        )
        context |= page.context()
    request.current_app = site.name
    return TemplateResponse(request, "admin/tracking/driverlocation/day.html", context)


class Compact(DjangoJSONEncoder):
    """Encodes without blanks."""

    item_separator, key_separator = ",", ":"


class DayPage:
    """The contents of the page, for the template."""

    def __init__(
        self, site: str, driver_id: DriverId, day: date, zone: tzinfo, purpose: str
    ) -> None:
        self._site, self._driver_id, self._date, self._zone = site, driver_id, day, zone
        self.purpose = purpose
        self.window: Window = day_window(day, zone)

    def context(self) -> dict[str, Any]:
        day = read_day(self._driver_id, self.window)
        has_ended = self.window.until <= timezone.now()
        return {
            "subtitle": _long_date(self._date),
            "zone": zone_name(self._zone) or str(self._zone),
            "previous": self._url(self._date - ONE_DAY),
            "next": self._url(self._date + ONE_DAY) if has_ended else "",
            "facts": _facts(day),
            "stops": [
                {
                    **self._row(stop.since, stop.until, stop.seconds),
                    "map_url": map_url(stop.latitude, stop.longitude),
                }
                for stop in day.stops
            ],
            "gaps": [
                {
                    **self._row(gap.since, gap.until, gap.seconds),
                    "distance": _distance(gap.distance),
                }
                for gap in day.gaps
            ],
            # By a filter of the template, the data would be a quarter larger.
            "track": json_script(as_json(day, self._zone), TRACK_ID, Compact) if day.count else "",
            "widget": {
                "track_id": TRACK_ID,
                "zone": zone_name(self._zone) or "UTC",
                "flagged_count": day.flagged_count,
                "flagged_shown": len(day.flagged),
                "map_link_url": conf.MAP_LINK_URL,
            },
            "replay_url": self._replay_url(),
            "downloads": self._downloads() if day.count else [],
            "nearest": [] if day.count else self._nearest(),
            "days_kept": conf.HISTORY_DAYS if self._is_too_old() else 0,
        }

    def _url(self, day: date) -> str:
        query = {"date": f"{day}", "tz": zone_name(self._zone), "purpose": self.purpose}
        return day_url(self._site, self._driver_id, query)

    def _row(self, since: datetime, until: datetime, seconds: float) -> dict[str, str]:
        return {
            "moment": moment(since, self._zone),
            "since": f"{since.astimezone(self._zone):%H:%M}",
            "until": f"{until.astimezone(self._zone):%H:%M}",
            "duration": duration(seconds),
        }

    def _nearest(self) -> list[dict[str, str]]:
        """Return links to the days nearest to this one that have fixes."""
        times = neighbours(self._driver_id, self.window)
        days = [at.astimezone(self._zone).date() for at in times if at is not None]
        return [{"url": self._url(day), "date": _long_date(day)} for day in days]

    def _is_too_old(self) -> bool:
        """Return True if fixes of this day are not kept."""
        days: int = conf.HISTORY_DAYS
        return days > 0 and self.window.until <= timezone.now() - timedelta(days=days)

    def _replay_url(self) -> str:
        """Return the URL of the same day on a page of its own; "" without `tracking.urls`."""
        try:
            path = reverse("tracking:driver-replay", args=[self._driver_id])
        except NoReverseMatch:
            return ""
        query = {"date": f"{self._date}", "tz": zone_name(self._zone), "purpose": self.purpose}
        return _with_query(path, query)

    def _downloads(self) -> list[dict[str, str]]:
        try:
            path = reverse("tracking:track", args=[self._driver_id])
        except NoReverseMatch:
            return []
        since, until = (f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in self.window)
        query = {"from": since, "to": until, "purpose": self.purpose}
        return [
            {"name": name, "url": _with_query(path, query | {"format": kind})}
            for kind, name in DOWNLOADS.items()
        ]


def moment(at: datetime, zone: tzinfo) -> str:
    """Return the fragment of the page's URL for a time of its day.

    The second of two equal times, when the clocks are set back, has its offset from UTC.
    """
    local = at.astimezone(zone)
    return f"{local:%H:%M:%S}" + (local.isoformat()[-6:] if local.fold else "")


def _facts(day: Day) -> list[tuple[str, str]]:
    return [
        (_("Distance"), _distance(day.distance)),
        (_("Time moving"), duration(day.moving)),
        (_("Stops"), number_format(len(day.stops))),
        (_("Gaps"), number_format(len(day.gaps))),
        (_("Fixes"), number_format(day.count, force_grouping=True)),
    ]


def _distance(metres: float) -> str:
    if metres < 1000:
        return _("%(count)s m") % {"count": round(metres)}
    # Django would cut the decimals off.
    return _("%(count)s km") % {"count": number_format(round(metres / 1000, 1), 1)}


def _long_date(day: date) -> str:
    return f"{date_format(day, 'l')}, {date_format(day, 'DATE_FORMAT')}"
