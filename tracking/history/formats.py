"""Tracks as files: GeoJSON, GPX, CSV and NDJSON, made piece by piece. No I/O.

Each function yields bytes, about a thousand fixes at a time, and keeps none of the fixes. Degrees
are WGS 84, to 7 decimals. Times are RFC 3339 in UTC, with the milliseconds or microseconds that
were kept. Accuracy is in metres, heading in degrees from true north, speed in metres per second.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import chain, islice
from typing import Any, Final, TypeVar
from xml.sax.saxutils import escape

import msgspec
from msgspec.structs import replace

from tracking.history.fixes import Flags, TrackFix
from tracking.history.summary import GAP_AFTER, Summary
from tracking.history.thinning import MAX_OUTERMOST, thin
from tracking.ids import DriverId

# Raise it when a track is written in another way, so that clients do not keep the old one.
VERSION: Final = 1

# Fixes per piece: about 70 kB, made in about 5 ms.
PIECE: Final = 1_000

CSV_HEADER: Final = (
    "recorded_at,received_at,latitude,longitude,accuracy,heading,speed,battery,charging,mock,flags"
)

_GAP: Final = timedelta(seconds=GAP_AFTER)

# The properties of GeoJSON that are in step with the coordinates.
_COLUMNS: Final = (b"datetimes", b"speed", b"heading", b"accuracy", b"flags")
# Those as well, for a client that asks for them.
_PHONE_COLUMNS: Final = (b"battery", b"charging")

_Item = TypeVar("_Item")


class Point(msgspec.Struct, rename={"user_id": "userId"}):
    """A line of NDJSON: one fix."""

    user_id: DriverId
    recorded_at: datetime
    received_at: datetime
    latitude: float
    longitude: float
    accuracy: float | None
    heading: float | None
    speed: float | None
    battery: int | None
    charging: bool | None
    mock: bool
    flags: list[str]


def geojson(
    properties: Mapping[str, Any],
    parts: Iterable[Iterable[TrackFix]],
    *,
    max_points: int | None = None,
    following: str | None = None,
    with_phone: bool = False,
) -> Iterator[bytes]:
    """Yield a Feature with a LineString and `datetimes`, an OGC MF-JSON Trajectory.

    `properties` say whose track it is. `parts` are those of one driver each, one after another: the
    way from one driver to the next counts for nothing. The lists of the properties are in step with
    the coordinates. One fix is a MultiPoint of one position, as a LineString has at least two, and
    without a fix the geometry is null. With `max_points`, fixes that change the line's shape least
    are left out, and those with a flag; `distance`, `stops` and `gaps` are still those of all
    fixes. The begins and ends of the longest stops are kept, as at most half of the points.
    `following` is the URL of the next page. `with_phone` adds the lists `battery` and `charging`.

    All lists but the coordinates are kept until the end, encoded: 45 bytes for each fix.
    """
    summaries: list[Summary] = []
    every = (_summarized(part, summaries) for part in parts)
    pieces: Iterator[list[TrackFix]] = chain.from_iterable(every)
    if max_points is not None:
        whole = list(chain.from_iterable(pieces))
        pieces = _pieces(thin(whole, max_points, keep=_longest_stops(summaries, max_points)))
    first = next(pieces, [])
    kind = b'{"type":"%s","coordinates":[' % (b"LineString" if len(first) > 1 else b"MultiPoint")
    names = _COLUMNS + _PHONE_COLUMNS if with_phone else _COLUMNS
    columns: list[list[bytes]] = [[] for _ in names]
    separator = b'{"type":"Feature","geometry":' + kind
    for piece in chain([first] if first else [], pieces):
        yield separator + _inside([(fix.longitude, fix.latitude) for fix in piece])
        separator = b","
        for column, values in zip(columns, _columns(piece, with_phone=with_phone), strict=True):
            column.append(_shortened(_inside(values)))
    yield b"]}" if first else b'{"type":"Feature","geometry":null'
    yield b',"properties":' + msgspec.json.encode(properties)[:-1]
    for name, column in zip(names, columns, strict=True):
        yield b',"%s":[%s]' % (name, b",".join(column))
        column.clear()
    yield b"," + _shortened(msgspec.json.encode(_found(summaries)))[1:-1]
    yield b',"next":' + msgspec.json.encode(following) + b"}}"


def gpx(name: str, parts: Iterable[Iterable[TrackFix]]) -> Iterator[bytes]:
    """Yield GPX 1.1: one track, whose segments end at gaps and with the parts, see `geojson`.

    Speed and course are in Garmin's TrackPointExtension (version 2). The flags of a fix are its
    comment. Accuracy in metres has no place in GPX.
    """
    # With the first piece, so that an error in reading it precedes all output.
    begin = _GPX_BEGIN % escape(name).encode()
    for part in parts:
        segment, end = b"<trkseg>\n", b""
        good: TrackFix | None = None
        for piece in _pieces(part):
            lines = []
            for fix, time in zip(piece, _times([fix.recorded_at for fix in piece]), strict=True):
                if not fix.flags:
                    if good is not None and fix.recorded_at - good.recorded_at > _GAP:
                        lines.append("</trkseg>\n<trkseg>\n")
                    good = fix
                lines.append(_trkpt(fix, time))
            yield begin + segment + "".join(lines).encode()
            begin, segment, end = b"", b"", b"</trkseg>\n"
        if end:
            yield end
    yield begin + _GPX_END


def csv(fixes: Iterable[TrackFix]) -> Iterator[bytes]:
    """Yield CSV as in RFC 4180, with CSV_HEADER; a value that is not known is empty.

    All values are numbers, times and words of ours, so a spreadsheet takes none for a formula.
    """
    # With the first piece, so that an error in reading it precedes all output.
    begin = f"{CSV_HEADER}\r\n".encode()
    for piece in _pieces(fixes):
        recorded = _times([fix.recorded_at for fix in piece])
        received = _times([fix.received_at for fix in piece])
        yield begin + "".join(map(_csv_row, piece, recorded, received)).encode()
        begin = b""
    if begin:
        yield begin


def ndjson(driver_id: DriverId, fixes: Iterable[TrackFix]) -> Iterator[bytes]:
    """Yield one `Point` in JSON on each line."""
    encoder = msgspec.json.Encoder()
    for piece in _pieces(fixes):
        points = [
            Point(
                driver_id,
                fix.recorded_at,
                fix.received_at,
                fix.latitude,
                fix.longitude,
                fix.accuracy,
                fix.heading,
                fix.speed,
                fix.battery,
                fix.charging,
                fix.mock,
                flag_names(fix.flags),
            )
            for fix in piece
        ]
        yield _shortened(encoder.encode_lines(points))


def time_text(at: datetime) -> str:
    """Return an aware UTC time as RFC 3339."""
    return _times([at])[0]


@cache
def flag_names(flags: Flags) -> list[str]:
    """Return the names of flags in lower case, such as `["jump"]`."""
    return [str(flag.name).lower() for flag in Flags if flag & flags]


def _pieces(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while piece := list(islice(iterator, PIECE)):
        yield piece


def _summarized(fixes: Iterable[TrackFix], summaries: list[Summary]) -> Iterator[list[TrackFix]]:
    """Yield fixes in pieces, and add their summary, which is finished after the last one."""
    summary = Summary()
    summaries.append(summary)
    for piece in _pieces(fixes):
        for fix in piece:
            summary.add(fix)
        yield piece
    summary.finish()


def _longest_stops(summaries: Iterable[Summary], max_points: int) -> list[datetime]:
    """Return when the longest stops began and ended. The shape gets at least half of the points."""
    stops = chain.from_iterable(summary.stops for summary in summaries)
    by_length = sorted(stops, key=lambda stop: stop.seconds, reverse=True)
    longest = by_length[: max(0, max_points - MAX_OUTERMOST) // 4]
    return [time for stop in longest for time in (stop.since, stop.until)]


def _found(summaries: Iterable[Summary]) -> dict[str, Any]:
    """Return the distance, the stops and the gaps of all parts together."""
    found: dict[str, Any] = {"distance": 0.0, "stops": [], "gaps": []}
    for summary in summaries:
        found["distance"] += summary.distance
        found["stops"] += [
            replace(stop, latitude=round(stop.latitude, 7), longitude=round(stop.longitude, 7))
            for stop in summary.stops
        ]
        found["gaps"] += [replace(gap, distance=round(gap.distance, 1)) for gap in summary.gaps]
    return found | {"distance": round(found["distance"], 1)}


def _columns(piece: Sequence[TrackFix], *, with_phone: bool) -> list[list[Any]]:
    columns: list[list[Any]] = [
        [fix.recorded_at for fix in piece],
        [fix.speed for fix in piece],
        [fix.heading for fix in piece],
        [fix.accuracy for fix in piece],
        [flag_names(fix.flags) for fix in piece],
    ]
    if with_phone:
        columns += [[fix.battery for fix in piece], [fix.charging for fix in piece]]
    return columns


def _inside(values: list[Any]) -> bytes:
    """Return the JSON of a list without its brackets."""
    return msgspec.json.encode(values)[1:-1]


def _times(times: Sequence[datetime]) -> list[str]:
    """Return aware UTC times as texts: 0.2 µs for each, where `isoformat` takes 2 µs."""
    return _shortened(msgspec.json.encode(times))[2:-2].decode().split('","')


def _shortened(json: bytes) -> bytes:
    """Return JSON whose times end with milliseconds, unless they have microseconds."""
    return json.replace(b'000Z"', b'Z"')


def _csv_row(fix: TrackFix, recorded: str, received: str) -> str:
    return (
        f"{recorded},{received},"
        f"{fix.latitude:.7f},{fix.longitude:.7f},"
        f"{_number(fix.accuracy)},{_number(fix.heading)},{_number(fix.speed)},"
        f"{_number(fix.battery)},{_BOOLEANS[fix.charging]},{_BOOLEANS[fix.mock]},"
        f"{' '.join(flag_names(fix.flags))}\r\n"
    )


_BOOLEANS: Final = {True: "true", False: "false", None: ""}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}".removesuffix(".0")


_GPX_BEGIN: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<gpx version="1.1" creator="django-live-tracking"'
    b' xmlns="http://www.topografix.com/GPX/1/1"'
    b' xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2">\n'
    b"<trk><name>%s</name>\n"
)
_GPX_END: Final = b"</trk>\n</gpx>\n"


def _trkpt(fix: TrackFix, time: str) -> str:
    # GPX ends its longitudes before 180.
    longitude = -180.0 if fix.longitude == 180 else fix.longitude
    comment = f"<cmt>{' '.join(flag_names(fix.flags))}</cmt>" if fix.flags else ""
    motion = "".join(
        f"<gpxtpx:{name}>{_number(value)}</gpxtpx:{name}>"
        for name, value in (("speed", fix.speed), ("course", fix.heading))
        if value is not None
    )
    if motion:
        motion = (
            "<extensions><gpxtpx:TrackPointExtension>"
            f"{motion}</gpxtpx:TrackPointExtension></extensions>"
        )
    return (
        f'<trkpt lat="{fix.latitude:.7f}" lon="{longitude:.7f}">'
        f"<time>{time}</time>{comment}{motion}</trkpt>\n"
    )
