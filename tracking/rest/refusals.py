"""Counting what was refused over HTTP, as the sockets count theirs."""

from collections.abc import Iterable

from tracking import metrics
from tracking.rest.bridge import call_async


def count_refusals(route: str, reasons: Iterable[str]) -> None:
    """Count one refusal for each of the reasons.

    Views run in threads, and only the event loop's thread writes metrics.
    """
    if reasons := list(reasons):
        call_async(_count, route, reasons)


async def _count(route: str, reasons: list[str]) -> None:
    for reason in reasons:
        metrics.refusals.add(route, reason)
