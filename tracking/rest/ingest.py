"""Passing fixes from a synchronous view to the pipeline of the server's event loop."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest

from tracking.ids import DriverId
from tracking.protocol import Measurement
from tracking.rest.bridge import call_async
from tracking.runtime import get_runtime
from tracking.runtime.reports import Reports

Result = TypeVar("Result")


def ingest(
    request: HttpRequest,
    driver_id: DriverId,
    measurements: Sequence[Measurement],
    *,
    device_id: int | None = None,
    sent_at: datetime | None = None,
    batch: bool = False,
) -> list[int]:
    """Deliver, broadcast and store a device's measurements, oldest first; return once committed.

    The result is the positions of those that were left out, as they were recorded off duty.
    `request` is Django's request, not REST framework's. The other arguments and the errors are
    those of `Reports.commit`.
    """
    return _call(
        request,
        lambda reports: reports.commit(
            driver_id, measurements, device_id=device_id, sent_at=sent_at, batch=batch
        ),
    )


def sign_of_life(request: HttpRequest, driver_id: DriverId) -> None:
    """Store that a driver's phone sent something without a location; return once committed.

    Raise the errors of `Reports.record_contact`.
    """
    _call(request, lambda reports: reports.record_contact(driver_id))


def _call(request: HttpRequest, function: Callable[[Reports], Awaitable[Result]]) -> Result:
    # Under ASGI, this runs on the server's loop with the runtime of the sockets. Under WSGI, the
    # loop exists only for this call, and its runtime must be closed with it.
    return call_async(_call_reports, function, passing=not isinstance(request, ASGIRequest))


async def _call_reports(
    function: Callable[[Reports], Awaitable[Result]], *, passing: bool
) -> Result:
    runtime = get_runtime()
    try:
        result = await function(runtime.reports)
        if passing:
            await runtime.drain_deliveries()
        return result
    finally:
        if passing:
            await runtime.close()
