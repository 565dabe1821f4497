"""The README of an export, in plain words: a person without technical knowledge reads it.

It is in the language that is active.
"""

from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from textwrap import wrap
from typing import Final, TypeAlias

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_noop as _

from tracking.conf import conf
from tracking.history.reading import HourCount
from tracking.ids import DriverId

# The days that have fixes, with the numbers of their hours.
Days: TypeAlias = Sequence[tuple[date, Sequence[HourCount]]]

WIDTH: Final = 100  # characters of a line
FILE_INDENT: Final = " " * 4
COLUMN_INDENT: Final = " " * 18

UNTIL_ACCOUNT_IS_DELETED: Final = _("Kept until your account is deleted.")

ABOUT: Final = (
    _(
        "This archive has everything that the tracking of locations keeps about one person: the"
        " one whose account has the number %(driver_id)s. It was made on %(now)s."
    ),
    _(
        "It does not have your account itself, such as your name and your e-mail address. If you"
        " work for the company, it also does not have the holds, erasures and permissions of other"
        " people that you made, changed or ended. For these, and for all questions, ask the"
        " company that gave you the account."
    ),
)
HOW_TO_OPEN: Final = (
    _(
        "Files that end in .csv are tables. Open them in Excel, LibreOffice, Numbers or Google"
        " Sheets. Files that end in .gpx are maps. Open them in a map program, such as OsmAnd,"
        " Organic Maps or Google Earth."
    ),
    _(
        "All times are in UTC, which is the time in London in winter: 2026-01-31T12:00:00Z is noon"
        " on 31 January 2026. An empty cell means that something is unknown, or has not happened."
        " People are named by the number of their account, because their names are their own data."
        " Texts that begin with a character of a formula have a ' before it."
    ),
)
COLUMNS: Final = {
    "recorded_at": _("when your phone measured the location"),
    "received_at": _("when the location reached us"),
    "latitude": _("degrees north of the equator"),
    "longitude": _("degrees east of Greenwich"),
    "accuracy": _("how far off the location may be, in metres, by your phone"),
    "heading": _("the direction you moved in: degrees clockwise from north"),
    "speed": _("metres per second; 10 are 36 km/h"),
    "battery": _("the charge of your phone, in percent"),
    "charging": _("true if your phone was being charged"),
    "mock": _("true if your phone said that the location was simulated"),
    "flags": _(
        'why we do not believe a location: "jump" if no car can drive there so fast, "mock" if it'
        ' was simulated, "inaccurate" if better ones are near'
    ),
}


def readme(driver_id: DriverId, now: datetime, days: Days) -> bytes:
    """Return the README of an export that is made now, with these days."""
    names = {
        "driver_id": driver_id,
        "now": f"{date_format(now, 'DATE_FORMAT')}, {now:%H:%M} UTC",
    }
    lines = [gettext("Your location data"), ""]
    for text in ABOUT:
        lines += [*wrap(gettext(text) % names, WIDTH), ""]
    lines += ["", gettext("How to open the files"), ""]
    for text in HOW_TO_OPEN:
        lines += [*wrap(gettext(text), WIDTH), ""]
    for name, sentences in _files(days):
        lines += ["", name, *_indented(" ".join(sentences), FILE_INDENT)]
        if name == "tracks/":
            lines.append("")
            for column, text in COLUMNS.items():
                first = f"{FILE_INDENT}{column}".ljust(len(COLUMN_INDENT))
                lines += _indented(gettext(text), COLUMN_INDENT, first)
    # The line ends that every editor shows.
    content = "".join(f"{line}\r\n" for line in lines).encode()
    return content if content.isascii() else BOM_UTF8 + content


def _indented(text: str, indent: str, first: str | None = None) -> list[str]:
    first = indent if first is None else first
    return wrap(text, WIDTH, initial_indent=first, subsequent_indent=indent)


def _files(days: Days) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the names of the files, with the sentences that explain each."""
    until_account_is_deleted = gettext(UNTIL_ACCOUNT_IS_DELETED)
    places = _places()
    yield (
        "tracks/",
        (
            _where(days),
            gettext(
                "There are two files for each day, a table and a map. A day begins at midnight UTC."
            ),
            _kept(conf.HISTORY_DAYS if conf.HISTORY != "off" else 0),
            gettext("Only what is listed in holds.csv is kept longer."),
        ),
    )
    yield (
        "last-known-location.csv",
        (
            gettext(
                "The newest location, with the same columns. heard_at is when your phone last sent"
                " anything, disconnected_at when it ended its connection, and clock_offset how many"
                " seconds its clock was behind. Kept until a newer one comes, or your track is"
                " erased."
            ),
        ),
    )
    yield (
        "phones.csv",
        (
            gettext(
                "Your phones that report with a code of their own, and when each was last used."
                " The codes themselves are not kept."
            ),
            until_account_is_deleted,
        ),
    )
    yield (
        "who-may-watch-you.csv",
        (
            gettext(
                "Who was permitted to see your location, from when until when, and for which trip."
                " ended_at is when it was ended early."
            ),
            until_account_is_deleted,
        ),
    )
    yield (
        "whom-you-may-watch.csv",
        (gettext("Whose location you were permitted to see."), until_account_is_deleted),
    )
    yield (
        "who-looked-at-you.csv",
        (
            gettext(
                "Who looked at your location, when, in which way, and what for if they said so. A"
                " live map is one row every ten minutes. For a look at your past, track_from and"
                " track_until say which part of it. Looks at all drivers at once, such as at the"
                " map of the fleet, are not in this table."
            ),
            _kept(conf.ACCESS_LOG_DAYS),
        ),
    )
    yield (
        "whom-you-looked-at.csv",
        (gettext("At whose location you looked."), _kept(conf.ACCESS_LOG_DAYS)),
    )
    yield (
        "your-state.csv",
        (
            gettext(
                "Whether you are available, have a trip or are off duty, your kind of vehicle, when"
                " you were off duty last, and the places where your shift began and your last"
                " shifts ended. There you are not shown to riders who look for cars nearby."
            ),
        ),
    )
    yield (
        "changes-of-your-state.csv",
        (
            gettext(
                "Each change of your state: when, why, for which trip, and where your car was"
                " (latitude and longitude)."
            ),
            places,
            gettext("Changes are kept until your account is deleted."),
        ),
    )
    yield (
        "trips-you-drove.csv",
        (
            gettext(
                "The trips that you had, and from when until when. Where riders got in and out is"
                " their own data, and not in this table."
            ),
            until_account_is_deleted,
        ),
    )
    yield (
        "changes-of-trips-you-drove.csv",
        (gettext("How these trips went on while you had them: each status, when and why."),),
    )
    yield (
        "trips-you-took.csv",
        (
            gettext(
                "Your trips as a rider: the car, the driver that had the trip last, and where you"
                " got in and out (waypoints: degrees north and east, and the name of the place). A"
                " trip that you shared has the places of all its riders."
            ),
            places,
            gettext("Trips are kept until your account is deleted."),
        ),
    )
    yield (
        "changes-of-trips-you-took.csv",
        (gettext("How these trips went on: each status, when and why, and who drove then."),),
    )
    yield (
        "trips-you-shared.csv",
        (
            gettext(
                "The links with which you showed a trip to others: when you made each, until when"
                " it could be opened, and when it was opened first and last. Who opened it is not"
                " known. The link itself is not kept."
            ),
            ngettext(
                "Kept for %(count)s day after its end.",
                "Kept for %(count)s days after its end.",
                conf.EVENT_DAYS,
            )
            % {"count": conf.EVENT_DAYS},
        ),
    )
    yield (
        "ways-of-trips-you-drove.csv",
        (
            gettext(
                "Finished trips on the streets: the metres, and the way as an encoded polyline with"
                " 6 decimals, which many map programs read. It is deleted with your track."
            ),
        ),
    )
    yield (
        "arrival-of-your-trip.csv",
        (gettext("The trip that you drive now: when you arrive, and the way there."),),
    )
    yield (
        "status-told-about-you.csv",
        (gettext("Whether you were live, stale or offline, as other systems were told last."),),
    )
    yield (
        "events-about-you.csv",
        (
            gettext(
                "What happened to you and to the trips that you drove: when, what, and for which"
                " trip. The same was sent to the systems of the company, such as to the one that"
                " sends notifications to riders. number is the place of the event among those of"
                " its trip, and facts says what was before and after it."
            ),
            _kept(conf.EVENT_DAYS),
        ),
    )
    yield (
        "zones-you-were-in.csv",
        (
            gettext(
                "The areas, such as an airport, that you were in: from when until when. dwelled_at"
                " is when you had been there for a while."
            ),
            _kept_unless_erased(conf.EVENT_DAYS),
        ),
    )
    yield (
        "alerts-about-you.csv",
        (
            gettext(
                "When a dispatcher was told to look at your trip, and where you were: your phone"
                " was silent, you stood for long, or you left the route, which is given as a line."
            ),
            _kept_unless_erased(conf.HISTORY_DAYS or conf.EVENT_DAYS),
        ),
    )
    yield (
        "holds.csv",
        (gettext("Parts of your track that are kept longer, for example because of a dispute."),),
    )
    yield (
        "erasures.csv",
        (gettext("Erasures of your track: everything recorded before that time was deleted."),),
    )


def _where(days: Days) -> str:
    count = sum(hour.fixes for _day, hours in days for hour in hours)
    if not count:
        return gettext("Where you were: no locations.")
    text = ngettext(
        "Where you were: %(count)s location, from %(first)s to %(last)s.",
        "Where you were: %(count)s locations, from %(first)s to %(last)s.",
        count,
    )
    number = number_format(count, force_grouping=True)
    return text % {"count": number, "first": days[0][0], "last": days[-1][0]}


def _kept(days: int) -> str:
    if not days:
        return gettext("Nothing new is kept.")
    return ngettext("Kept for %(count)s day.", "Kept for %(count)s days.", days) % {"count": days}


def _kept_unless_erased(days: int) -> str:
    text = ngettext(
        "Kept for %(count)s day, or until your track is erased.",
        "Kept for %(count)s days, or until your track is erased.",
        days,
    )
    return text % {"count": days}


def _places() -> str:
    days = conf.HISTORY_DAYS
    if not days:
        return gettext("Places are kept until your account is deleted.")
    text = ngettext(
        "Places are kept for %(count)s day.", "Places are kept for %(count)s days.", days
    )
    return text % {"count": days}
