"""The zones in which a place is, and when a car has left one. No I/O.

Each zone is listed in cells of a grid, at the level whose cells are just larger than the zone. So a
zone is in at most four cells, a look-up reads one cell of each level in use, and neither a country
nor a kerb makes the others slow.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor
from typing import Final, TypeAlias

from tracking.arrival.geometry import Circle, InvalidShape, Polygon

# A fix whose accuracy is worse than this, or than the zone's size if that is more, proves no entry.
MIN_ENTRY_ACCURACY: Final = 50.0  # metres
# A car has left once it is outside by half of the zone's size, but by not less than MIN_MARGIN and
# not more than MAX_MARGIN: phones report errors of 200 m as an accuracy of 2 m, at an airport as in
# a street.
MIN_MARGIN: Final = 50.0  # metres
MAX_MARGIN: Final = 200.0  # metres

# Cells of level n are 360 / 4^n degrees wide and high: at the last, 150 m.
_LEVELS: Final = 10

ZoneId: TypeAlias = int
# A zone in a cell, with the box around it: all longitudes if it touches the antimeridian.
_Listed: TypeAlias = tuple[float, float, float, float, ZoneId, Circle | Polygon]


@dataclass(frozen=True, slots=True)
class Shape:
    """A zone, with the values of `tracking.models.Zone`."""

    id: ZoneId
    kind: str
    latitude: float | None = None
    longitude: float | None = None
    radius: float | None = None
    polygon: object = ()
    dwell_after: int | None = None

    def area(self) -> Circle | Polygon:
        """Return its area. Raise InvalidShape if the values describe none."""
        if self.kind == "polygon":
            return Polygon(self.polygon)  # type: ignore[arg-type]  # it is checked there
        if self.kind == "circle":
            if self.latitude is None or self.longitude is None or self.radius is None:
                raise InvalidShape("a circle without a centre or radius")
            return Circle(self.latitude, self.longitude, self.radius)
        raise InvalidShape(f"the kind {self.kind!r}")


class ZoneIndex:
    """The zones, by place. It is immutable: build another one if zones change.

    Shapes that describe no area are left out; `refused` has the reasons by their ids.
    """

    def __init__(self, shapes: Iterable[Shape]) -> None:
        self.refused: dict[ZoneId, str] = {}
        self._shapes: dict[ZoneId, Shape] = {}
        self._areas: dict[ZoneId, Circle | Polygon] = {}
        levels: dict[int, dict[int, list[_Listed]]] = {}
        for shape in shapes:
            try:
                area = shape.area()
            except InvalidShape as problem:
                self.refused[shape.id] = str(problem)
                continue
            self._shapes[shape.id], self._areas[shape.id] = shape, area
            south, west, north, east = area.box()
            if west <= -180 or east >= 180:
                listed = south, -180.0, north, 180.0, shape.id, area
            else:
                listed = south, west, north, east, shape.id, area
            level, numbers = _cells(area)
            for number in numbers:
                levels.setdefault(level, {}).setdefault(number, []).append(listed)
        self._levels = [
            (4**level / 360, 4**level, cells) for level, cells in sorted(levels.items())
        ]

    def __len__(self) -> int:
        return len(self._areas)

    def __contains__(self, zone_id: object) -> bool:
        return zone_id in self._areas

    def shape(self, zone_id: ZoneId) -> Shape:
        """Return a zone's values. Raise KeyError if it is not in the index."""
        return self._shapes[zone_id]

    def inside(self, latitude: float, longitude: float) -> tuple[ZoneId, ...]:
        """Return the ids of the zones in which a place is, in WGS 84 degrees."""
        if not self._levels:
            return ()
        found: list[ZoneId] = []
        y = latitude + 90.0
        x = longitude + 180.0
        # The antimeridian has two longitudes and one cell. The sum is rounded: so has 180 - 3e-14.
        if x >= 360.0:
            x = 0.0
        for per_degree, row, cells in self._levels:
            cell = cells.get(int(y * per_degree) * row + int(x * per_degree))
            if cell is not None:
                for south, west, north, east, zone_id, area in cell:
                    if (
                        south <= latitude <= north
                        and west <= longitude <= east
                        and area.contains(latitude, longitude)
                    ):
                        found.append(zone_id)
        return tuple(found)

    def may_enter(self, zone_id: ZoneId, accuracy: float | None) -> bool:
        """Return True if a fix of this accuracy proves that the car is in a zone of this size.

        An unknown accuracy does. Raise KeyError if the zone is not in the index.
        """
        return accuracy is None or accuracy <= max(MIN_ENTRY_ACCURACY, self._areas[zone_id].size)

    def clear_of(
        self, zone_id: ZoneId, latitude: float, longitude: float, accuracy: float | None
    ) -> bool:
        """Return True if a fix is so far outside a zone that neither its accuracy nor an error
        that it does not report explains it. A car that is near the border is neither inside nor
        clear of the zone. A zone that is not in the index, as it was deleted, is clear.
        """
        area = self._areas.get(zone_id)
        if area is None:
            return True
        margin = min(max(MIN_MARGIN, area.size / 2), MAX_MARGIN)
        return not area.is_within(latitude, longitude, margin + (accuracy or 0.0))

    def distance(self, zone_id: ZoneId, latitude: float, longitude: float) -> float:
        """Return the metres from a place to a zone's border: negative inside.

        Raise KeyError if the zone is not in the index.
        """
        return self._areas[zone_id].distance(latitude, longitude)


def _cells(area: Circle | Polygon) -> tuple[int, list[int]]:
    """Return the level for an area, and the numbers of the cells there that it may touch."""
    south, west, north, east = area.box()
    level, extent = 0, max(north - south, east - west)
    while level + 1 < _LEVELS and extent <= 360 / 4 ** (level + 1):
        level += 1
    per_degree, row = 4**level / 360, 4**level
    # As in `inside`, so that rounding is the same.
    rows = range(floor((south + 90) * per_degree), floor((north + 90) * per_degree) + 1)
    first = floor((west + 180) * per_degree)
    if east - west >= 360:
        columns = range(row)
    elif east >= 180:
        columns = range(first, row + floor((east - 360 + 180) * per_degree) + 1)
    else:
        columns = range(first, floor((east + 180) * per_degree) + 1)
    return level, sorted({y * row + x % row for y in rows for x in columns})
