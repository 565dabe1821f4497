"""The README of an export, in plain words: a person without technical knowledge reads it."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, TypeAlias

from tracking.conf import conf
from tracking.history.reading import HourCount
from tracking.ids import DriverId

# The days that have fixes, with the numbers of their hours.
Days: TypeAlias = Sequence[tuple[date, Sequence[HourCount]]]

README: Final = """\
YOUR LOCATION DATA

This archive has everything that the tracking of locations keeps about one person: the one whose
account has the number {driver_id}. It was made on {now}.

It does not have your account itself, such as your name and your e-mail address. If you work for the
company, it also does not have the holds, erasures and permissions of other people that you made,
changed or ended. For these, and for all questions, ask the company that gave you the account.


How to open the files

Files that end in .csv are tables. Open them in Excel, LibreOffice, Numbers or Google Sheets.
Files that end in .gpx are maps. Open them in a map program, such as OsmAnd, Organic Maps or Google
Earth.

All times are in UTC, which is the time in London in winter: 2026-01-31T12:00:00Z is noon on 31
January 2026. An empty cell means that something is unknown, or has not happened. People are named
by the number of their account, because their names are their own data. Texts that begin with a
character of a formula have a ' before it.


tracks/       Where you were: {kept}.
              There are two files for each day, a table and a map. A day begins at midnight UTC.
              Kept {history}; longer only what is listed in holds.csv.

              recorded_at   when your phone measured the location
              received_at   when the location reached us
              latitude      degrees north of the equator
              longitude     degrees east of Greenwich
              accuracy      how far off the location may be, in metres, by your phone
              heading       the direction you moved in: degrees clockwise from north
              speed         metres per second; 10 are 36 km/h
              battery       the charge of your phone, in percent
              charging      true if your phone was being charged
              mock          true if your phone said that the location was simulated
              flags         why we do not believe a location: "jump" if no car can drive there so
                            fast, "mock" if it was simulated, "inaccurate" if better ones are near

last-known-location.csv
              The newest location, with the same columns. heard_at is when your phone last sent
              anything, disconnected_at when it ended its connection, and clock_offset how many
              seconds its clock was behind. Kept until a newer one comes, or your track
              is erased.

phones.csv    Your phones that report with a code of their own, and when each was last used. The
              codes themselves are not kept. Kept until your account is deleted.

who-may-watch-you.csv
              Who was permitted to see your location, from when until when, and for which trip.
              ended_at is when it was ended early. Kept until your account is deleted.

whom-you-may-watch.csv
              Whose location you were permitted to see.

who-looked-at-you.csv
              Who looked at your location, when, in which way, and what for if they said so. A
              live map is one row every ten minutes. For a look at your past, track_from and
              track_until say which part of it. Looks at all drivers at once, such as at the map
              of the fleet, are not in this table. Kept {looks}.

whom-you-looked-at.csv
              At whose location you looked. Kept {looks}.

your-state.csv
              Whether you are available, have a trip or are off duty, your kind of vehicle, when you
              were off duty last, and the places where your shift began and your last shifts ended.
              There you are not shown to riders who look for cars nearby.

changes-of-your-state.csv
              Each change of your state: when, why, for which trip, and where your car was (latitude
              and longitude). Places are kept {places}.
              Changes are kept until your account is deleted.

trips-you-drove.csv
              The trips that you had, and from when until when. Where riders got in and out is their
              own data, and not in this table. Kept until your account is deleted.

changes-of-trips-you-drove.csv
              How these trips went on while you had them: each status, when and why.

trips-you-took.csv
              Your trips as a rider: the car, the driver that had the trip last, and where you got
              in and out (waypoints: degrees north and east, and the name of the place). A trip that
              you shared has the places of all its riders. Places are kept {places}.
              Trips are kept until your account is deleted.

changes-of-trips-you-took.csv
              How these trips went on: each status, when and why, and who drove then.

trips-you-shared.csv
              The links with which you showed a trip to others: when you made each, until when it
              could be opened, and when it was opened first and last. Who opened it is not known.
              The link itself is not kept. Kept for {events} days after its end.

ways-of-trips-you-drove.csv
              Finished trips on the streets: the metres, and the way as an encoded polyline with
              6 decimals, which many map programs read. It is deleted with your track.

arrival-of-your-trip.csv
              The trip that you drive now: when you arrive, and the way there.

status-told-about-you.csv
              Whether you were live, stale or offline, as other systems were told last.

events-about-you.csv
              What happened to you and to the trips that you drove: when, what, and for which trip.
              The same was sent to the systems of the company, such as to the one that sends
              notifications to riders. number is the place of the event among those of its trip, and
              facts says what was before and after it. Kept for {events} days.

zones-you-were-in.csv
              The areas, such as an airport, that you were in: from when until when. dwelled_at is
              when you had been there for a while. Kept for {events} days, or until your track is
              erased.

alerts-about-you.csv
              When a dispatcher was told to look at your trip, and where you were: your phone was
              silent, you stood for long, or you left the route, which is given as a line. Kept for
              {alerts} days, or until your track is erased.

holds.csv     Parts of your track that are kept longer, for example because of a dispute.

erasures.csv  Erasures of your track: everything recorded before that time was deleted.
"""


def readme(driver_id: DriverId, now: datetime, days: Days) -> bytes:
    """Return the README of an export that is made now, with these days."""
    count = sum(hour.fixes for _, hours in days for hour in hours)
    kept = f"{count:,} locations, from {days[0][0]} to {days[-1][0]}" if days else "no locations"
    text = README.format(
        driver_id=driver_id,
        now=f"{now:%d %B %Y, %H:%M} UTC",
        kept=kept,
        history=_period(conf.HISTORY_DAYS if conf.HISTORY != "off" else 0),
        looks=_period(conf.ACCESS_LOG_DAYS),
        places=f"for {conf.HISTORY_DAYS} days"
        if conf.HISTORY_DAYS
        else "until your account is deleted",
        events=conf.EVENT_DAYS,
        alerts=conf.HISTORY_DAYS or conf.EVENT_DAYS,
    )
    # The line ends that every editor shows.
    return text.replace("\n", "\r\n").encode()


def _period(days: int) -> str:
    return f"for {days} days" if days else "not at all: nothing new is kept"
