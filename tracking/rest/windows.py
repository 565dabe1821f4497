"""Windows of the history in query strings: times, days of a time zone, and strict parameters.

A window is half-open: it contains `since` and not `until`, both aware UTC.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.settings import api_settings

from tracking.history.rows import EARLIEST, LATEST
from tracking.rest.problems import InvalidParameters

DEFAULT_LENGTH: Final = timedelta(days=1)

MAX_PURPOSE: Final = 200


class Window(NamedTuple):
    since: datetime
    until: datetime


def check_names(query: QueryDict, known: Collection[str]) -> None:
    """Raise InvalidParameters for a parameter that does not exist, or is there twice.

    A misspelt `until` would otherwise show more of a track than was asked for.
    """
    if set(query) - set(known):
        # Without the unknown name, because errors never quote input.
        names = ", ".join(known)
        text = _("There is an unknown parameter. There are: %(names)s.") % {"names": names}
        raise InvalidParameters({api_settings.NON_FIELD_ERRORS_KEY: [text]})
    for name in query:
        if len(query.getlist(name)) > 1:
            raise invalid(name, _("Give this parameter once."))


def invalid(name: str, text: str) -> InvalidParameters:
    """Return the error that names a parameter."""
    return InvalidParameters({name: [text]})


def window_of(query: QueryDict, now: datetime) -> Window:
    """Return the window of `from` and `to`, or of `day`, in the time zone `tz`.

    By default it ends now and begins 24 hours earlier. Raise InvalidParameters.
    """
    zone = zone_of(query)
    if "day" in query:
        for name in ("from", "to"):
            if name in query:
                raise invalid(name, _("Give either a day, or from and to."))
        window = day_window(date_of(query.get("day", "")), zone or UTC)
        begin = "day"
    else:
        until = time_of(query, "to", zone) or now
        since = time_of(query, "from", zone) or until - DEFAULT_LENGTH
        window = Window(since, until)
        begin = "from" if "from" in query or "to" not in query else "to"
    if window.since >= window.until:
        raise invalid(begin, _("The window must begin before it ends."))
    if window.since > now:
        raise invalid(begin, _("The window must not begin in the future."))
    return window


def day_window(day: date, zone: tzinfo) -> Window:
    """Return a day of a time zone: 24 hours, or 23 or 25 when its clocks change.

    A midnight that the clocks skip is the moment of the change; of two midnights it is the first.
    So every moment belongs to one day.
    """
    return Window(_midnight(day, zone), _midnight(day + timedelta(days=1), zone))


def zone_of(query: QueryDict) -> tzinfo | None:
    """Return the time zone of the parameter `tz`, None without it; raise InvalidParameters."""
    if "tz" not in query:
        return None
    name = query.get("tz", "")
    if name not in zone_names():
        raise invalid("tz", _("Give an IANA name, such as Europe/Helsinki."))
    return ZoneInfo(name)


@cache
def zone_names() -> frozenset[str]:
    """Return the IANA names. ZoneInfo also finds other files, such as the machine's own zone."""
    return frozenset(available_timezones() - {"localtime"})


def time_of(query: QueryDict, name: str, zone: tzinfo | None = None) -> datetime | None:
    """Return the time of a parameter in UTC, None without it; raise InvalidParameters.

    A time without an offset is of the time zone `zone`: the first of the two, if the clocks are
    set back over it.
    """
    if name not in query:
        return None
    try:
        found = msgspec.convert(query[name], datetime)
        if timezone.is_naive(found):
            if zone is None:
                raise invalid(name, _("Give the offset, as in 2026-11-27T12:00:00Z, or tz."))
            found = found.replace(tzinfo=zone)
        if (found := found.astimezone(UTC)) < EARLIEST:
            raise invalid(name, _("Give a time in 1970 or later."))
        if found >= LATEST:
            raise invalid(name, _("Give a time before the year 9999."))
    except (msgspec.ValidationError, OverflowError) as error:
        text = _("Give a time as in RFC 3339: 2026-11-27T12:00:00Z. A plus sign is written %2B.")
        raise invalid(name, text) from error
    return found


def purpose_of(query: QueryDict) -> str:
    """Return the purpose of a look, for the audit trail; raise InvalidParameters."""
    purpose = query.get("purpose", "").strip()
    if len(purpose) > MAX_PURPOSE:
        text = _("Give at most %(count)d characters.") % {"count": MAX_PURPOSE}
        raise invalid("purpose", text)
    if "\0" in purpose:  # which PostgreSQL does not store
        raise invalid("purpose", _("Null characters are not allowed."))
    return purpose


def choice_of(query: QueryDict, name: str, choices: Iterable[str]) -> str:
    """Return the value of a parameter, by default the first choice; raise InvalidParameters."""
    known = list(choices)
    value = query.get(name, known[0])
    if value not in known:
        names = ", ".join(known)
        raise invalid(name, _("Give one of: %(names)s.") % {"names": names})
    return value


def number_of(query: QueryDict, name: str, least: int, most: int) -> int | None:
    """Return the whole number of a parameter, None without it; raise InvalidParameters."""
    if name not in query:
        return None
    text = query.get(name, "")
    if text.isascii() and text.isdecimal() and len(text) <= len(str(most)):
        number = int(text)
        if least <= number <= most:
            return number
    message = _("Give a whole number from %(least)d to %(most)d.")
    raise invalid(name, message % {"least": least, "most": most})


def date_of(text: str) -> date:
    """Return the date of a text as in RFC 3339; raise InvalidParameters."""
    try:
        day = msgspec.convert(text, date)
        if day < EARLIEST.date():
            raise invalid("day", _("Give a day in 1970 or later."))
        if day >= LATEST.date():
            raise invalid("day", _("Give a day before the year 9999."))
    except msgspec.ValidationError as error:
        raise invalid("day", _("Give a date, such as 2026-11-27.")) from error
    return day


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
