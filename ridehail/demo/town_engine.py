"""OSRM for a demo that runs faster: its vehicles drive so many times as fast as cars do."""

from collections.abc import Sequence

from tracking.eta.engines import Leg, Place, Route
from tracking.eta.engines.osrm import OSRM


class TownEngine(OSRM):
    """An OSRM whose durations are divided by the speed that is the last part of its URL.

    The engine itself knows cars as they are. It counts tenths of a second, which would be too
    coarse for vehicles that take seconds, and what drives faster than any car is not believed.
    """

    def __init__(self, url: str) -> None:
        base, _, speed = url.rstrip("/").rpartition("/")
        super().__init__(base)
        self._speed = float(speed)

    async def matrix(self, pairs: Sequence[tuple[Place, Place]]) -> list[Leg | None]:
        legs = await super().matrix(pairs)
        return [leg and Leg(leg.seconds / self._speed, leg.metres) for leg in legs]

    async def route(self, start: Place, end: Place) -> Route | None:
        route = await super().route(start, end)
        return route and route._replace(seconds=route.seconds / self._speed)
