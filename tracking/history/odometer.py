"""The length of a drive. No I/O.

The sum of the steps between fixes would be too long, since noise lengthens each step: with 5 m of
noise and a fix a second, by a quarter at 10 m/s. So fixes that are close together are replaced by
their mean.
"""

from tracking.geo import degrees_east, distance


class Odometer:
    """Measures the length of a drive along the means of groups of fixes that are close together."""

    __slots__ = (
        "_count",
        "_first_latitude",
        "_first_longitude",
        "_latitude",
        "_length",
        "_longitude",
        "_mean_latitude",
        "_mean_longitude",
    )

    def __init__(self, latitude: float, longitude: float) -> None:
        self.restart(0.0, latitude, longitude)

    def restart(self, length: float, latitude: float, longitude: float) -> None:
        """Go on at a place with this length in metres."""
        self._length = length
        # The place that the length reaches to: the mean of the last complete group.
        self._latitude, self._longitude = latitude, longitude
        self._begin_group(latitude, longitude)

    def add(self, latitude: float, longitude: float, radius: float) -> None:
        """Add the next fix: to the group, if its distance to the group's first one allows it."""
        if distance(self._first_latitude, self._first_longitude, latitude, longitude) <= radius:
            self._count += 1
            self._mean_latitude += (latitude - self._mean_latitude) / self._count
            self._mean_longitude += degrees_east(self._mean_longitude, longitude) / self._count
            return
        self._length = self.length_to(self._mean_latitude, self._mean_longitude)
        self._latitude, self._longitude = self._mean_latitude, self._mean_longitude
        self._begin_group(latitude, longitude)

    def length_to(self, latitude: float, longitude: float) -> float:
        """Return the length in metres if the drive ends at this place."""
        return self._length + distance(self._latitude, self._longitude, latitude, longitude)

    def _begin_group(self, latitude: float, longitude: float) -> None:
        self._first_latitude, self._first_longitude = latitude, longitude
        self._mean_latitude, self._mean_longitude = latitude, longitude
        self._count = 1
