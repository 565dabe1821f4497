"""Rechecks of open sessions, on every worker, when something about a user changes.

The message contains the users' ids, not the change. `tracking.access.registry` receives it.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any, Final

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from tracking.ids import UserId, to_plain
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

GROUP: Final = "tracking.recheck"

# Seconds. A hanging channel layer must not block the host's request; open sessions are also checked
# regularly.
BROADCAST_TIMEOUT: Final = 2.0


def recheck(user_ids: Iterable[UserId]) -> None:
    """Check all open sessions of these users again, on every worker.

    Call it after committing a change to data that a policy reads. It never raises. While the
    channel layer is unavailable, sessions notice the change within `session.RECHECK_INTERVAL`.
    """
    event = {"type": GROUP, "users": [*map(to_plain, user_ids)]}
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        async_to_sync(_broadcast)(event)
    else:
        task = loop.create_task(_broadcast(event))
        _broadcasts.add(task)
        task.add_done_callback(_broadcasts.discard)


# Strong references, as the event loop holds tasks weakly.
_broadcasts: set[asyncio.Task[None]] = set()


async def _broadcast(event: dict[str, Any]) -> None:
    try:
        async with asyncio.timeout(BROADCAST_TIMEOUT):
            layer = get_channel_layer()
            if layer is not None:
                await layer.group_send(GROUP, event)
    except Exception as error:  # each channel layer has its own exceptions
        logger.warning(
            "Could not recheck open sessions, the change takes effect later: %s", reason(error)
        )
