"""Health checks of the parts that a process needs.

django-health-check is not used: it cannot report a part as degraded while others replace it, blocks
one more thread for each check that hangs, and logs a traceback whenever a part is unavailable.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from django.db import OperationalError, connections, router
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from tracking.alerts.rows import count_open
from tracking.engine.database import DatabaseThread, supported
from tracking.engine.receiver import Receiver
from tracking.models import DriverLocation
from tracking.runtime.heartbeat import Heartbeat
from tracking.runtime.probe import Probe
from tracking.status import Status, has_status
from tracking.throttled_log import Throttle, reason
from tracking.webhooks.waiting import waiting

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Seconds. Load balancers ask every few seconds and wait about as long.
RESULT_LIFETIME: Final = 1.0
TIMEOUT: Final = 2.0
# Longer, because counting reads the whole table.
COUNT_LIFETIME: Final = 10.0


class Health:
    """Checks the parts that a process needs, with a thread and a database connection of its own.

    The pipeline's threads may be busy for a moment in a reconnect storm, and the thread that counts
    drivers for the metrics waits while the table is locked, although the database is available.
    """

    def __init__(self, layer: Any, receiver: Receiver) -> None:
        self._migrated = False
        self._thread = DatabaseThread("tracking-health")
        self._counting = DatabaseThread("tracking-count")
        questions: dict[str, Callable[[], Awaitable[None]]] = {
            "database": partial(self._thread.run, _query),
            "migrations": self._check_migrations,
        }
        self._probes = {
            part: Probe(question, keep=RESULT_LIFETIME, timeout=TIMEOUT)
            for part, question in questions.items()
        }
        # Not in `_thread`: a lock on its table must not make the database look unavailable.
        self.heartbeat = Heartbeat(layer, receiver, self._counting.run)
        self._probes["channel_layer"] = self.heartbeat.probe

        self.drivers = Probe(
            partial(self._counting.run, count_drivers), keep=COUNT_LIFETIME, timeout=TIMEOUT
        )
        self.alerts = Probe(
            partial(self._counting.run, count_open), keep=COUNT_LIFETIME, timeout=TIMEOUT
        )
        self.events = Probe(
            partial(self._counting.run, waiting), keep=COUNT_LIFETIME, timeout=TIMEOUT
        )

    async def checks(self) -> dict[str, bool]:
        """Return for each part, by name, if it works; within two seconds."""
        self.heartbeat.start()  # unless the lifespan has started it
        works = await asyncio.gather(*map(self._works, self._probes))
        return dict(zip(self._probes, works, strict=True))

    async def close(self) -> None:
        """Stop, and close the connections."""
        await self.heartbeat.close()
        for probe in self._probes.values():
            await probe.close()
        await self.drivers.close()
        await self.events.close()
        await self.alerts.close()
        self._thread.close()
        self._counting.close(within=0)

    async def _works(self, part: str) -> bool:
        try:
            await self._probes[part].ask()
        except Exception as error:  # any error means that the part does not work
            # The reason is logged only, because the caller is not authenticated.
            logger.warning("Health check of %s failed: %s", part, reason(error))
            return False
        return True

    async def _check_migrations(self) -> None:
        # The check is expensive, and a schema that fits the code once continues to fit.
        if not self._migrated:
            await self._thread.run(_check_migrations)
            self._migrated = True


def _query() -> None:
    connection = connections[router.db_for_write(DriverLocation)]
    with connection.cursor() as cursor:
        if supported(connection.vendor) != "postgresql":
            cursor.execute("SELECT 1")
            return
        cursor.execute("SHOW transaction_read_only")
        if cursor.fetchone() == ("on",):
            # An OperationalError, so that the thread retries on a new connection.
            raise OperationalError(
                "PostgreSQL accepts no writes: it is a standby, or set to read-only"
            )


def _check_migrations() -> None:
    executor = MigrationExecutor(connections[router.db_for_write(DriverLocation)])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise LookupError("there are migrations to run: manage.py migrate")


def count_drivers() -> dict[str, int]:
    """Return the number of drivers by status."""
    now = timezone.now()
    return {
        status.value: DriverLocation.objects.filter(has_status(status, now)).count()
        for status in Status
    }
