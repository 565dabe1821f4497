"""Notices to every worker over the channel layer, from any thread of any process."""

import asyncio
import logging
from typing import Any, Final

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Seconds. A hanging channel layer must not block the host's request.
BROADCAST_TIMEOUT: Final = 2.0

# Strong references, as the event loop holds tasks weakly.
_broadcasts: set[asyncio.Task[None]] = set()


def send(group: str, event: dict[str, Any]) -> None:
    """Send `event` to a group of workers. It never raises: a lost notice must be harmless."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        async_to_sync(_broadcast)(group, event)
    else:
        task = loop.create_task(_broadcast(group, event))
        _broadcasts.add(task)
        task.add_done_callback(_broadcasts.discard)


async def _broadcast(group: str, event: dict[str, Any]) -> None:
    try:
        async with asyncio.timeout(BROADCAST_TIMEOUT):
            layer = get_channel_layer()
            if layer is not None:
                await layer.group_send(group, event)
    except Exception as error:  # each channel layer has its own exceptions
        logger.warning(
            "Workers could not be notified of a change, it takes effect later: %s", reason(error)
        )
