"""Requests of OSRM's `/match` for a track, and its answers. No I/O.

https://project-osrm.org/docs/v26.4.0/api/#match-service
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from math import isfinite
from typing import Final, NamedTuple

import msgspec

from tracking.geo import distance
from tracking.history.fixes import TrackFix
from tracking.polyline import Place, decode, encode

# The engine takes no more coordinates in one request, unless it is told to.
MAX_COORDINATES: Final = 100
# Metres between two fixes of a request. Streets are farther apart; nearer ones only cost time.
MIN_STEP: Final = 30.0
# Metres. A fix with a worse accuracy may be on another street.
MAX_ACCURACY: Final = 100.0
# Metres in which the engine looks for streets around a fix. Phones that claim 2 m are often wrong.
MIN_RADIUS, MAX_RADIUS, UNKNOWN_RADIUS = 10.0, 50.0, 20.0
# Fixes of one track, 1,500 km of them: a longer one is not matched.
MAX_FIXES: Final = 50_000
# Metres between the end of a part and the begin of the next, of the same fix, if they are one line.
JOINT: Final = 30.0
# The engine's way is at most so many times as long as the line through the fixes, plus metres for
# going round blocks, and goes no more degrees beyond them.
MAX_DETOUR, DETOUR_EXTRA, MAX_BEYOND = 3.0, 1_000.0, 0.05


class BadAnswer(ValueError):
    """Raised for an answer of the engine that is none, or that makes no sense."""


class Matched(NamedTuple):
    """The metres driven on streets, and the lines there, each a polyline of 6 decimals."""

    distance: float
    lines: list[str]


class _Matching(msgspec.Struct):
    distance: float
    geometry: str


class _Answer(msgspec.Struct):
    code: str
    matchings: list[_Matching] = []


def thinned(fixes: Iterable[TrackFix]) -> list[TrackFix]:
    """Return the fixes that tell the way, one for each MIN_STEP and second; raise BadAnswer.

    Fixes with flags and imprecise ones are left out.
    """
    kept: list[TrackFix] = []
    for fix in fixes:
        if fix.flags or (fix.accuracy or 0) > MAX_ACCURACY:
            continue
        if kept:
            is_later = int(fix.recorded_at.timestamp()) > int(kept[-1].recorded_at.timestamp())
            if not is_later or _metres(kept[-1], fix) < MIN_STEP:
                continue
        if len(kept) == MAX_FIXES:
            raise BadAnswer("the track is too long")
        kept.append(fix)
    return kept


def chunks(fixes: list[TrackFix]) -> Iterator[list[TrackFix]]:
    """Yield the fixes in parts that one request takes. Each begins with the last fix of the one
    before.
    """
    step = MAX_COORDINATES - 1
    for start in range(0, max(len(fixes) - 1, 0), step):
        yield fixes[start : start + MAX_COORDINATES]


def path(fixes: list[TrackFix]) -> str:
    """Return the path and query of a request."""
    coordinates = ";".join(f"{fix.longitude:.6f},{fix.latitude:.6f}" for fix in fixes)
    times = ";".join(str(int(fix.recorded_at.timestamp())) for fix in fixes)
    radiuses = ";".join(f"{_radius(fix):.0f}" for fix in fixes)
    return (
        f"/match/v1/driving/{coordinates}?geometries=polyline6&overview=full&gaps=split"
        f"&timestamps={times}&radiuses={radiuses}"
    )


def read_answer(body: bytes, fixes: list[TrackFix]) -> list[tuple[float, list[Place]]]:
    """Return the metres and the places of each part of an answer; raise BadAnswer.

    No street near the fixes is an answer without parts.
    """
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadAnswer("the answer is not OSRM's JSON") from error
    if answer.code in ("NoMatch", "NoSegment"):
        return []
    if answer.code != "Ok":
        raise BadAnswer("the answer has another code than Ok")
    parts = []
    for matching in answer.matchings:
        try:
            places = decode(matching.geometry)
        except ValueError as error:
            raise BadAnswer(f"the geometry is {error}") from error
        parts.append((matching.distance, places))
    _check(parts, fixes)
    return parts


def joined(answers: Iterable[list[tuple[float, list[Place]]]]) -> Matched:
    """Return the parts of one answer after another, as few lines as they make."""
    total, lines = 0.0, list[list[Place]]()
    for parts in answers:
        for number, (metres, places) in enumerate(parts):
            total += metres
            if number == 0 and lines and distance(*lines[-1][-1], *places[0]) < JOINT:
                lines[-1] += places
            else:
                lines.append(places)
    return Matched(total, [encode(line) for line in lines])


def _check(parts: list[tuple[float, list[Place]]], fixes: list[TrackFix]) -> None:
    driven = sum(_metres(a, b) for a, b in pairwise(fixes))
    if not 0 <= sum(metres for metres, _ in parts) <= driven * MAX_DETOUR + DETOUR_EXTRA:
        raise BadAnswer("the distance is nonsense")
    south, north = _bounds([fix.latitude for fix in fixes])
    west, east = _bounds([fix.longitude for fix in fixes])
    for metres, places in parts:
        if not isfinite(metres) or metres < 0 or len(places) < 2:
            raise BadAnswer("a part is nonsense")
        if not all(south <= y <= north and west <= x <= east for y, x in places):
            raise BadAnswer("the line is elsewhere than the fixes")


def _bounds(values: list[float]) -> tuple[float, float]:
    return min(values) - MAX_BEYOND, max(values) + MAX_BEYOND


def _metres(a: TrackFix, b: TrackFix) -> float:
    return distance(a.latitude, a.longitude, b.latitude, b.longitude)


def _radius(fix: TrackFix) -> float:
    accuracy = UNKNOWN_RADIUS if fix.accuracy is None else fix.accuracy
    return min(max(accuracy, MIN_RADIUS), MAX_RADIUS)
