"""The metric of refused requests and fixes, for HTTP."""

from collections.abc import Iterable

from tracking import metrics
from tracking.rest.bridge import call_async


def count_refusals(route: str, reasons: Iterable[str]) -> None:
    """Count one refusal for each reason, on the event loop, the only thread that writes metrics."""
    if reasons := list(reasons):
        call_async(_count, route, reasons)


async def _count(route: str, reasons: list[str]) -> None:
    for reason in reasons:
        metrics.refusals.add(route, reason)
