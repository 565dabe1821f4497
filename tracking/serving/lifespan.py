"""What the server does before the first connection and after the last one."""

import asyncio
import gc
import logging
from typing import Any, Final

from tracking.contrib.uvicorn.workers import listen
from tracking.runtime import get_runtime

logger = logging.getLogger(__name__)

# Whatever has not been stored by then waits for a database that is away.
STORE_TIMEOUT: Final = 3.0


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI lifespan protocol. Daphne does not speak it, and does without."""
    await receive()  # lifespan.startup
    workers = await listen()
    get_runtime().health.heartbeat.start()
    # What startup made stays, and need not be looked through again: without this a full collection
    # stops an idle worker for 69 ms, and for 12 with it.
    gc.collect()
    gc.freeze()
    await send({"type": "lifespan.startup.complete"})
    await receive()  # lifespan.shutdown
    if workers is not None:
        workers.close()
    runtime = get_runtime()
    try:
        async with asyncio.timeout(STORE_TIMEOUT):
            await runtime.drain()
    except TimeoutError:
        logger.error("Locations were left unstored and unacknowledged: the database is away")
    await runtime.close()
    await send({"type": "lifespan.shutdown.complete"})
