"""From a synchronous HTTP view into the pipeline of the event loop that serves it."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest

from tracking.ids import DriverId
from tracking.protocol import Measurement
from tracking.rest.bridge import call_async
from tracking.runtime import get_runtime
from tracking.runtime.reports import Reports


def ingest(
    request: HttpRequest,
    driver_id: DriverId,
    measurements: Sequence[Measurement],
    *,
    device_id: int | None = None,
    sent_at: datetime | None = None,
    batch: bool = False,
) -> None:
    """Deliver, broadcast and store what a driver's device measured, oldest first.

    Return once it is committed.

    `request` is Django's own, for which the view runs in a thread. The rest is what
    `Reports.commit` takes and raises.
    """
    _call(
        request,
        lambda reports: reports.commit(
            driver_id, measurements, device_id=device_id, sent_at=sent_at, batch=batch
        ),
    )


def sign_of_life(request: HttpRequest, driver_id: DriverId) -> None:
    """Note that a driver's phone was heard, without a place; return once it is committed.

    Raises what `Reports.hear` raises.
    """
    _call(request, lambda reports: reports.record_contact(driver_id))


def _call(request: HttpRequest, function: Callable[[Reports], Awaitable[None]]) -> None:
    # Under ASGI this reaches the server's loop, and with it the sockets' runtime. Without a
    # server of that kind the loop lives for this one call, and its runtime must not outlive it.
    call_async(_call_reports, function, passing=not isinstance(request, ASGIRequest))


async def _call_reports(function: Callable[[Reports], Awaitable[None]], *, passing: bool) -> None:
    runtime = get_runtime()
    try:
        await function(runtime.reports)
    finally:
        if passing:
            await runtime.close()
