"""Have open sessions checked again, on every worker, when something about a user changes.

The notice names the users, not the change. `tracking.access.registry` receives it.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any, Final

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

GROUP: Final = "tracking.recheck"

# A host's request must not hang on a channel layer that does. Open sessions are checked again
# from time to time anyway.
BROADCAST_TIMEOUT: Final = 2.0


def recheck(user_ids: Iterable[int]) -> None:
    """Have all open sessions of these users checked again, on every worker.

    For whoever changes what a policy looks at: call it after the change is committed. It never
    raises. With the channel layer away, sessions notice within `session.RECHECK_INTERVAL`.
    """
    event = {"type": GROUP, "users": list(user_ids)}
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        async_to_sync(_broadcast)(event)
    else:
        task = loop.create_task(_broadcast(event))
        _broadcasts.add(task)
        task.add_done_callback(_broadcasts.discard)


# The event loop holds tasks weakly.
_broadcasts: set[asyncio.Task[None]] = set()


async def _broadcast(event: dict[str, Any]) -> None:
    try:
        async with asyncio.timeout(BROADCAST_TIMEOUT):
            layer = get_channel_layer()
            if layer is not None:
                await layer.group_send(GROUP, event)
    except Exception as error:  # each layer has errors of its own
        logger.warning(
            "Open sessions could not be told of a change, they notice later: %s", reason(error)
        )
