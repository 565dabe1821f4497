"""The project's application without times of arrival, to compare with: `benchmarks.eta`."""

from ridehail.asgi import application
from tracking.eta.keeper import EtaKeeper


async def _nothing(self: EtaKeeper) -> None:
    pass


EtaKeeper.tick = _nothing  # type: ignore[method-assign]

__all__ = ["application"]
