"""The line of a way, and whether a car is still on it. Pure."""

from typing import Final

from tracking.geo import METRES_PER_DEGREE, metres_per_degree_east

_UNITS: Final = 1e6


class Line:
    """An encoded polyline of 6 decimals. Raise ValueError if it is none, or has no place."""

    __slots__ = ("_cursor", "_points", "encoded")

    def __init__(self, encoded: str) -> None:
        self.encoded = encoded
        self._points = decode(encoded)
        # The piece where the car was found last. The car drives forwards, so the next look begins
        # there, and ends nearly always at once: 3 µs.
        self._cursor = 0

    def is_near(self, latitude: float, longitude: float, metres: float) -> bool:
        """Return True if a place is at most so many metres from the line."""
        points = self._points
        count = max(1, len(points) - 1)
        scale = metres_per_degree_east(latitude)
        limit = metres * metres
        for number in range(self._cursor, self._cursor + count):
            index = number % count
            y, x = points[index]
            y_2, x_2 = points[min(index + 1, len(points) - 1)]
            east, north = (x - longitude) * scale, (y - latitude) * METRES_PER_DEGREE
            width, height = (x_2 - x) * scale, (y_2 - y) * METRES_PER_DEGREE
            length = width * width + height * height
            if length:
                part = min(1.0, max(0.0, -(east * width + north * height) / length))
                east += part * width
                north += part * height
            if east * east + north * north <= limit:
                self._cursor = index
                return True
        return False


def decode(encoded: str) -> list[tuple[float, float]]:
    """Return the places of a polyline of 6 decimals; raise ValueError if it has none."""
    numbers: list[int] = []
    value = shift = 0
    for character in encoded:
        chunk = ord(character) - 63
        if not 0 <= chunk < 64 or shift > 30:
            raise ValueError("no polyline")
        value |= (chunk & 0x1F) << shift
        if chunk & 0x20:
            shift += 5
            continue
        numbers.append(~(value >> 1) if value & 1 else value >> 1)
        value = shift = 0
    if shift or not numbers or len(numbers) % 2:
        raise ValueError("no polyline")
    points: list[tuple[float, float]] = []
    latitude = longitude = 0
    for index in range(0, len(numbers), 2):
        latitude += numbers[index]
        longitude += numbers[index + 1]
        points.append((latitude / _UNITS, longitude / _UNITS))
    if any(abs(y) > 90 or abs(x) > 180 for y, x in points):
        raise ValueError("no polyline of 6 decimals")
    return points
