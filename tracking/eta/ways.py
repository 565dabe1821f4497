"""Ways of several cars to a place, with the confidence in each."""

from typing import Literal, NamedTuple

from tracking.eta.engines.base import Leg, Place
from tracking.eta.engines.straight import estimate
from tracking.eta.router import Pairs, Router


class Way(NamedTuple):
    """Seconds and metres to drive. The confidence is low if no engine has answered."""

    seconds: float
    metres: float
    confidence: Literal["high", "low"]


def guess(pairs: Pairs) -> list[Way]:
    """Return ways by the straight line."""
    return [_way(None, start, end) for start, end in pairs]


async def ask(router: Router, pairs: Pairs) -> list[Way]:
    """Return ways by the routing engine, and by the straight line where it has no answer."""
    legs = await router.legs(pairs)
    return [_way(leg, start, end) for leg, (start, end) in zip(legs, pairs, strict=True)]


def _way(leg: Leg | None, start: Place, end: Place) -> Way:
    return Way(*estimate(start, end), "low") if leg is None else Way(*leg, "high")
