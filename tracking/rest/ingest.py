"""From a synchronous HTTP view into the pipeline of the event loop that serves it."""

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest

from tracking.protocol import Measurement
from tracking.rest.bridge import call_async
from tracking.runtime import get_runtime


def ingest(request: HttpRequest, driver_id: int, measurement: Measurement) -> None:
    """Deliver, broadcast and store what a driver's device measured; return once it is committed.

    `request` is Django's own, for which the view runs in a thread. Raises what `Reports.commit`
    raises.
    """
    # Under ASGI this reaches the server's loop, and with it the sockets' runtime. Without a
    # server of that kind the loop lives for this one call, and its runtime must not outlive it.
    call_async(_ingest, driver_id, measurement, passing=not isinstance(request, ASGIRequest))


async def _ingest(driver_id: int, measurement: Measurement, *, passing: bool) -> None:
    runtime = get_runtime()
    try:
        await runtime.reports.commit(driver_id, measurement)
    finally:
        if passing:
            await runtime.close()
