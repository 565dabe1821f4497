"""The line of a way, and whether a car is still on it. Pure."""

from tracking.geo import METRES_PER_DEGREE, metres_per_degree_east
from tracking.polyline import decode


class Line:
    """An encoded polyline of 6 decimals. Raise ValueError if it is none, or has no place."""

    __slots__ = ("_cursor", "_points", "encoded")

    def __init__(self, encoded: str) -> None:
        self.encoded = encoded
        self._points = decode(encoded)
        if not self._points:
            raise ValueError("a polyline without a place")
        # The piece where the car was found last. The car drives forwards, so the next look begins
        # there, and ends nearly always at once: 3 µs.
        self._cursor = 0

    @property
    def size(self) -> int:
        """The number of its places."""
        return len(self._points)

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
