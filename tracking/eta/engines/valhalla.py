"""Valhalla over HTTP: https://valhalla.github.io/valhalla/api/. Its distances are in kilometres."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from tracking.eta.engines.base import (
    Engine,
    EngineError,
    Leg,
    Place,
    Refused,
    Route,
    check,
    check_line,
    decode,
)

# Answers that are about the places: unconnected, too far apart, without a way, far from streets.
_REFUSALS: Final = (154, 170, 171, 442)

_KILOMETRE: Final = 1000


class _Failure(msgspec.Struct):
    error_code: int


class _Cell(msgspec.Struct):
    time: float | None
    distance: float | None


class _Matrix(msgspec.Struct):
    sources_to_targets: list[list[_Cell]]


class _Summary(msgspec.Struct):
    time: float
    length: float


class _Way(msgspec.Struct):
    shape: str


class _Trip(msgspec.Struct):
    summary: _Summary
    legs: list[_Way]


class _Routed(msgspec.Struct):
    trip: _Trip


class Valhalla(Engine):
    """A `valhalla_service` with the costing `auto`, and its limits as they are by default."""

    # `max_matrix_location_pairs` is 2,500: each source with each target.
    max_pairs = 50
    # It answers for each source and each target. Measured on a town of 30 km: 50 trips with ends of
    # their own take 3 s together, and 0.2 s one by one; 50 cars to one end 0.1 s together. Also, it
    # refuses all if one source is more than 400 km (`max_matrix_distance`) from one target.
    one_end = True

    async def matrix(self, pairs: Sequence[tuple[Place, Place]]) -> list[Leg | None]:
        """Return the ways of all pairs, from one matrix."""
        starts = list(dict.fromkeys(start for start, _ in pairs))
        ends = list(dict.fromkeys(end for _, end in pairs))
        body = await self._post(
            "/sources_to_targets", {"sources": _locations(starts), "targets": _locations(ends)}
        )
        cells = decode(body, _Matrix).sources_to_targets
        if len(cells) != len(starts) or any(len(row) != len(ends) for row in cells):
            raise EngineError("a matrix of another size")
        rows = {place: number for number, place in enumerate(starts)}
        columns = {place: number for number, place in enumerate(ends)}
        legs: list[Leg | None] = []
        for start, end in pairs:
            cell = cells[rows[start]][columns[end]]
            if cell.time is None or cell.distance is None:
                legs.append(None)
            else:
                legs.append(check(cell.time, cell.distance * _KILOMETRE, start, end))
        return legs

    async def route(self, start: Place, end: Place) -> Route | None:
        """Return the best way."""
        try:
            body = await self._post(
                "/route", {"locations": _locations([start, end]), "directions_type": "none"}
            )
        except Refused:
            return None
        trip = decode(body, _Routed).trip
        if len(trip.legs) != 1:
            raise EngineError("an answer without a way")
        leg = check(trip.summary.time, trip.summary.length * _KILOMETRE, start, end)
        return None if leg is None else Route(*leg, check_line(trip.legs[0].shape))

    async def _post(self, path: str, request: dict[str, Any]) -> bytes:
        """Return the body of a good answer."""
        status, body = await self.fetch(
            path, json=request | {"costing": "auto", "units": "kilometers"}
        )
        if status == 200:
            return body
        if status != 400:
            raise EngineError(f"Valhalla answered {status}")
        code = decode(body, _Failure).error_code
        if code in _REFUSALS:
            raise Refused(f"Valhalla has no way for these places, error {code}")
        raise EngineError(f"Valhalla answered 400, error {code}")


def _locations(places: Iterable[Place]) -> list[dict[str, float]]:
    return [{"lat": latitude, "lon": longitude} for latitude, longitude in places]
