"""OSRM over HTTP: https://project-osrm.org/docs/v5.24.0/api/. Its coordinates are lon,lat."""

from collections.abc import Iterable, Sequence
from typing import Final

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

# Answers that are about the places: far from all streets, or without a way between them.
_REFUSALS: Final = ("NoSegment", "NoTable", "NoRoute")

_Cells = list[list[float | None]]


class _Status(msgspec.Struct):
    code: str


class _Table(msgspec.Struct):
    durations: _Cells
    distances: _Cells


class _Way(msgspec.Struct):
    duration: float
    distance: float
    geometry: str


class _Routes(msgspec.Struct):
    routes: list[_Way]


class OSRM(Engine):
    """An `osrm-routed` with the profile of cars, and its limits as they are by default."""

    # `--max-table-size` is 100: as many sources times destinations as 100 × 100.
    max_pairs = 50

    async def matrix(self, pairs: Sequence[tuple[Place, Place]]) -> list[Leg | None]:
        """Return the ways of all pairs, from one table."""
        starts, ends = _numbered(start for start, _ in pairs), _numbered(end for _, end in pairs)
        count = len(starts)
        body = await self._get(
            f"/table/v1/driving/{_listed([*starts, *ends])}"
            f"?sources={_numbers(0, count)}&destinations={_numbers(count, count + len(ends))}"
            "&annotations=duration,distance&generate_hints=false&skip_waypoints=true"
        )
        table = decode(body, _Table)
        for cells in (table.durations, table.distances):
            if len(cells) != count or any(len(row) != len(ends) for row in cells):
                raise EngineError("a table of another size")
        legs: list[Leg | None] = []
        for start, end in pairs:
            row, column = starts[start], ends[end]
            seconds, metres = table.durations[row][column], table.distances[row][column]
            is_missing = seconds is None or metres is None
            legs.append(None if is_missing else check(seconds, metres, start, end))  # type: ignore[arg-type]  # as above
        return legs

    async def route(self, start: Place, end: Place) -> Route | None:
        """Return the fastest way."""
        try:
            body = await self._get(
                f"/route/v1/driving/{_listed([start, end])}"
                "?overview=full&geometries=polyline6&generate_hints=false&skip_waypoints=true"
            )
        except Refused:
            return None
        routes = decode(body, _Routes).routes
        if not routes:
            raise EngineError("an answer without a way")
        way = routes[0]
        leg = check(way.duration, way.distance, start, end)
        return None if leg is None else Route(*leg, check_line(way.geometry))

    async def _get(self, path: str) -> bytes:
        """Return the body of a good answer. A proxy's page may have the status 200."""
        status, body = await self.fetch(path)
        code = decode(body, _Status).code
        if status == 400 and code in _REFUSALS:
            raise Refused(f"OSRM says {code}")
        if status != 200 or code != "Ok":
            raise EngineError(f"OSRM answered {status}")
        return body


def _numbered(places: Iterable[Place]) -> dict[Place, int]:
    """Return the different places in order, each with its number."""
    return {place: number for number, place in enumerate(dict.fromkeys(places))}


def _listed(places: Sequence[Place]) -> str:
    return ";".join(f"{longitude:.6f},{latitude:.6f}" for latitude, longitude in places)


def _numbers(start: int, stop: int) -> str:
    return ";".join(map(str, range(start, stop)))
